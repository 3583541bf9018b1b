"""Where artifacts are published and read: whole or not at all, each with a manifest.

An artifact is first written to a staging folder, then published. Its manifest, with row counts and checksums, comes
last: without a manifest, or with files that do not match it, the artifact does not exist for a reader.
"""

import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.manifest import Manifest, command_for
from resources.system.liveness import HeldFile, hold_new, try_hold
from resources.system.locks import LOCK_TIMEOUT_S, locked
from screenalytics_assets.core.common.digests import digest_of
from screenalytics_assets.core.common.episode_ids import is_ep_id
from screenalytics_assets.core.common.errors import ArtifactError

UPDATE_TIMEOUT_S = 30.0
"""The longest wait for others who change the same small file; one change takes milliseconds, in a bucket a second."""
_EPISODES_SHOWN = 10
_HELD = ".held"
"""Beside a folder in which an artifact is written, with its name: the file that its process holds."""


class ArtifactStore(ABC):
    """Where artifacts are published and read; a folder or a bucket."""

    _workspace: Path
    """A local folder for artifacts that are being written, on the same disk as the files that they become."""

    @abstractmethod
    def location(self, relative: str) -> str:
        """What users see for a place below the data root: a path, or the URL of an object."""

    @abstractmethod
    def manifest(self, asset: str, ep_id: str) -> Manifest | None:
        """The manifest of an asset; None if it was not published, or by an older version with another manifest."""

    @abstractmethod
    def open(self, asset: str, ep_id: str) -> Artifact | None:
        """A published asset for reading; None if it was not published.

        Raises:
            ArtifactError: Files of the asset are missing or have another size than the manifest says.
        """

    @abstractmethod
    def artifact(self, manifest: Manifest) -> Artifact:
        """The artifact of a manifest of this store, for reading; its files are not checked."""

    @abstractmethod
    def is_intact(self, manifest: Manifest) -> bool:
        """Whether every file of the artifact exists and has the checksum in the manifest."""

    @abstractmethod
    def write(self, relative: str, content: bytes) -> str:
        """Write one file that is not part of an artifact, whole or not at all; returns its location."""

    @abstractmethod
    def read(self, relative: str) -> bytes | None:
        """The content of one file that is not part of an artifact; None if it does not exist."""

    def update(self, relative: str, change: Callable[[bytes | None], bytes]) -> str:
        """Replace one file that is not part of an artifact by what ``change`` makes of it; returns its location.

        Concurrent changes are not lost: writers on this machine take turns, and a bucket compares versions. ``change``
        is called again if another machine was faster. If it raises an error, nothing is written.

        Args:
            relative: The file.
            change: From the content, None if there is no such file, to the new content.

        Raises:
            StorageError: Others kept the file busy for too long.
        """
        with self.turn(relative, f"changing {self.location(relative)}", timeout_s=UPDATE_TIMEOUT_S):
            return self._update(relative, change)

    def turn(self, name: str, activity: str, *, timeout_s: float = LOCK_TIMEOUT_S) -> AbstractContextManager[None]:
        """Hold a lock that others on this machine, or on this folder, wait for.

        Args:
            name: What is locked, for example the place of a file below the data root.
            activity: What the holder does, for the message of those who waited too long.
            timeout_s: The longest wait.
        """
        return locked(self._workspace / f"{name}.lock", activity, timeout_s=timeout_s)

    @abstractmethod
    def _update(self, relative: str, change: Callable[[bytes | None], bytes]) -> str:
        """The same, while the lock is held."""

    @abstractmethod
    def remove(self, relative: str) -> None:
        """Delete one file that is not part of an artifact, if it exists."""

    @abstractmethod
    def keys(self, asset: str) -> list[str]:
        """The partitions for which an asset is published, sorted."""

    @abstractmethod
    def files_of(self, ep_id: str) -> list[str]:
        """The paths or URLs of every file in the folders of an episode, sorted."""

    @abstractmethod
    def remove_files_of(self, ep_id: str) -> None:
        """Delete every folder of an episode."""

    @abstractmethod
    def _replace(self, staged: StagedArtifact, manifest: Manifest) -> None:
        """Delete the earlier artifact's stale files and manifest, publish the staged files, then the manifest."""

    @contextmanager
    def staging(self, asset: str, ep_id: str, *, write_jsonl: bool = True) -> Iterator[StagedArtifact]:
        """A place to write an artifact; what was not published is deleted afterwards."""
        parent = self._workspace / ep_id
        _remove_abandoned(parent)
        # Held before the folder exists and until it is gone: whoever sees a folder without a holder may delete it.
        held = hold_new(parent / f"{asset}.{uuid.uuid4().hex[:12]}{_HELD}")
        folder = held.path.with_suffix("")
        folder.mkdir()
        try:
            yield StagedArtifact(folder, asset, ep_id, write_jsonl=write_jsonl)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            held.release()
            remove_if_empty(parent)
            remove_if_empty(parent.parent)

    def publish(
        self,
        staged: StagedArtifact,
        *,
        fingerprint: str,
        code_version: str,
        config: Mapping[str, Any],
        inputs: Mapping[str, str],
        metrics: Mapping[str, Any],
    ) -> Artifact:
        """Replace the earlier artifact with what was staged; the manifest is written last.

        If this is interrupted, neither the earlier artifact nor the new one can be opened. If two processes publish the
        same artifact at once, a mixture of both cannot be opened.

        Raises:
            StorageError: The store refuses, or another run is publishing the same artifact.
        """
        files = staged.files()
        manifest = Manifest(
            asset=staged.asset,
            ep_id=staged.ep_id,
            fingerprint=fingerprint,
            content_digest=digest_of({file.path: file.sha256 for file in files if not file.path.endswith(".jsonl")}),
            code_version=code_version,
            config=dict(config),
            inputs=dict(inputs),
            metrics=dict(metrics),
            files=files,
        )
        self._replace(staged, manifest)
        return self.artifact(manifest)


