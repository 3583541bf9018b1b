"""Copies of remote files on this machine: whole files only, the longest unused one goes when there is no room."""

import fcntl
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from resources.storage.artifacts import sha256_of
from resources.system.file_lock import locked, open_locked
from screenalytics_assets.core.common.errors import ArtifactError, StorageError

_PART = ".part"
_LOCK = ".evicting.lock"


class _Kept(NamedTuple):
    path: Path
    bytes: int
    used_ns: int


class CachedFile:
    """A file of the cache; it is not removed as long as this object lives, in whichever process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._release = weakref.finalize(self, os.close, descriptor)


class FileCache:
    """Files by name below one folder, with a limit for all of them together; any number of processes may use it.

    A shared lock on a file says that it is in use; a killed process gives its locks back. Only where what is in
    use at once is larger than the limit, the folder grows beyond it.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._verified: set[tuple[str, int]] = set()

    def fetch(self, name: str, *, size: int, sha256: str | None, download: Callable[[Path], None]) -> CachedFile:
        """A file by its name, downloaded where it is not here.

        Args:
            name: Under which the cache keeps it; the same name always means the same content.
            size: In bytes.
            sha256: Of the content, in hexadecimal, where it is known.
            download: Writes the content into a file.

        Raises:
            ArtifactError: What was downloaded, twice, has another size or checksum.
            StorageError: The file alone is larger than the cache may be, or the disk is full.
        """
        return self._present(name, size, sha256) or self._downloaded(name, size, sha256, download)

    def adopt(self, path: Path, name: str) -> None:
        """Take a file of this machine in, by moving it, unless it is there; for what was just uploaded."""
        size = path.stat().st_size
        if size > self._limit_bytes:
            return
        with self._room_for(size):
            target = self._folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                path.replace(target)
                self._verified.add((name, target.stat().st_ino))

    def _present(self, name: str, size: int, sha256: str | None) -> CachedFile | None:
        path = self._folder / name
        try:
            descriptor = open_locked(path, fcntl.LOCK_SH, os.O_RDONLY)
        except FileNotFoundError:
            return None
        if descriptor is None:
            return None
        found = CachedFile(path, descriptor)
        identity = (name, os.fstat(descriptor).st_ino)
        if identity not in self._verified:
            if path.stat().st_size != size or (sha256 is not None and sha256_of(path) != sha256):
                path.unlink(missing_ok=True)
                return None
            self._verified.add(identity)
        os.utime(path)
        return found

    def _downloaded(self, name: str, size: int, sha256: str | None, download: Callable[[Path], None]) -> CachedFile:
        if size > self._limit_bytes:
            raise StorageError(
                f"{name}: {size / 1e9:.1f} GB do not fit the cache of {self._limit_bytes / 1e9:.1f} GB "
                f"at {self._folder}: raise SCREENALYTICS_S3_CACHE_GB"
            )
        with self._room_for(size):
            target = self._folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(suffix=_PART, dir=self._folder)
            part = CachedFile(Path(temporary), descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        try:
            self._download_verified(name, part.path, size, sha256, download)
            with self._room_for(0):
                # A file in use is never replaced: its readers hold that very file.
                present = self._present(name, size, sha256)
                if present is not None:
                    return present
                part.path.replace(target)
        except OSError as error:
            raise StorageError(f"{self._folder}: {name} cannot be written: {error.strerror}: make room") from error
        finally:
            part.path.unlink(missing_ok=True)
        part.path = target
        self._verified.add((name, os.fstat(descriptor).st_ino))
        return part

    def _download_verified(
        self, name: str, part: Path, size: int, sha256: str | None, download: Callable[[Path], None]
    ) -> None:
        # What a broken connection has damaged comes whole the second time; what is damaged there does not.
        for _ in range(2):
            download(part)
            found = part.stat().st_size
            if found == size and (sha256 is None or sha256_of(part) == sha256):
                return
        problem = f"{found} bytes instead of {size}" if found != size else f"another SHA-256 than {sha256}"
        raise ArtifactError(f"{name} was downloaded with {problem}")

    @contextmanager
    def _room_for(self, size: int) -> Iterator[None]:
        """Remove what was not used for the longest time until ``size`` more bytes fit; nobody else does meanwhile."""
        with locked(self._folder / _LOCK):
            files = sorted(self._files(), key=lambda file: (file.path.suffix != _PART, file.used_ns))
            room = self._limit_bytes - size - sum(file.bytes for file in files)
            for file in files:
                # A part that nobody holds was left behind by a process that died.
                if (room < 0 or file.path.suffix == _PART) and _remove_unused(file.path):
                    room += file.bytes
            yield

    def _files(self) -> Iterator[_Kept]:
        for path in self._folder.rglob("*"):
            with suppress(FileNotFoundError):
                if path.is_file() and path.name != _LOCK:
                    stat = path.stat()
                    yield _Kept(path, stat.st_size, stat.st_mtime_ns)


def _remove_unused(path: Path) -> bool:
    try:
        descriptor = open_locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB, os.O_RDONLY)
    except (BlockingIOError, FileNotFoundError):
        return False
    if descriptor is None:
        return False
    path.unlink()
    os.close(descriptor)
    return True
