"""The videos of the episodes, one each, in a folder or in a bucket."""

import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

import dagster as dg
from pydantic import PrivateAttr

from resources.storage.artifacts import sha256_of
from resources.system.paths import data_location, is_bucket
from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.common.layout import VIDEO_STEM, video_dir

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


class VideoLibraryResource(dg.ConfigurableResource[None]):
    """Finds and takes in the videos of episodes.

    Attributes:
        root: Folder of the data, or ``s3://bucket/prefix``; empty takes ``SCREENALYTICS_DATA_ROOT`` or ``data/`` of
            the checkout.
    """

    root: str | None = None
    # A place keeps the copy of the video that was last asked for.
    _places: dict[str, VideoPlace] = PrivateAttr(default_factory=dict)

    def find(self, ep_id: str) -> Path:
        """The video of an episode on this machine; there as long as this object is.

        Raises:
            VideoError: There is none, or more than one.
        """
        return self._place().path(ep_id, self._only_name(ep_id))

    def locate(self, ep_id: str) -> str:
        """Where the video of an episode is, without a copy on this machine.

        Raises:
            VideoError: There is none, or more than one.
        """
        return self._place().location(ep_id, self._only_name(ep_id))

    def size_of(self, ep_id: str) -> tuple[str, int]:
        """Name and bytes of the video of an episode, without a look into it.

        Raises:
            VideoError: There is none, or more than one.
        """
        name = self._only_name(ep_id)
        return name, self._place().sizes(ep_id)[name]

    def holds(self, ep_id: str, source: Path) -> bool:
        """Whether the video of an episode has the content of this file; none is copied for that, if need not be.

        Raises:
            VideoError: There is none, or more than one.
        """
        return self._place().holds(ep_id, self._only_name(ep_id), source)

    def identify(self, ep_id: str) -> VideoFile:
        """Name and checksum of the video of an episode; from a bucket it is copied only if need be.

        Raises:
            VideoError: There is none, or more than one.
        """
        name = self._only_name(ep_id)
        return VideoFile(name, self._place().location(ep_id, name), self._place().checksum(ep_id, name))

    def add(self, ep_id: str, source: Path, *, replace: bool) -> str:
        """Take a video in; returns its place.

        Raises:
            VideoError: There is no such file, it is no video by its name, or the episode has another video already
                and ``replace`` is not given.
        """
        if not source.is_file():
            raise VideoError(f"{source}: no such file")
        suffix = source.suffix.lower()
        if suffix not in VIDEO_SUFFIXES:
            raise VideoError(f"{source}: expected the name of a video to end with one of {', '.join(VIDEO_SUFFIXES)}")
        place, present = self._place(), self._names(ep_id)
        for name in present:
            if place.holds(ep_id, name, source):
                return place.location(ep_id, name)
        if present and not replace:
            raise VideoError(
                f"{ep_id} already has the video {place.location(ep_id, present[0])}, which differs from {source}: "
                "use another --ep-id, or --replace to take the new one"
            )
        target = f"{VIDEO_STEM}{suffix}"
        place.put(ep_id, target, source)
        for name in present:
            if name != target:
                place.remove(ep_id, name)
        return place.location(ep_id, target)

    def _only_name(self, ep_id: str) -> str:
        names = self._names(ep_id)
        if not names:
            raise VideoError(
                f"{ep_id} has no video: put it at {self._place().location(ep_id, f'{VIDEO_STEM}.mp4')}, "
                f"or run `screenalytics run VIDEO --ep-id {ep_id}`"
            )
        if len(names) > 1:
            places = ", ".join(self._place().location(ep_id, name) for name in names)
            raise VideoError(f"{ep_id} has {len(names)} videos, expected one: {places}")
        return names[0]

    def _names(self, ep_id: str) -> list[str]:
        paths = map(Path, self._place().sizes(ep_id))
        return [path.name for path in paths if path.stem == VIDEO_STEM and path.suffix.lower() in VIDEO_SUFFIXES]

    def _place(self) -> VideoPlace:
        root = self.root or data_location()
        if root not in self._places:
            self._places[root] = _place_of(root)
        return self._places[root]


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
