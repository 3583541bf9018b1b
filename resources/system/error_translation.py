"""What libraries raise, as sentences: the file or place, what was found, and what to do.

Classes are recognised by the package that defines them, so that no library is imported here. An error of none of
these packages is a bug of our own.
"""

import errno
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from resources.system.paths import dagster_home
from resources.system.redaction import without_passwords
from screenalytics_assets.core.common.errors import (
    ArtifactError,
    ConfigurationError,
    DatabaseAwayError,
    DatabaseError,
    ModelPackError,
    ScreenalyticsError,
    StorageError,
    SystemFailureError,
    UnavailableError,
    VideoError,
)

_REASON_CHARACTERS = 300

TRANSIENT_ERRNOS = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EIO, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ESTALE}
)
"""Errors of a network drive or connection that a retry may not meet again."""

_SYSTEM_FAILURES: Mapping[int, str] = {
    errno.ENOSPC: "the disk is full: free some space and run again",
    errno.EDQUOT: "the disk quota is used up: free some space or ask for more, and run again",
    errno.EFBIG: "the file would be larger than the file system or the limit of this process (ulimit -f) allows",
    errno.EMFILE: "this process has too many files open: raise the limit (ulimit -n) and run again",
    errno.ENFILE: "the machine has too many files open: close other programs and run again",
    errno.ENOMEM: "there is not enough memory: close other programs or process fewer episodes at once",
}
_REFUSALS: Mapping[int, str] = {
    errno.EROFS: "the file system is read-only: choose another folder, or mount it writable",
    errno.EACCES: "permission denied: check who owns it and its permissions",
    errno.EPERM: "not permitted: check who owns it and its permissions",
    errno.ENOENT: "no such file or folder: check the path",
    errno.ENOTDIR: "a part of the path is a file; expected a folder",
    errno.EISDIR: "this is a folder; expected a file",
    errno.EEXIST: "this exists already: choose another path or move it away",
    errno.ENOTEMPTY: "this folder is not empty: move away what is in it",
    errno.ENAMETOOLONG: "the name is too long for the file system: choose a shorter one",
    errno.ELOOP: "the symbolic links form a loop: correct or remove them",
    errno.EXDEV: "the two places are on different file systems; expected one",
    errno.EINVAL: "the file system does not allow this name or operation: choose another place",
}
_OF_NETWORK = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ECONNABORTED})
_TRANSIENT: Mapping[int, str] = {
    errno.EIO: "the disk or network drive reports an error of input or output: check it and run again",
    errno.EBUSY: "it is in use: close other programs and run again",
    errno.ESTALE: "the network drive has lost this file: check the drive and run again",
}
_SQLITE: Mapping[str, tuple[type[ScreenalyticsError], str]] = {
    "SQLITE_READONLY": (StorageError, "it is read-only: check its permissions and the file system"),
    "SQLITE_PERM": (StorageError, "permission denied: check its permissions"),
    "SQLITE_CANTOPEN": (StorageError, "it cannot be opened: check the path, the permissions and the free space"),
    "SQLITE_FULL": (SystemFailureError, "the disk is full: free some space and run again"),
    "SQLITE_BUSY": (UnavailableError, "another process has it locked: try again when that one has ended"),
    "SQLITE_LOCKED": (UnavailableError, "another process has it locked: try again when that one has ended"),
    "SQLITE_IOERR": (UnavailableError, "the disk reports an error of input or output: check the disk and its space"),
    "SQLITE_CORRUPT": (StorageError, "it is damaged: restore it from a copy, or move it away to start a new one"),
    "SQLITE_NOTADB": (StorageError, "it is damaged: restore it from a copy, or move it away to start a new one"),
}
_SQLITE_OF_DISK = ("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")
"""What SQLite also reports if it cannot make the files that it writes beside a database."""

_SQLITE_NEEDS_BYTES = 1024**2
"""With less room, an error of SQLite comes from a full disk: it writes pages of 4 KB, and indexes its log by 32 KB."""
_NO_ANSWER = frozenset(
    {"ConnectionError", "HTTPClientError", "IncompleteReadError", "FlexibleChecksumError", "RetriesExceededError"}
)
_BUGS = frozenset({errno.EBADF, errno.EFAULT})
_Translator = Callable[[Exception, str], ScreenalyticsError | None]


def translated(error: BaseException, place: str | Path = "") -> ScreenalyticsError | None:
    """An error as one with a message for people; None for a bug of our own.

    Args:
        error: What was raised.
        place: What was read or written, for errors that do not name it.
    """
    if isinstance(error, ScreenalyticsError):
        return error
    if not isinstance(error, Exception):
        return None
    for kind in type(error).__mro__:
        package = kind.__module__.partition(".")[0]
        translate = _PACKAGES.get(package) or _BUILTINS.get(kind)
        if translate is not None:
            return translate(error, str(place))
    inner = error.__cause__
    wrapped = type(error).__module__.startswith("dagster")
    return translated(inner, place) if wrapped and inner is not None else None


