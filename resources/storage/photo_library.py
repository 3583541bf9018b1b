"""The photos of known people: one folder a show, in it one folder a person."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

# botocore keeps ten connections open.
_THREADS = 8


class Photo(NamedTuple):
    """A file in a person's folder; ``photo_id`` is folder and name, ``Sheldon Cooper/2.jpg``."""

    photo_id: str
    folder: str
    content: bytes


def _in_folder(folder: Path) -> list[Photo]:
    paths = [path for path in sorted(folder.glob("*/*")) if path.is_file() and not _is_hidden(path)]
    return [Photo(f"{path.parent.name}/{path.name}", path.parent.name, path.read_bytes()) for path in paths]


def _in_bucket(url: str) -> list[Photo]:
    # Only whoever has a bucket needs the packages for it.
    from resources.storage.bucket import bucket_of

    bucket = bucket_of(url)
    paths = sorted(PurePosixPath(stored.key) for stored in bucket.list(""))
    wanted = [path for path in paths if len(path.parts) == 2 and not _is_hidden(path)]
    with ThreadPoolExecutor(_THREADS) as pool:
        read = list(pool.map(bucket.read, map(str, wanted)))
    # What was deleted since the folder was listed is no photo any more.
    return [Photo(str(path), path.parent.name, found[0]) for path, found in zip(wanted, read, strict=True) if found]


def _is_hidden(path: PurePath) -> bool:
    return path.name.startswith(".") or path.parent.name.startswith(".")
