"""The inbox: its files, which of them are complete, and which have been processed."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resources.system.files import leaves_folder
from resources.system.paths import config_dir, data_location, is_bucket
from screenalytics_assets.automation.yaml_model import ConfigFile, read_config
from screenalytics_assets.core.common.digests import sha256_of
from screenalytics_assets.core.common.errors import ScreenalyticsError, VideoError
from screenalytics_assets.core.config.ranges import DAY_S

if TYPE_CHECKING:
    from resources.storage.bucket import Bucket

FOLDER_VARIABLE = "SCREENALYTICS_INBOX"
_COPYING_SUFFIXES = frozenset({".part", ".partial", ".filepart", ".crdownload", ".download", ".tmp"})


class InboxSettings(ConfigFile):
    """The keys of ``config/inbox.yaml``."""

    folder: str = Field(
        "inbox",
        min_length=1,
        description="Where episodes are dropped: below the data root, a folder, or s3://bucket/prefix.",
    )
    settle_s: float = Field(
        60.0, ge=0, le=DAY_S, description="A file is complete when it did not change for this long."
    )
    interval_s: int = Field(30, ge=5, le=DAY_S, description="How often the inbox is read.")
    autorun: bool = Field(False, description="Run the graph for a new episode at once.")


def inbox_settings() -> InboxSettings:
    """The inbox as ``config/inbox.yaml`` describes it; ``SCREENALYTICS_INBOX`` overrides the folder."""
    settings = read_config(config_dir() / "inbox.yaml", InboxSettings)
    folder = os.environ.get(FOLDER_VARIABLE)
    return settings.model_copy(update={"folder": folder}) if folder else settings


def reading_interval_s() -> int:
    """How often the inbox is read; the default if the file is wrong or cannot be read, which its tick then reports."""
    try:
        return inbox_settings().interval_s
    except ScreenalyticsError:
        return InboxSettings().interval_s


@dataclass(frozen=True)
class InboxFile:
    """A file of the inbox; ``name`` is its path below the inbox."""

    name: str
    size: int
    modified_ns: int

    @property
    def stem(self) -> str:
        """The file name without its suffix, which should be the episode's id."""
        return Path(self.name).stem

    @property
    def stamp(self) -> str:
        """A digest of size and modification time."""
        return sha256_of(f"{self.size} {self.modified_ns}".encode())[:12]


class Inbox(Protocol):
    """Where episodes are dropped: a folder or a bucket."""

    def files(self) -> list[InboxFile]:
        """Every file that could be an episode, complete or not."""

    def local(self, name: str) -> AbstractContextManager[Path]:
        """A context in which the file lies on this machine."""

    def remove(self, name: str) -> None:
        """Delete the file."""


class FolderInbox:
    """A folder with its subfolders; hidden files and files that are still being written are ignored."""

    def __init__(self, root: Path, *, create: bool) -> None:
        self.root = root
        self._create = create
        self._paths: dict[str, Path] = {}

    def files(self) -> list[InboxFile]:
        """The files, sorted by name.

        Raises:
            VideoError: The folder does not exist, for example because a network drive is not mounted.
        """
        if self._create:
            self.root.mkdir(parents=True, exist_ok=True)
        if not self.root.is_dir():
            raise VideoError(f"the inbox {self.root} does not exist: create it, mount it, or set {FOLDER_VARIABLE}")
        return sorted(self._found(), key=lambda file: file.name)

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """The file itself.

        Raises:
            VideoError: It is no regular file, such as a pipe, on which a reader would wait, or a link to itself, out of
                the inbox, or nowhere.
        """
        path = self._path(name)
        try:
            is_file = stat.S_ISREG(path.stat().st_mode)
        except FileNotFoundError:
            is_file = False
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise VideoError(f"{name} is a symbolic link that leads back to itself") from error
            raise
        if leaves_folder(path, self.root):
            raise VideoError(
                f"{name} is a link that leads out of the inbox {self.root}, or nowhere: copy the video there itself"
            )
        if not is_file:
            raise VideoError(f"{name} is not a regular file")
        yield path

    def remove(self, name: str) -> None:
        """Delete the file if it still exists."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._paths.get(name, self.root / name)

    def _found(self) -> Iterator[InboxFile]:
        for folder, subfolders, names in os.walk(self.root):
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            for name in names:
                path = Path(folder, name)
                if not _may_be_episode(path.relative_to(self.root)):
                    continue
                found = self._file(path)
                if found is not None:
                    self._paths[found.name] = path
                    yield found

    def _file(self, path: Path) -> InboxFile | None:
        # A name that is not UTF-8 fits into no message and no cursor.
        name = os.fsencode(path.relative_to(self.root).as_posix()).decode("utf-8", "backslashreplace")
        try:
            status = path.stat()
        except FileNotFoundError:  # moved since the folder was listed, or a dangling link
            return None
        except OSError:  # a link that leads to itself; what it is turns out when it is taken
            try:
                status = path.lstat()
            except FileNotFoundError:
                return None
        return InboxFile(name, status.st_size, status.st_mtime_ns)


class BucketInbox:
    """Objects below a prefix of a bucket, copied to this machine while they are read."""

    def __init__(self, bucket: "Bucket", workspace: Path) -> None:
        self._bucket = bucket
        self._workspace = workspace

    def files(self) -> list[InboxFile]:
        """The objects, sorted by name.

        Raises:
            StorageError: The bucket does not exist or cannot be read.
        """
        return [
            InboxFile(found.key, found.bytes, int(found.modified_s * 1e9))
            for found in sorted(self._bucket.list(""), key=lambda found: found.key)
            if not f"/{found.key}".endswith("/") and _may_be_episode(PurePosixPath(found.key))
        ]

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A temporary copy of the object."""
        self._workspace.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="inbox.", dir=self._workspace) as folder:
            path = Path(folder) / PurePosixPath(name).name
            self._bucket.download(name, path)
            yield path

    def remove(self, name: str) -> None:
        """Delete the object if it still exists."""
        self._bucket.delete([name])


