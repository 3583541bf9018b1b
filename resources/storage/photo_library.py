"""The photos of known people: a folder per show, in it a folder per person."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from resources.system.files import leaves_folder
from screenalytics_assets.core.common.errors import FacebankError

# botocore keeps ten connections open.
_THREADS = 8


class Photo(NamedTuple):
    """A file in a person's folder; ``photo_id`` is folder and file name, ``Sheldon Cooper/2.jpg``."""

    photo_id: str
    folder: str
    content: bytes


def photos_in_folder(folder: Path) -> list[Photo]:
    """The files in the people's folders, sorted; hidden ones are skipped.

    Raises:
        FacebankError: A link leads out of the folder, or nowhere.
    """
    people = (path for path in sorted(folder.glob("*")) if not path.name.startswith("."))
    for path in (path for person in people for path in (person, *sorted(person.glob("[!.]*")))):
        if path.is_symlink() and leaves_folder(path, folder):
            raise FacebankError(
                f"{path} is a link that leads out of {folder}, or nowhere: put the photos there themselves"
            )
    paths = [path for path in sorted(folder.glob("*/*")) if path.is_file() and not _is_hidden(path)]
    return [Photo(f"{path.parent.name}/{path.name}", path.parent.name, path.read_bytes()) for path in paths]


def photos_in_bucket(url: str) -> list[Photo]:
    """As `photos_in_folder`, for the objects below a prefix."""
    # Imported here: without a bucket, its packages are not needed.
    from resources.storage.bucket import bucket_of

    bucket = bucket_of(url)
    paths = sorted(PurePosixPath(stored.key) for stored in bucket.list(""))
    wanted = [path for path in paths if len(path.parts) == 2 and not _is_hidden(path)]
    with ThreadPoolExecutor(_THREADS) as pool:
        read = list(pool.map(bucket.read, map(str, wanted)))
    # Photos that were deleted since the listing are skipped.
    return [Photo(str(path), path.parent.name, found[0]) for path, found in zip(wanted, read, strict=True) if found]


def _is_hidden(path: PurePath) -> bool:
    return path.name.startswith(".") or path.parent.name.startswith(".")
