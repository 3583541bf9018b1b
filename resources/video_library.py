"""The videos of the episodes: one folder each below the data root."""

import os
import shutil
from pathlib import Path

import dagster as dg

from resources.artifact_store import sha256_of
from screenalytics_assets.core.errors import VideoError
from screenalytics_assets.core.layout import VIDEO_STEM, video_dir
from screenalytics_assets.paths import data_root

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".m4v", ".avi", ".webm", ".ts", ".mpg", ".mxf")


class VideoLibraryResource(dg.ConfigurableResource[None]):
    """Finds and takes in the videos of episodes.

    Attributes:
        root: Folder of the data; empty takes ``SCREENALYTICS_DATA_ROOT`` or ``data/`` of the checkout.
    """

    root: str | None = None

    def folder(self, ep_id: str) -> Path:
        """Where the video of an episode lies."""
        return (Path(self.root) if self.root else data_root()) / video_dir(ep_id)

    def find(self, ep_id: str) -> Path:
        """The video of an episode.

        Raises:
            VideoError: There is none, or more than one.
        """
        found = self._videos(ep_id)
        if not found:
            raise VideoError(
                f"{ep_id} has no video: put it at {self.folder(ep_id) / VIDEO_STEM}.mp4, "
                f"or run `screenalytics run VIDEO --ep-id {ep_id}`"
            )
        if len(found) > 1:
            raise VideoError(f"{ep_id} has {len(found)} videos, expected one: {', '.join(map(str, found))}")
        return found[0]

    def add(self, ep_id: str, source: Path, *, replace: bool) -> Path:
        """Take a video in, by a hard link where the file system allows it; returns its place.

        Raises:
            VideoError: There is no such file, it is no video by its name, or the episode has another video already
                and ``replace`` is not given.
        """
        if not source.is_file():
            raise VideoError(f"{source}: no such file")
        suffix = source.suffix.lower()
        if suffix not in VIDEO_SUFFIXES:
            raise VideoError(f"{source}: expected the name of a video to end with one of {', '.join(VIDEO_SUFFIXES)}")
        target = self.folder(ep_id) / f"{VIDEO_STEM}{suffix}"
        present = self._videos(ep_id)
        same = [video for video in present if video.samefile(source)]
        if same:
            return same[0]
        if present and not replace and not _same_content(present[0], source):
            raise VideoError(
                f"{ep_id} already has the video {present[0]}, which differs from {source}: "
                "use another --ep-id, or --replace to take the new one"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            _link_or_copy(source, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        for other in present:
            if other != target:
                other.unlink()
        return target

    def _videos(self, ep_id: str) -> list[Path]:
        folder = self.folder(ep_id)
        return sorted(path for path in folder.glob(f"{VIDEO_STEM}.*") if path.suffix.lower() in VIDEO_SUFFIXES)


def _same_content(first: Path, second: Path) -> bool:
    return first.stat().st_size == second.stat().st_size and sha256_of(first) == sha256_of(second)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)
