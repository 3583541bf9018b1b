"""The video library as a Dagster resource."""

from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from resources.storage.videos import VIDEO_SUFFIXES, VideoFile, VideoPlace, video_place
from resources.system.paths import data_location
from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.common.layout import VIDEO_STEM


class VideoLibraryResource(dg.ConfigurableResource[None]):
    """Finds and stores the videos of episodes.

    Attributes:
        root: Folder of the data, or ``s3://bucket/prefix``; empty takes ``SCREENALYTICS_DATA_ROOT`` or ``data/`` of
            the checkout.
    """

    root: str | None = None
    # A place in a bucket keeps the local copy of the last video.
    _places: dict[str, VideoPlace] = PrivateAttr(default_factory=dict)

    def find(self, ep_id: str) -> Path:
        """The local path of an episode's video; valid while this object lives.

        Raises:
            VideoError: There is none, or more than one.
        """
        return self._place().path(ep_id, self._only_name(ep_id))

    def locate(self, ep_id: str) -> str:
        """The path or URL of an episode's video, without copying it to this machine.

        Raises:
            VideoError: There is none, or more than one.
        """
        return self._place().location(ep_id, self._only_name(ep_id))

    def size_of(self, ep_id: str) -> tuple[str, int]:
        """Name and size in bytes of an episode's video, without reading it.

        Raises:
            VideoError: There is none, or more than one.
        """
        name = self._only_name(ep_id)
        return name, self._place().sizes(ep_id)[name]

    def holds(self, ep_id: str, source: Path) -> bool:
        """Whether an episode's video is as it was stored, with the content of a file; not copied from a bucket.

        Raises:
            VideoError: There is none, or more than one.
        """
        place, name = self._place(), self._only_name(ep_id)
        return place.holds(ep_id, name, source) and place.is_own(ep_id, name)

    def identify(self, ep_id: str) -> VideoFile:
        """Name and checksum of an episode's video; it is only copied from a bucket if need be.

        Raises:
            VideoError: There is none, or more than one.
        """
        name = self._only_name(ep_id)
        return VideoFile(name, self._place().location(ep_id, name), self._place().checksum(ep_id, name))

    def add(self, ep_id: str, source: Path, *, replace: bool) -> str:
        """Store a video in the library; returns its path or URL.

        Raises:
            VideoError: The file does not exist, does not have the name of a video, or the episode already has another
                video and ``replace`` is not set.
        """
        if not source.is_file():
            raise VideoError(f"{source}: no such file")
        suffix = source.suffix.lower()
        if suffix not in VIDEO_SUFFIXES:
            raise VideoError(f"{source}: expected the name of a video to end with one of {', '.join(VIDEO_SUFFIXES)}")
        place, present = self._place(), self._names(ep_id)
        for name in present:
            if place.holds(ep_id, name, source):
                if not place.is_own(ep_id, name):
                    place.put(ep_id, name, source)
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
            self._places[root] = video_place(root)
        return self._places[root]
