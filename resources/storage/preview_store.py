"""A store for previews: reads the published artifacts, and publishes into its own folder."""

from pathlib import Path

from resources.storage.artifacts import Artifact
from resources.storage.local_store import LocalArtifactStore
from resources.storage.manifest import Manifest
from resources.storage.store import ArtifactStore


class PreviewStore(LocalArtifactStore):
    """The artifacts of another store, overlaid with those that were published here."""

    def __init__(self, published: ArtifactStore, folder: Path) -> None:
        super().__init__(folder)
        self._published = published

    def manifest(self, asset: str, ep_id: str) -> Manifest | None:
        """The manifest of an asset, from this store or else the other one."""
        return super().manifest(asset, ep_id) or self._published.manifest(asset, ep_id)

    def open(self, asset: str, ep_id: str) -> Artifact | None:
        """An asset for reading, from this store or else the other one."""
        return super().open(asset, ep_id) if self._is_here(asset, ep_id) else self._published.open(asset, ep_id)

    def artifact(self, manifest: Manifest) -> Artifact:
        """The artifact of a manifest of either store."""
        here = self._is_here(manifest.asset, manifest.ep_id)
        return super().artifact(manifest) if here else self._published.artifact(manifest)

    def is_intact(self, manifest: Manifest) -> bool:
        """Whether the artifact is intact in the store that has it."""
        here = self._is_here(manifest.asset, manifest.ep_id)
        return super().is_intact(manifest) if here else self._published.is_intact(manifest)

    def read(self, relative: str) -> bytes | None:
        """One file, from this store or else the other one: corrections apply to previews too."""
        content = super().read(relative)
        return self._published.read(relative) if content is None else content

    def _is_here(self, asset: str, ep_id: str) -> bool:
        return super().manifest(asset, ep_id) is not None
