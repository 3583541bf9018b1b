"""SHA-256 of files that are read again and again, remembered by place, size, times and inode.

A file that was changed in place has another change time, which programs cannot set. So a file is read once, by
whichever process comes first, and then only if it has changed. Losing what is remembered costs time and nothing else.
Two changes are not noticed: by a program that writes through a shared memory map, until the kernel writes it back;
and on FAT, which has no change time, by one that sets the other time back.
"""

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from resources.system.files import sha256_of_file
from resources.system.paths import cache_dir

_SETTLED_NS = 2_000_000_000
"""A digest is remembered if the file was last changed at least this long ago. Two changes within one tick of the file
system's clock have the same time; FAT has the coarsest clock, of 2 s."""
_MOST_FILES = 100_000
"""More are forgotten, oldest first: about 20 MB."""
_WAIT_S = 1.0
_TABLE = "CREATE TABLE IF NOT EXISTS digests (place TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL)"

_known: dict[str, tuple[str, str]] = {}


def remembered_sha256(path: Path) -> str:
    """SHA-256 of the content of a file, in hexadecimal; read only if the file has changed since it was last read.

    Raises:
        OSError: The file does not exist or cannot be read.
    """
    # SQLite stores no name that is not UTF-8.
    place, stat = os.fsencode(path.absolute()).decode(errors="backslashreplace"), path.stat()
    stamp = _stamp(stat)
    found = _known.get(place)
    if found is None or found[0] != stamp:
        found = _recall(place)
    if found is not None and found[0] == stamp:
        _known[place] = found
        return found[1]
    is_settled = time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) >= _SETTLED_NS
    sha256 = sha256_of_file(path)
    if is_settled and _stamp(path.stat()) == stamp:
        _known[place] = (stamp, sha256)
        _remember(place, stamp, sha256)
    return sha256


def memory_file() -> Path:
    """Where the digests are remembered; it may be deleted at any time."""
    return cache_dir() / "digests.sqlite"


def _stamp(stat: os.stat_result) -> str:
    return f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _recall(place: str) -> tuple[str, str] | None:
    path = memory_file()
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=_WAIT_S)) as connection:
            row = connection.execute("SELECT stamp, sha256 FROM digests WHERE place = ?", (place,)).fetchone()
    except sqlite3.Error:
        return None
    return (str(row[0]), str(row[1])) if row else None


def _remember(place: str, stamp: str, sha256: str) -> None:
    """Note a digest; a cache that is full, read-only, busy or damaged is not a reason to fail."""
    path = memory_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_TABLE)
            connection.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", (place, stamp, sha256))
            connection.execute(
                "DELETE FROM digests WHERE rowid <= (SELECT max(rowid) FROM digests) - ?", (_MOST_FILES,)
            )
    except (OSError, sqlite3.OperationalError):
        return
    except sqlite3.DatabaseError:  # damaged: the next call creates a new file
        with suppress(OSError):
            path.unlink()
