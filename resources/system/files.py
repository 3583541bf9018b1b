"""Digests of files, links, own copies, and writing that never leaves half a file."""

import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FICLONE = 0x40049409
"""The request of ``ioctl`` to share the blocks of a file; from Linux, ``include/uapi/linux/fs.h``."""
_COPY_BYTES = 8 * 1024**2


def sha256_of_file(path: Path) -> str:
    """SHA-256 of the content of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def leaves_folder(path: Path, folder: Path) -> bool:
    """Whether a path below a folder is, by a link in between, outside of it, or a link that leads nowhere."""
    try:
        return not path.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        return True


def copy_content(source: Path, target: Path) -> None:
    """Make a new file with the content of another and blocks of its own: neither changes with the other.

    Where the file system can share blocks until one of both is written (Btrfs, XFS), nothing is copied.

    Raises:
        OSError: The source cannot be read, or the target not written; ``ENOSPC``, before anything is copied, if there
            is too little room.
    """
    with source.open("rb") as reading, target.open("xb") as writing:
        try:
            fcntl.ioctl(writing, _FICLONE, reading.fileno())
        except OSError:  # another file system, or one that cannot share blocks
            size, free = os.fstat(reading.fileno()).st_size, shutil.disk_usage(target.parent).free
            if size > free:
                reason = f"{size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free"
                raise OSError(errno.ENOSPC, reason, str(target.parent)) from None
            shutil.copyfileobj(reading, writing, _COPY_BYTES)
        writing.flush()
        os.fsync(writing.fileno())


@contextmanager
def file_named(path: Path | str) -> Iterator[None]:
    """Add the path to errors of the system that do not name a file, such as those of writing on a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def replaced_file(target: Path) -> Iterator[Path]:
    """A temporary path beside a file; what is written there replaces the file, unless an error is raised."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        if error.filename in (None, str(temporary), temporary):  # nobody knows that name
            error.filename, error.filename2 = str(target), None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(target: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all, even after a power failure."""
    with replaced_file(target) as temporary, temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
