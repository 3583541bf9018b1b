"""The videos of the episodes, one each, in a folder or in a bucket."""

import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

from resources.storage.artifacts import sha256_of
from resources.system.paths import is_bucket
from screenalytics_assets.core.common.layout import video_dir

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".m4v", ".avi", ".webm", ".ts", ".mpg", ".mxf")


class VideoFile(NamedTuple):
    """A video in the library.

    Attributes:
        name: ``episode.mp4`` or another container.
        location: Its path, or the URL of the object.
        sha256: Of its content, in hexadecimal.
    """

    name: str
    location: str
    sha256: str


class VideoPlace(ABC):
    """Where videos are kept, each by its episode and its file name."""

    @abstractmethod
    def location(self, ep_id: str, name: str) -> str:
        """What people are shown for a video."""

    @abstractmethod
    def sizes(self, ep_id: str) -> dict[str, int]:
        """The files of an episode's folder, in alphabetical order, with their bytes."""

    @abstractmethod
    def path(self, ep_id: str, name: str) -> Path:
        """A video on this machine; there as long as this object is, or until the next one is asked for."""

    @abstractmethod
    def checksum(self, ep_id: str, name: str) -> str:
        """SHA-256 of a video."""

    @abstractmethod
    def holds(self, ep_id: str, name: str, source: Path) -> bool:
        """Whether a video has the content of this file."""

    @abstractmethod
    def put(self, ep_id: str, name: str, source: Path) -> None:
        """Take a video in, whole or not at all."""

    @abstractmethod
    def remove(self, ep_id: str, name: str) -> None:
        """Remove a video."""


class LocalVideos(VideoPlace):
    """Videos below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def location(self, ep_id: str, name: str) -> str:
        """The path of a video."""
        return str(self.path(ep_id, name))

    def sizes(self, ep_id: str) -> dict[str, int]:
        """The files of an episode's folder, in alphabetical order, with their bytes."""
        paths = sorted((self._root / video_dir(ep_id)).glob("*"))
        return {path.name: path.stat().st_size for path in paths if path.exists()}

    def path(self, ep_id: str, name: str) -> Path:
        """Where a video lies."""
        return self._root / video_dir(ep_id) / name

    def checksum(self, ep_id: str, name: str) -> str:
        """SHA-256 of a video."""
        return sha256_of(self.path(ep_id, name))

    def holds(self, ep_id: str, name: str, source: Path) -> bool:
        """Whether a video has the content of this file."""
        path = self.path(ep_id, name)
        if path.samefile(source):
            return True
        return path.stat().st_size == source.stat().st_size and sha256_of(path) == sha256_of(source)

    def put(self, ep_id: str, name: str, source: Path) -> None:
        """Take a video in, by a hard link where the file system allows it."""
        target = self.path(ep_id, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            _link_or_copy(source, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def remove(self, ep_id: str, name: str) -> None:
        """Remove a video."""
        self.path(ep_id, name).unlink()


def _place_of(root: str) -> VideoPlace:
    if is_bucket(root):
        # Only whoever has a bucket needs the packages for it.
        from resources.storage.s3_videos import videos_in_bucket

        return videos_in_bucket(root)
    return LocalVideos(Path(root))


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)
