"""Copies of remote files on this machine: whole files only, the least recently used evicted first."""

import os
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import lru_cache
from glob import escape
from pathlib import Path
from typing import NamedTuple

from resources.system.files import sha256_of_file
from resources.system.liveness import HeldFile, hold_new, is_held
from resources.system.locks import locked
from resources.system.paths import cache_dir
from screenalytics_assets.core.common.errors import ArtifactError, ConfigurationError, StorageError

DEFAULT_LIMIT_GB = 20.0
MAX_LIMIT_GB = 1_000_000  # a petabyte, more than a machine has
_PART = ".part"


class _Kept(NamedTuple):
    path: Path
    bytes: int
    used_ns: int


class CachedFile:
    """A file of the cache. It is not evicted, by whichever process, while this object lives."""

    def __init__(self, path: Path, mark: HeldFile) -> None:
        self.path = path
        self.release = weakref.finalize(self, mark.release)


class FileCache:
    """Files by name in one folder, with a limit on their total size; any number of processes may use it.

    Each use of a file has a mark beside the folder: a lock that ends with the process of the user. When the files in
    use alone are larger than the limit, the folder grows beyond it.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._marks = folder.with_name(f"{folder.name}.in-use")
        self._limit_bytes = limit_bytes
        self._verified: set[tuple[str, int]] = set()

    def fetch(self, name: str, *, size: int, sha256: str | None, download: Callable[[Path], None]) -> CachedFile:
        """A file by its name, downloaded if it is not in the cache.

        Args:
            name: The cache's name for it; the same name always means the same content.
            size: In bytes.
            sha256: Of the content, in hexadecimal, if known.
            download: Writes the content into a file.

        Raises:
            ArtifactError: The download has another size or checksum, twice in a row.
            StorageError: The file alone is larger than the cache may be, or the disk is full.
        """
        with self._locked():
            present = self._present(name)
        if present is not None and self._is_valid(present, size, sha256):
            return present
        return self._downloaded(name, size, sha256, download)

    def adopt(self, path: Path, name: str) -> None:
        """Move a local file into the cache, unless it is there already; for a file that was just uploaded."""
        size = path.stat().st_size
        if size > self._limit_bytes:
            return
        with self._locked():
            self._make_room(size)
            target = self._folder / name
            if not target.exists():
                path.replace(target)
                self._verified.add((name, target.stat().st_ino))

    def _present(self, name: str) -> CachedFile | None:
        path = self._folder / name
        return self._in_use(path) if path.exists() else None

    def _in_use(self, path: Path) -> CachedFile:
        """Mark a file as in use; under the lock, so that it is not evicted in between."""
        return CachedFile(path, hold_new(self._marks / f"{uuid.uuid4().hex}.{path.name}"))

    def _is_valid(self, found: CachedFile, size: int, sha256: str | None) -> bool:
        """Whether a file in the cache is undamaged; a damaged one is removed. Each file is verified once a process."""
        try:
            identity = (found.path.name, found.path.stat().st_ino)
            if identity not in self._verified:
                if found.path.stat().st_size != size or (sha256 is not None and sha256_of_file(found.path) != sha256):
                    found.path.unlink(missing_ok=True)
                    return False
                self._verified.add(identity)
            os.utime(found.path)
        except FileNotFoundError:  # another process found it damaged a moment ago
            return False
        return True

    def _downloaded(self, name: str, size: int, sha256: str | None, download: Callable[[Path], None]) -> CachedFile:
        if size > self._limit_bytes:
            raise StorageError(
                f"{name}: {size / 1e9:.1f} GB do not fit the cache of {self._limit_bytes / 1e9:.1f} GB "
                f"at {self._folder}: raise SCREENALYTICS_S3_CACHE_GB"
            )
        target = self._folder / name
        part = self._new_part(size)
        try:
            _download_verified(name, part.path, size, sha256, download)
            with self._locked():
                self._make_room(0)
                # A file in use is never replaced: its users hold that very file.
                present = self._present(name)
                if present is not None and self._is_valid(present, size, sha256):
                    return present
                part.path.replace(target)
                self._verified.add((name, target.stat().st_ino))
                return self._in_use(target)
        except OSError as error:
            raise StorageError(f"{self._folder}: {name} cannot be written: {error.strerror}: make room") from error
        finally:
            part.path.unlink(missing_ok=True)
            part.release()

    def _new_part(self, size: int) -> CachedFile:
        """An empty file to download into, with room for the content."""
        with self._locked():
            self._make_room(size)
            path = self._folder / f"{uuid.uuid4().hex}{_PART}"
            path.touch()
            return self._in_use(path)

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self._marks / "cache.lock", f"tidying the cache {self._folder}")

    def _make_room(self, size: int) -> None:
        """Evict the least recently used files until ``size`` more bytes fit."""
        self._folder.mkdir(parents=True, exist_ok=True)
        files = sorted(self._files(), key=lambda file: (file.path.suffix != _PART, file.used_ns))
        room = self._limit_bytes - size - sum(file.bytes for file in files)
        for file in files:
            # A part without a user was left behind by a killed process.
            if (room < 0 or file.path.suffix == _PART) and not self._is_in_use(file.path.name):
                file.path.unlink()
                room += file.bytes

    def _is_in_use(self, name: str) -> bool:
        return any(is_held(path) for path in self._marks.glob(f"{'?' * 32}.{escape(name)}"))

    def _files(self) -> Iterator[_Kept]:
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                stat = path.stat()
                yield _Kept(path, stat.st_size, stat.st_mtime_ns)


def _download_verified(name: str, part: Path, size: int, sha256: str | None, download: Callable[[Path], None]) -> None:
    # A second attempt helps against a broken connection, not against an object that is damaged at its source.
    for _ in range(2):
        download(part)
        found = part.stat().st_size
        if found == size and (sha256 is None or sha256_of_file(part) == sha256):
            return
    problem = f"{found} bytes instead of {size}" if found != size else f"another SHA-256 than {sha256}"
    raise ArtifactError(f"{name} was downloaded with {problem}")


def local_folder() -> Path:
    """``SCREENALYTICS_S3_CACHE_DIR``, or a folder of the cache: copies of objects, and what is being written."""
    return Path(os.environ.get("SCREENALYTICS_S3_CACHE_DIR") or cache_dir() / "s3")


def local_cache() -> FileCache:
    """The copies of objects on this machine, one cache for all buckets."""
    return _cache(local_folder() / "objects", cache_limit_bytes())


@lru_cache
def _cache(folder: Path, limit_bytes: int) -> FileCache:
    return FileCache(folder, limit_bytes)


def cache_limit_bytes() -> int:
    """``SCREENALYTICS_S3_CACHE_GB`` in bytes.

    Raises:
        ConfigurationError: It is not a number above 0.
    """
    text = os.environ.get("SCREENALYTICS_S3_CACHE_GB") or str(DEFAULT_LIMIT_GB)
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes <= MAX_LIMIT_GB:
        raise ConfigurationError(
            f"SCREENALYTICS_S3_CACHE_GB is {text}: expected a number of gigabytes > 0 and ≤ {MAX_LIMIT_GB:,}"
        )
    return int(gigabytes * 1e9)
