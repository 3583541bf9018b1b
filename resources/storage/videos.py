"""The videos of the episodes, one per episode, in a folder or a bucket."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

from resources.system.digest_memory import remembered_sha256
from resources.system.files import copy_content, leaves_folder, replaced_file, sha256_of_file, write_whole
from resources.system.paths import is_bucket
from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.common.layout import video_dir

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".m4v", ".avi", ".webm", ".ts", ".mpg", ".mxf")
_READ_ONLY = 0o444


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

    def is_own(self, ep_id: str, name: str) -> bool:  # noqa: ARG002 - a bucket's objects are
        """Whether a video is as it was stored, and no other program has the same file."""
        return True

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
        return str(self._path(ep_id, name))

    def sizes(self, ep_id: str) -> dict[str, int]:
        """The names of the files in an episode's folder, sorted, with their sizes in bytes."""
        paths = sorted((self._root / video_dir(ep_id)).glob("*"))
        return {path.name: path.stat().st_size for path in paths if path.exists()}

    def path(self, ep_id: str, name: str) -> Path:
        """The path of a video.

        Raises:
            VideoError: It is a link that leaves the library, or its content is not what was stored.
        """
        self.checksum(ep_id, name)
        return self._path(ep_id, name)

    def checksum(self, ep_id: str, name: str) -> str:
        """SHA-256 of a video; compared with that of the file that was stored, if the library stored it.

        Raises:
            VideoError: It is a link that leaves the library, or its content is not what was stored.
        """
        path, stored = self._path(ep_id, name), self._stored_sha256(ep_id, name)
        self._require_inside(path, ep_id)
        found = remembered_sha256(path)
        if stored is not None and found != stored:
            raise VideoError(
                f"{path} was changed after it was stored: its SHA-256 is {found[:12]}…, expected {stored[:12]}…. Store "
                f"it again with `screenalytics run VIDEO --ep-id {ep_id} --replace`"
            )
        return found

    def holds(self, ep_id: str, name: str, source: Path) -> bool:
        """Whether the video that was stored has the same content as a file."""
        path, stored = self._path(ep_id, name), self._stored_sha256(ep_id, name)
        if stored is None:
            stored = remembered_sha256(path)
        return stored == remembered_sha256(source)

    def is_own(self, ep_id: str, name: str) -> bool:
        """Whether a video is as it was stored, and no hard link to the file is elsewhere, as earlier versions made."""
        path = self._path(ep_id, name)
        if leaves_folder(path, path.parents[1]):
            return False
        return path.stat().st_nlink == 1 and remembered_sha256(path) == self._stored_sha256(ep_id, name)

    def put(self, ep_id: str, name: str, source: Path) -> None:
        """Store a copy of a video that is the library's own, read-only, and its SHA-256 beside it.

        Raises:
            VideoError: The source changed while it was copied, or the episode's folder is a link out of the library.
            OSError: It cannot be copied; ``ENOSPC``, before anything is copied, if there is too little room.
        """
        path, seal = self._path(ep_id, name), self._seal(ep_id, name)
        if path.parent.is_symlink():
            self._require_inside(path.parent, ep_id)
        before = source.stat()
        with replaced_file(path) as copy:
            copy_content(source, copy)
            copy.chmod(_READ_ONLY)
            sha256, after = sha256_of_file(copy), source.stat()
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise VideoError(f"{source} was changed while it was being copied: try again when it is complete")
            # A crash in between leaves the seal of the new video beside the old one, which is reported.
            write_whole(seal, f"{sha256}\n".encode())

    def remove(self, ep_id: str, name: str) -> None:
        """Remove a video."""
        self._path(ep_id, name).unlink()
        self._seal(ep_id, name).unlink(missing_ok=True)

    def _path(self, ep_id: str, name: str) -> Path:
        return self._root / video_dir(ep_id) / name

    def _require_inside(self, path: Path, ep_id: str) -> None:
        """Refuse a video, or the folder of an episode, outside of the library."""
        library = (self._root / video_dir(ep_id)).parent
        if leaves_folder(path, library):
            link = next((folder for folder in (path.parent, path) if folder.is_symlink()), path)
            raise VideoError(
                f"{link} is a link that leads out of {library}: remove it and store the video with "
                f"`screenalytics run VIDEO --ep-id {ep_id}`"
            )

    def _seal(self, ep_id: str, name: str) -> Path:
        return self._root / video_dir(ep_id) / f".{name}.sha256"

    def _stored_sha256(self, ep_id: str, name: str) -> str | None:
        """SHA-256 of the file that was stored; None if another program or an earlier version put it there."""
        try:
            return self._seal(ep_id, name).read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            return None


def video_place(root: str) -> VideoPlace:
    """The videos below a data root, a folder or ``s3://bucket/prefix``."""
    if is_bucket(root):
        # Imported here: without a bucket, its packages are not needed.
        from resources.storage.s3_videos import videos_in_bucket

        return videos_in_bucket(root)
    return LocalVideos(Path(root))
