"""What the functions of an artifact's declaration work with; it gives them nothing that was not declared."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from logging import Logger
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.run_settings import RunSettings
from resources.models.packs import ModelPack
from resources.photos import PhotoLibraryResource
from resources.progress import ProgressResource, ProgressTask
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact
from resources.storage.manifest import Manifest
from resources.storage.store import ArtifactStore, require_artifact
from resources.vectors import VectorDatabaseResource
from resources.videos import VideoLibraryResource
from screenalytics_assets.core.config.keys import Settings
from screenalytics_assets.core.config.thresholds import Thresholds

if TYPE_CHECKING:
    from screenalytics_assets.artifact import ArtifactSpec

T = TypeVar("T")


class Resources(Protocol):
    """The Dagster resources by their keys; those that a spec did not declare are not there."""

    settings: SettingsResource
    artifacts: ArtifactStoreResource
    videos: VideoLibraryResource
    photos: PhotoLibraryResource
    vectors: VectorDatabaseResource
    progress: ProgressResource


class UndeclaredReadError(Exception):
    """A bug: a function of a spec reads an artifact that the spec does not declare."""

    def __init__(self, spec: str, name: str, attribute: str) -> None:
        super().__init__(f"{spec} reads {name}, which is not among its {attribute}: declare it in its ArtifactSpec")


class Inputs(dict[str, Artifact]):
    """The artifacts that a spec reads, by name."""

    def __init__(self, spec: str, artifacts: Mapping[str, Artifact]) -> None:
        super().__init__(artifacts)
        self._spec = spec

    def __missing__(self, name: str) -> Artifact:
        raise UndeclaredReadError(self._spec, name, "reads")


@dataclass(frozen=True)
class Run:
    """One artifact for one partition.

    Attributes:
        spec: The artifact.
        key: The partition key: an episode, a show or a season.
        store: For files that belong to no artifact, and for locations; artifacts are read through `inputs`,
            `manifests`, `published` and `previous`.
        resources: Those that the spec declares.
        log: The log of the run.
        episodes: Gives the registered episodes.
        known: Manifests of this partition that are known already, by artifact.
    """

    spec: "ArtifactSpec"
    key: str
    store: ArtifactStore
    resources: Resources
    log: Logger
    episodes: Callable[[], Iterable[str]] = tuple
    known: Mapping[str, Manifest] = field(default_factory=dict)
    _read: dict[Callable[["Run"], Any], Any] = field(default_factory=dict)

    @property
    def settings(self) -> RunSettings:
        """The configuration with the models that it names."""
        return self.resources.settings.load()

    @property
    def keys(self) -> Settings:
        """The configuration keys."""
        return self.settings.resolved.settings

    @property
    def thresholds(self) -> Thresholds:
        """The limits that belong to the models."""
        return self.settings.thresholds

    @property
    def pack(self) -> ModelPack:
        """The models."""
        return self.settings.pack

    @cached_property
    def inputs(self) -> Inputs:
        """The artifacts in the spec's ``reads``.

        Raises:
            ArtifactError: One was never published, or is damaged.
        """
        names = self.spec.reads
        return Inputs(self.spec.name, {name: require_artifact(self.store, name, self.key) for name in names})

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """The manifests in the spec's ``reads_manifests``, of those that are published."""
        found = {n: self.known.get(n) or self.store.manifest(n, self.key) for n in self.spec.reads_manifests}
        return {name: manifest for name, manifest in found.items() if manifest is not None}

    def published(self, name: str, key: str) -> Artifact | None:
        """An artifact of another partition, or nothing where it was never published.

        Raises:
            ArtifactError: Files of it are missing.
        """
        self._require_declared(name)
        return self.store.open(name, key)

    def is_published(self, name: str, key: str) -> bool:
        """Whether an artifact of another partition is published; its files are not checked."""
        self._require_declared(name)
        return self.store.manifest(name, key) is not None

    def _require_declared(self, name: str) -> None:
        if name not in self.spec.reads_across:
            raise UndeclaredReadError(self.spec.name, name, "reads_across")

    def previous(self) -> Artifact | None:
        """What was published of this artifact before, if it is intact."""
        if not self.spec.reads_previous:
            raise UndeclaredReadError(self.spec.name, "its own previous publication", "reads_previous")
        manifest = self.store.manifest(self.spec.name, self.key)
        if manifest is None:
            return None
        if not self.store.is_intact(manifest):
            self.log.warning(
                f"the previous {self.spec.name} of {self.key} are damaged: ids that only they have start again"
            )
            return None
        return self.store.artifact(manifest)

    def once(self, read: Callable[["Run"], T]) -> T:
        """What a function reads from outside of the graph, the same for ``config`` and ``compute``."""
        if read not in self._read:
            self._read[read] = read(self)
        return cast("T", self._read[read])

    def progress(self, total: int, unit: str) -> AbstractContextManager[ProgressTask]:
        """Log the progress of a task of so many units."""
        return self.resources.progress.task(self.spec.name, total, unit, self.log.info)
