"""The videos of the episodes, one per episode, in a folder or a bucket."""

import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

from resources.system.files import replaced_file, sha256_of_file
from resources.system.paths import is_bucket
from screenalytics_assets.core.common.layout import video_dir

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".m4v", ".avi", ".webm", ".ts", ".mpg", ".mxf")


class VideoFile(NamedTuple):
    """A video in the library.

    Attributes:
        name: ``episode.mp4`` or another container.
        location: Its path, or the URL of the object.
        sha256: SHA-256 of its content, in hexadecimal.
    """

    name: str
    location: str
    sha256: str


class VideoPlace(ABC):
    """Where videos are kept, by episode and file name."""

    @abstractmethod
    def location(self, ep_id: str, name: str) -> str:
        """What users see for a video: its path or URL."""

    @abstractmethod
    def sizes(self, ep_id: str) -> dict[str, int]:
        """The names of the files in an episode's folder, sorted, with their sizes in bytes."""

    @abstractmethod
    def path(self, ep_id: str, name: str) -> Path:
        """The local path of a video; valid while this object lives, or until the path of another video is asked for."""

    @abstractmethod
    def checksum(self, ep_id: str, name: str) -> str:
        """SHA-256 of a video."""

    @abstractmethod
    def holds(self, ep_id: str, name: str, source: Path) -> bool:
        """Whether a video has the same content as a file."""

    @abstractmethod
    def put(self, ep_id: str, name: str, source: Path) -> None:
        """Store a video, whole or not at all."""

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
        """The names of the files in an episode's folder, sorted, with their sizes in bytes."""
        paths = sorted((self._root / video_dir(ep_id)).glob("*"))
        return {path.name: path.stat().st_size for path in paths if path.exists()}

    def path(self, ep_id: str, name: str) -> Path:
        """The path of a video."""
        return self._root / video_dir(ep_id) / name

    def checksum(self, ep_id: str, name: str) -> str:
        """SHA-256 of a video."""
        return sha256_of_file(self.path(ep_id, name))

    def holds(self, ep_id: str, name: str, source: Path) -> bool:
        """Whether a video has the same content as a file."""
        path = self.path(ep_id, name)
        if path.samefile(source):
            return True
        return path.stat().st_size == source.stat().st_size and sha256_of_file(path) == sha256_of_file(source)

    def put(self, ep_id: str, name: str, source: Path) -> None:
        """Store a video, by a hard link if the file system allows it."""
        with replaced_file(self.path(ep_id, name)) as temporary:
            try:
                temporary.hardlink_to(source.resolve())
            except OSError:
                shutil.copyfile(source, temporary)

    def remove(self, ep_id: str, name: str) -> None:
        """Remove a video."""
        self.path(ep_id, name).unlink()


def video_place(root: str) -> VideoPlace:
    """The videos below a data root, a folder or ``s3://bucket/prefix``."""
    if is_bucket(root):
        # Imported here: without a bucket, its packages are not needed.
        from resources.storage.s3_videos import videos_in_bucket

        return videos_in_bucket(root)
    return LocalVideos(Path(root))
