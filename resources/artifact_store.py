"""The artifact store as a Dagster resource, and the store of a preview."""

from pathlib import Path

import dagster as dg

from resources.storage.local_store import LocalArtifactStore
from resources.storage.preview_store import PreviewStore
from resources.storage.store import ArtifactStore
from resources.system.paths import data_location, is_bucket


class ArtifactStoreResource(dg.ConfigurableResource[None]):
    """The artifacts of all episodes.

    Attributes:
        root: Folder of the data, or ``s3://bucket/prefix``; empty takes ``SCREENALYTICS_DATA_ROOT`` or ``data/`` of
            the checkout.
    """

    root: str | None = None

    def store(self) -> ArtifactStore:
        """The store behind this resource."""
        root = self.root or data_location()
        if is_bucket(root):
            # Imported here: without a bucket, its packages are not needed.
            from resources.storage.s3_store import artifacts_in_bucket

            return artifacts_in_bucket(root)
        return LocalArtifactStore(Path(root))


class PreviewStoreResource(ArtifactStoreResource):
    """The artifacts of all episodes, overlaid with those of a preview.

    Attributes:
        folder: Where the preview publishes.
    """

    folder: str

    def store(self) -> ArtifactStore:
        """The store behind this resource."""
        return PreviewStore(super().store(), Path(self.folder))