def error_of_disk(place: Path, needed_bytes: int, name: str = "") -> StorageError | None:
    """What is wrong with the disk of a database that reports only that it cannot work; None if nothing is.

    Args:
        place: An absolute path; it may not exist yet.
        needed_bytes: With less room the disk is full.
        name: What the message calls the place, if not by its path.
    """
    existing = next((folder for folder in (place, *place.parents) if folder.exists()), place.parents[-1])
    disk = os.statvfs(existing)
    if disk.f_flag & os.ST_RDONLY:
        return StorageError(f"{name or place}: {_REFUSALS[errno.EROFS]}")
    if disk.f_bavail * disk.f_frsize < needed_bytes or (disk.f_files and not disk.f_favail):
        return SystemFailureError(f"{name or place}: {_SYSTEM_FAILURES[errno.ENOSPC]}")
    return None


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed a moment later."""
    return isinstance(translated(error), UnavailableError)


def reason_of(error: BaseException) -> str:
    """The first line of an error's message, shortened, without passwords; its kind if it has none."""
    lines = str(error).strip().splitlines()
    reason = without_passwords(lines[0]) if lines else ""
    return (reason or type(error).__name__)[:_REASON_CHARACTERS]


def _of_system(error: Exception, place: str) -> ScreenalyticsError | None:
    number = getattr(error, "errno", None)
    if number in _BUGS:
        return None
    names = [_text(name) for name in (getattr(error, "filename", None), getattr(error, "filename2", None)) if name]
    if not names and _is_of_network(error, number):
        return UnavailableError(
            f"{place or 'a server'}: {_strerror(error)}: check the network and the address, then run again"
        )
    where = " and ".join(names) or place or "reading or writing a file"
    if isinstance(number, int) and number in _SYSTEM_FAILURES:
        found = _strerror(error)
        details = "" if found == os.strerror(number) else f" ({found})"
        return SystemFailureError(f"{where}: {_SYSTEM_FAILURES[number]}{details}")
    if isinstance(number, int) and number in _REFUSALS:
        return StorageError(f"{where}: {_REFUSALS[number]}")
    if number in TRANSIENT_ERRNOS or isinstance(error, ConnectionError | TimeoutError):
        advice = _TRANSIENT.get(number or 0, f"{_strerror(error)}: check the drive or the network and run again")
        return UnavailableError(f"{where}: {advice}")
    return SystemFailureError(f"{where}: {_strerror(error)}: check the file, the disk and the network, then run again")


def _is_of_network(error: Exception, number: object) -> bool:
    if number == errno.EPIPE:  # also of a program that no longer reads what is printed
        return False
    of_socket = type(error).__module__ in ("socket", "ssl") and not isinstance(error, TimeoutError)
    return of_socket or isinstance(error, ConnectionError) or number in _OF_NETWORK


def _text(name: object) -> str:
    """A file name that can be printed, whatever its bytes are."""
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)
    return text.encode("utf-8", "backslashreplace").decode()


def _strerror(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or reason_of(error))


def _of_sqlite(error: Exception, place: str) -> ScreenalyticsError:
    where = place or f"a database of the Dagster instance in {dagster_home()}"
    name = str(getattr(error, "sqlite_errorname", None) or "")
    if name.startswith(_SQLITE_OF_DISK):
        file = Path(place) if Path(place).is_absolute() else dagster_home()
        if (found := error_of_disk(file, _SQLITE_NEEDS_BYTES, where)) is not None:
            return found
    for known, (kind, advice) in _SQLITE.items():
        if name.startswith(known):
            return kind(f"{where}: {advice}")
    return StorageError(f"{where}: SQLite reports: {reason_of(error)}; check the file and run again")


def _of_sqlalchemy(error: Exception, place: str) -> ScreenalyticsError:
    inner = getattr(error, "orig", None) or error.__cause__
    if isinstance(inner, Exception) and (found := translated(inner, place)) is not None:
        return found
    where = place or f"a database of the Dagster instance in {dagster_home()}"
    if type(error).__name__ == "TimeoutError":
        return UnavailableError(f"{where}: all connections are in use: try again when other runs have ended")
    return StorageError(f"{where}: {reason_of(error)}; check the database and its address")


