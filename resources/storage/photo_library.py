"""The photos of known people: a folder per show, in it a folder per person."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from resources.system.files import leaves_folder
from resources.system.text_documents import read_limited
from screenalytics_assets.core.common.digests import sha256_of
from screenalytics_assets.core.common.errors import FacebankError

MAX_PHOTO_BYTES = 100_000_000
"""A larger file is not read: one byte for each of the pixels that a photo may have, while a JPEG takes about half."""
MAX_PHOTOS = 10_000
"""Photos of a show: a thousand people with ten photos each. All of them are in memory at once."""
# botocore keeps ten connections open.
_THREADS = 8


class Photo(NamedTuple):
    """A file in a person's folder.

    Attributes:
        photo_id: Folder and name of the file, ``Sheldon Cooper/2.jpg``.
        folder: The person's folder.
        size_bytes: Size of the file.
        content: What is in it; None if it is larger than `MAX_PHOTO_BYTES`.
    """

    photo_id: str
    folder: str
    size_bytes: int
    content: bytes | None

    @property
    def digest(self) -> str:
        """SHA-256 of the file; of a file that is not read, a text that changes with its size."""
        return f"{self.size_bytes} bytes" if self.content is None else sha256_of(self.content)


def photos_in_folder(folder: Path) -> list[Photo]:
    """The files in the people's folders, sorted; hidden ones are skipped.

    Raises:
        FacebankError: A link leads out of the folder, or nowhere, or there are more than `MAX_PHOTOS`.
    """
    people = (path for path in sorted(folder.glob("*")) if not path.name.startswith("."))
    for path in (path for person in people for path in (person, *sorted(person.glob("[!.]*")))):
        if path.is_symlink() and leaves_folder(path, folder):
            raise FacebankError(
                f"{path} is a link that leads out of {folder}, or nowhere: put the photos there themselves"
            )
    paths = [path for path in sorted(folder.glob("*/*")) if path.is_file() and not _is_hidden(path)]
    _check_count(len(paths), str(folder))
    return [_photo_in_file(path) for path in paths]


def _check_count(found: int, place: str) -> None:
    if found > MAX_PHOTOS:
        raise FacebankError(
            f"{place}: {found:,} photos; expected at most {MAX_PHOTOS:,}. A few photos of each person are enough: move "
            "the others away"
        )


def _photo_in_file(path: Path) -> Photo:
    size_bytes = path.stat().st_size
    content = read_limited(path, MAX_PHOTO_BYTES, FacebankError) if size_bytes <= MAX_PHOTO_BYTES else None
    return Photo(f"{path.parent.name}/{path.name}", path.parent.name, size_bytes, content)


def photos_in_bucket(url: str) -> list[Photo]:
    """As `photos_in_folder`, for the objects below a prefix."""
    # Imported here: without a bucket, its packages are not needed.
    from resources.storage.bucket import bucket_of

    bucket = bucket_of(url)
    sizes = {PurePosixPath(stored.key): stored.bytes for stored in bucket.list("")}
    wanted = [path for path in sorted(sizes) if len(path.parts) == 2 and not _is_hidden(path)]
    _check_count(len(wanted), url)

    def photo(path: PurePosixPath) -> Photo | None:
        if sizes[path] > MAX_PHOTO_BYTES:
            return Photo(str(path), path.parent.name, sizes[path], None)
        found = bucket.read(str(path))
        return Photo(str(path), path.parent.name, len(found.content), found.content) if found else None

    with ThreadPoolExecutor(_THREADS) as pool:
        # Photos that were deleted since the listing are skipped.
        return [found for found in pool.map(photo, wanted) if found is not None]


def _is_hidden(path: PurePath) -> bool:
    return path.name.startswith(".") or path.parent.name.startswith(".")
