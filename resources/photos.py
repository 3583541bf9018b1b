"""The photos of known people as a Dagster resource."""

import os
from pathlib import Path

import dagster as dg

from resources.storage.photo_library import Photo, photos_in_bucket, photos_in_folder
from resources.system.paths import data_location, is_bucket
from screenalytics_assets.core.common.errors import FacebankError
from screenalytics_assets.core.common.layout import object_key, photos_dir


class PhotoLibraryResource(dg.ConfigurableResource[None]):
    """Finds the photos of a show.

    Attributes:
        root: Holds a folder for each show; may be ``s3://bucket/prefix``. Empty takes ``SCREENALYTICS_FACEBANK_ROOT``,
            or ``facebank/`` below the data root.
        show_folder: The folder of the only show that will be asked for; overrides ``root``.
    """

    root: str | None = None
    show_folder: str | None = None

    def location(self, show: str) -> str:
        """Where the photos of a show are: a folder, or ``s3://bucket/prefix``."""
        if self.show_folder:
            return self.show_folder
        root = self.root or os.environ.get("SCREENALYTICS_FACEBANK_ROOT")
        if root:
            return f"{root.rstrip('/')}/{show}"
        data = data_location()
        return f"{data.rstrip('/')}/{object_key(photos_dir(show)) if is_bucket(data) else photos_dir(show)}"

    def photos(self, show: str) -> list[Photo]:
        """The files in the people's folders, sorted; hidden ones are skipped.

        Raises:
            FacebankError: There are no photos.
            StorageError: They are in a bucket that does not exist or may not be read.
        """
        location = self.location(show)
        found = photos_in_bucket(location) if is_bucket(location) else photos_in_folder(Path(location))
        if not found:
            raise FacebankError(
                f"{show} has no photos: put them at {location}/PERSON/*.jpg, one folder per person, or name their "
                f"folder with `screenalytics facebank {show} --photos DIR`"
            )
        return found
