"""The artifact store as a Dagster resource."""

from pathlib import Path

import dagster as dg

from resources.storage.local_store import LocalArtifactStore
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