def require_artifact(store: ArtifactStore, asset: str, ep_id: str) -> Artifact:
    """A published artifact that something else is made from.

    Raises:
        ArtifactError: It was never published, or is damaged; the message says what to run.
    """
    artifact = store.open(asset, ep_id)
    if artifact is None:
        unknown = unknown_episode(store, ep_id)
        advice = f"materialize {asset} first, in the UI or with `{command_for(asset, ep_id)}`"
        raise ArtifactError(f"{ep_id} has no {asset}: {f'{unknown}, or ' if unknown else ''}{advice}")
    return artifact


def unknown_episode(store: ArtifactStore, ep_id: str) -> str | None:
    """That nothing is published of an episode, and which episodes there are; None if it exists, or is no episode."""
    if not is_ep_id(ep_id) or store.manifest("episode_video", ep_id) is not None:
        return None
    known = store.keys("episode_video")
    more = f" and {len(known) - _EPISODES_SHOWN} more" if len(known) > _EPISODES_SHOWN else ""
    return (
        f"there is no episode {ep_id}; published episodes are {', '.join(known[:_EPISODES_SHOWN]) or 'none'}{more}. "
        "Check the id and the data root"
    )


def stale_paths(previous: Manifest | None, manifest: Manifest) -> list[str]:
    """The files and bundles of the earlier artifact that the new one does not have."""
    kept = {file.path for file in manifest.files}
    return [file.path for file in previous.files if file.path not in kept] if previous else []


def remove_if_empty(folder: Path) -> None:
    """Remove a folder if nothing is in it."""
    with suppress(OSError):  # not empty, or gone already
        folder.rmdir()


def _remove_abandoned(parent: Path) -> None:
    """Delete the folders of an episode whose process is gone, here or on another machine that shares this disk."""
    found = list(parent.glob("*.*")) if parent.is_dir() else []
    for name in {path.name.removesuffix(_HELD) for path in found if path.is_dir() or path.suffix == _HELD}:
        held = try_hold(parent / f"{name}{_HELD}")
        if isinstance(held, HeldFile):
            shutil.rmtree(parent / name, ignore_errors=True)
            held.release()