def _may_be_episode(path: PurePath) -> bool:
    """Whether the name is neither hidden, nor in a hidden folder, nor that of a file being written."""
    is_hidden = path.name.startswith("~") or any(part.startswith(".") for part in path.parts)
    return not is_hidden and path.suffix.lower() not in _COPYING_SUFFIXES


def open_inbox(settings: InboxSettings | None = None) -> Inbox:
    """The configured inbox; it is created below the data root, and must exist anywhere else."""
    folder = (settings or inbox_settings()).folder
    if is_bucket(folder):
        return _inbox_in_bucket(folder)
    if is_bucket(data_location()) and not Path(folder).is_absolute():
        return _inbox_in_bucket(f"{data_location().rstrip('/')}/{folder}")
    return FolderInbox(Path(data_location()) / folder, create=not Path(folder).is_absolute())


def _inbox_in_bucket(url: str) -> BucketInbox:
    # Imports boto3, which only a bucket needs.
    from resources.storage.bucket import bucket_of
    from resources.storage.file_cache import local_folder

    return BucketInbox(bucket_of(url), local_folder() / "staging")


class Cursor(BaseModel):
    """The state of the inbox sensor between ticks.

    Attributes:
        version: Version of this format; a cursor of another version is discarded, and all files are examined again.
        waiting: By file name, its stamp and the time since when it has it, in seconds since the epoch.
        done: By file name, the stamp of files that were registered or refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    waiting: Mapping[str, tuple[str, float]] = Field(default_factory=dict)
    done: Mapping[str, str] = Field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        """A stored cursor, or an empty one if there is none or it cannot be read."""
        try:
            return cls.model_validate_json(text) if text else cls()
        except ValidationError:
            return cls()

    def observe(self, files: Sequence[InboxFile], now_s: float) -> "Cursor":
        """The cursor after the inbox was listed again: missing files are dropped, changed ones wait from now on."""
        new = [file for file in files if self.done.get(file.name) != file.stamp]
        return Cursor(
            waiting={file.name: self._since(file, now_s) for file in new},
            done={file.name: file.stamp for file in files if self.done.get(file.name) == file.stamp},
        )

    def settled(self, files: Sequence[InboxFile], now_s: float, settle_s: float) -> list[InboxFile]:
        """Waiting files that have not changed for ``settle_s`` seconds."""
        return [file for file in files if file.name in self.waiting and now_s - self.waiting[file.name][1] >= settle_s]

    def with_done(self, files: Sequence[InboxFile]) -> "Cursor":
        """The cursor after files were registered or refused."""
        names = {file.name for file in files}
        return Cursor(
            waiting={name: state for name, state in self.waiting.items() if name not in names},
            done={**self.done, **{file.name: file.stamp for file in files}},
        )

    def _since(self, file: InboxFile, now_s: float) -> tuple[str, float]:
        stamp, since_s = self.waiting.get(file.name, ("", now_s))
        return (file.stamp, since_s if stamp == file.stamp else now_s)
