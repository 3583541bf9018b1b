"""Locks between processes that a killed process cannot leave behind."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def open_locked(path: Path, operation: int, flags: int) -> int | None:
    """Open a file and lock it; nothing where another process has taken its place or removed it meanwhile.

    Args:
        path: The file.
        operation: ``fcntl.LOCK_SH`` or ``LOCK_EX``, with ``LOCK_NB`` not to wait.
        flags: Of ``os.open``.

    Returns:
        A file descriptor; closing it gives the lock back.

    Raises:
        FileNotFoundError: There is no such file, and the flags do not make one.
        BlockingIOError: Another process holds the lock, and ``LOCK_NB`` was given.
    """
    descriptor = os.open(path, flags, 0o644)
    try:
        fcntl.flock(descriptor, operation)
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for a lock and hold it; its file is gone afterwards."""
    descriptor = None
    while descriptor is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = open_locked(path, fcntl.LOCK_EX, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:  # its folder was empty for a moment and was removed
            continue
    try:
        yield
    finally:
        try:
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
