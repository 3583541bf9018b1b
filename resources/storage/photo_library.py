"""The photos of known people: one folder a show, in it one folder a person."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

import dagster as dg

from resources.system.paths import data_location, is_bucket
from screenalytics_assets.core.common.errors import FacebankError
from screenalytics_assets.core.common.layout import object_key, photos_dir

# botocore keeps ten connections open.
_THREADS = 8


class Photo(NamedTuple):
    """A file in a person's folder; ``photo_id`` is folder and name, ``Sheldon Cooper/2.jpg``."""

    photo_id: str
    folder: str
    content: bytes


class PhotoLibraryResource(dg.ConfigurableResource[None]):
    """Finds the photos of a show.

    Attributes:
        root: Holds a folder for each show; may be ``s3://bucket/prefix``. Empty takes ``SCREENALYTICS_FACEBANK_ROOT``,
            or ``facebank/`` below the data root.
        show_folder: The folder of the one show that is asked for, wherever it lies.
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
        """Every file in the people's folders, by name; hidden files are none of ours.

        Raises:
            FacebankError: There are no photos.
            StorageError: They are in a bucket that is not there, or may not be read.
        """
        location = self.location(show)
        found = _in_bucket(location) if is_bucket(location) else _in_folder(Path(location))
        if not found:
            raise FacebankError(
                f"{show} has no photos: put them at {location}/PERSON/*.jpg, one folder a person, or name their folder "
                f"with `screenalytics facebank {show} --photos DIR`"
            )
        return found


def _in_folder(folder: Path) -> list[Photo]:
    paths = [path for path in sorted(folder.glob("*/*")) if path.is_file() and not _is_hidden(path)]
    return [Photo(f"{path.parent.name}/{path.name}", path.parent.name, path.read_bytes()) for path in paths]


def _in_bucket(url: str) -> list[Photo]:
    # Only whoever has a bucket needs the packages for it.
    from resources.storage.s3_store import bucket_of

    bucket = bucket_of(url)
    paths = sorted(PurePosixPath(stored.key) for stored in bucket.list(""))
    wanted = [path for path in paths if len(path.parts) == 2 and not _is_hidden(path)]
    with ThreadPoolExecutor(_THREADS) as pool:
        read = list(pool.map(bucket.read, map(str, wanted)))
    # What was deleted since the folder was listed is no photo any more.
    return [Photo(str(path), path.parent.name, found[0]) for path, found in zip(wanted, read, strict=True) if found]


def _is_hidden(path: PurePath) -> bool:
    return path.name.startswith(".") or path.parent.name.startswith(".")
