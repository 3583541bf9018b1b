"""Locks between processes. The kernel holds them, so that a killed process cannot leave one behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from screenalytics_assets.core.common.errors import ScreenalyticsError, StorageError

LOCK_TIMEOUT_S = 300.0


def file_lock(path: Path) -> FileLock:
    """A lock that any thread may release; a file system without ``flock`` is an error, not a weaker lock."""
    return FileLock(path, thread_local=False, fallback_to_soft=False)


@contextmanager
def locked(
    path: Path,
    activity: str,
    *,
    timeout_s: float = LOCK_TIMEOUT_S,
    error: type[ScreenalyticsError] = StorageError,
) -> Iterator[None]:
    """Wait for a lock and hold it; its file is removed afterwards.

    Args:
        path: The lock file; its folder is made.
        activity: What the holder does, for the message: ``publishing faces of show-s01e01``.
        timeout_s: The longest wait.
        error: What to raise after that.
    """
    lock = file_lock(path)
    while not lock.is_locked:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=timeout_s)
        except FileNotFoundError:  # the folder was empty for a moment and another process removed it
            continue
        except Timeout:
            raise error(
                f"another process has been {activity} for {timeout_s:.0f} s, by its lock {path}: check whether it hangs"
            ) from None
    try:
        yield
    finally:
        # Removed while it is held: whoever waits for this file notices, and locks a new one.
        path.unlink(missing_ok=True)
        lock.release()