def _of_postgres(error: Exception, place: str) -> ScreenalyticsError:
    if error.__cause__ is not None and (found := translated(error.__cause__, place)) is not None:
        return found  # DagsterPostgresException says only that it has tried often enough
    where = place or "the PostgreSQL database"
    state = str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")
    if state.startswith("53"):  # insufficient resources: disk, memory, connections
        return SystemFailureError(f"{where}: {reason_of(error)}: free resources of the database server and run again")
    if state in ("55P03", "57014"):
        return DatabaseAwayError(f"{where}: gave up waiting for a lock or an answer: {reason_of(error)}; try again")
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"OperationalError", "InterfaceError", "PoolTimeout", "PoolClosed", "TooManyRequests"}:
        return DatabaseAwayError(f"{where} does not answer: {reason_of(error)}; start it or correct the address")
    return DatabaseError(f"{where} refused: {reason_of(error)}; check its version, its permissions and its address")


def _says(kind: type[ScreenalyticsError], subject: str, advice: str) -> _Translator:
    def translate(error: Exception, place: str) -> ScreenalyticsError:
        return kind(f"{place or subject}: {reason_of(error)}; {advice}")

    return translate


def _of_bucket(error: Exception, place: str) -> ScreenalyticsError:
    names = {kind.__name__ for kind in type(error).__mro__}
    kind = UnavailableError if names & _NO_ANSWER else StorageError
    advice = "check the address, the network and the AWS_ variables"
    return kind(f"{place or 'the bucket'}: {reason_of(error)}; {advice}")


def _of_video(error: Exception, place: str) -> ScreenalyticsError:
    where = _text(getattr(error, "filename", None) or place or "the video")
    found = getattr(error, "strerror", None) or reason_of(error)
    return VideoError(f"{where}: cannot be read: {found}; check that it plays in a video player, or copy it again")


def _of_picture(error: Exception, place: str) -> ScreenalyticsError:
    named = re.search(r"'([^']+)'", str(error))
    where = place or (named[1] if named else "a picture")
    unknown = type(error).__name__ == "UnidentifiedImageError"
    found = "this is not a picture of a known format" if unknown else reason_of(error)
    return StorageError(f"{where}: {found}; check that it opens in a viewer, or copy it again")


def _of_yaml(error: Exception, place: str) -> ScreenalyticsError:
    mark = getattr(error, "problem_mark", None)
    line = f", line {mark.line + 1}" if mark else ""
    return ConfigurationError(f"{place or 'a YAML file'}: not valid YAML{line}; correct it")


def _of_json(error: Exception, place: str) -> ScreenalyticsError:
    line = getattr(error, "lineno", None)
    return ArtifactError(f"{place or 'a JSON file'}: not valid JSON{f', line {line}' if line else ''}; correct it")


def _of_text(error: Exception, place: str) -> ScreenalyticsError:
    if isinstance(error, UnicodeEncodeError):
        return ConfigurationError(f"{place or 'a name'}: it has bytes that are not UTF-8 text; rename it")
    return ConfigurationError(f"{place or 'a file or name'}: it is not UTF-8 text; save or rename it as UTF-8")


def _of_lock(error: Exception, place: str) -> ScreenalyticsError:
    path = getattr(error, "lock_file", None) or place or "a file"
    return UnavailableError(f"another process holds the lock {path}: check whether it hangs, then run again")


def _of_memory(error: Exception, place: str) -> ScreenalyticsError:
    del error
    return SystemFailureError(f"{place or 'computing'}: {_SYSTEM_FAILURES[errno.ENOMEM]}")


_POSTGRES = ("psycopg", "psycopg_pool", "psycopg2", "dagster_postgres")
_PACKAGES: Mapping[str, _Translator] = {
    **dict.fromkeys(_POSTGRES, _of_postgres),
    "sqlite3": _of_sqlite,
    "sqlalchemy": _of_sqlalchemy,
    "alembic": _says(StorageError, "the run history", "it is of another version of Dagster: install that version"),
    **dict.fromkeys(("botocore", "boto3", "s3transfer"), _of_bucket),
    **dict.fromkeys(
        ("requests", "urllib3", "http"),
        _says(UnavailableError, "a server", "check the network and the address, then run again"),
    ),
    "av": _of_video,
    "PIL": _of_picture,
    "yaml": _of_yaml,
    "json": _of_json,
    "pyarrow": _says(ArtifactError, "a table", "run the asset that writes it again with --force"),
    "pydantic_core": _says(ArtifactError, "a document", "run the asset that writes it again with --force"),
    "onnxruntime": _says(ModelPackError, "a model", "check the model file with `screenalytics models verify`"),
    "google": _says(ModelPackError, "a model", "check the model file with `screenalytics models verify`"),
    "cv2": _says(StorageError, "a picture", "check that the picture or video is complete"),
    **dict.fromkeys(("zipfile", "tarfile", "zlib", "_lzma"), _says(StorageError, "an archive", "download it again")),
    "filelock": _of_lock,
    **dict.fromkeys(
        ("subprocess", "psutil"), _says(SystemFailureError, "another program", "see its output, then retry")
    ),
}
_BUILTINS: Mapping[type, _Translator] = {OSError: _of_system, UnicodeError: _of_text, MemoryError: _of_memory}
