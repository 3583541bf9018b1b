"""Reading video files: facts about a file without decoding it, and its frames in one sequential pass."""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from resources.storage.artifacts import sha256_of
from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.video.probe import (
    VideoProbe,
    check_complete,
    check_picture_size,
    summarise_timestamps,
)

MAX_DAMAGED_FRACTION = 0.05
"""Share of frames that may be damaged or missing before the episode's figures stop meaning anything."""

MAX_SPACING_S = 1 / 12
"""Frames are left out only where those that stay are no farther apart than this.

On four labelled episodes every cut was found, and no other, in each second frame of 24 a second; in each third and
fewer a fast pan was taken for a cut.
"""

_FORMATS = "mov,matroska,webm,avi,mpegts,mpeg,flv,asf,mxf,ogg,ivf,nut,dv,rm"
"""Containers of one file. Playlists (hls, dash, concat) and picture sequences open other files: not these."""
_OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}


@dataclass(frozen=True)
class VideoFrame:
    """One decoded frame; the pictures are made when they are asked for.

    Attributes:
        index: 0-based, in the order of display.
        ts_s: seconds since the first frame.
        is_corrupt: the decoder had to conceal damage.
    """

    index: int
    ts_s: float
    is_corrupt: bool
    _decoded: av.VideoFrame = field(repr=False)
    _picture: "_PictureMaker" = field(repr=False)

    def bgr(self) -> NDArray[np.uint8]:
        """The upright picture: (H, W, 3) uint8 BGR, contiguous, H and W as in the probe."""
        return self._picture.full(self._decoded)

    def small_bgr(self, width: int, height: int) -> NDArray[np.uint8]:
        """The whole upright picture averaged down to (height, width, 3) uint8 BGR, at little cost."""
        return self._picture.small(self._decoded, width, height)


class _Scalers(threading.local):
    """A swscale context for each of the two sizes, and for each thread: one cannot be shared."""

    def __init__(self) -> None:
        self.full = VideoReformatter()
        self.small = VideoReformatter()


class _PictureMaker:
    """Conversion to upright BGR."""

    def __init__(self, probe: VideoProbe) -> None:
        self._size = (probe.width, probe.height)
        self._quarter_turns = probe.rotation_deg // 90
        self._scalers = _Scalers()

    def full(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        return self._convert(self._scalers.full, frame, *self._size, "BILINEAR")

    def small(self, frame: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        return self._convert(self._scalers.small, frame, width, height, "AREA")

    def _convert(
        self,
        reformatter: VideoReformatter,
        frame: av.VideoFrame,
        width: int,
        height: int,
        interpolation: Literal["AREA", "BILINEAR"],
    ) -> NDArray[np.uint8]:
        if self._quarter_turns % 2:
            width, height = height, width
        # Threads of its own would compete with the looks that other threads are taking meanwhile.
        converted = reformatter.reformat(
            frame, width=width, height=height, format="bgr24", interpolation=interpolation, threads=1
        )
        stored = np.asarray(converted.to_ndarray(), dtype=np.uint8)
        return np.ascontiguousarray(np.rot90(stored, -self._quarter_turns))


def check_video(path: Path) -> None:
    """Raise for a file that `probe_video` refuses, without reading it whole for its digest."""
    probe_video(path, sha256="")


def probe_video(path: Path, *, sha256: str | None = None) -> VideoProbe:
    """Read the facts about a video: every packet's timestamp, one decoded frame, the file's digest.

    Args:
        path: a video file on this machine.
        sha256: the file's digest, if it is known; otherwise the file is read for it.

    Returns:
        The facts; the file can be decoded and is complete as far as its container tells.

    Raises:
        VideoError: naming the file, if it is missing, not a file, empty, not a video, without pictures, truncated,
            of an unusable size, without decodable pictures, or with unusable timestamps.
    """
    with _errors_name(path):
        _check_file(path)
        with _open(path) as (container, stream):
            check_picture_size(stream.codec_context.width, stream.codec_context.height)
            first, pts_s = _first_frame_and_times(container, stream)
            rotation_deg = round(-first.rotation / 90) * 90 % 360
            turned = rotation_deg % 180 == 90
            width, height = (first.height, first.width) if turned else (first.width, first.height)
            fps, duration_s, is_variable_rate = summarise_timestamps(pts_s)
            declared_end_s = _declared_end_s(container, stream)
            if declared_end_s is not None:
                check_complete(float(pts_s.max()) + 1 / fps, declared_end_s)
            return VideoProbe(
                width=width,
                height=height,
                fps=fps,
                duration_s=duration_s,
                frame_count=len(pts_s),
                is_variable_rate=is_variable_rate,
                rotation_deg=rotation_deg,
                codec=stream.codec_context.name,
                pixel_format=first.format.name,
                container=container.format.name,
                container_duration_s=_seconds(container.duration),
                has_audio=bool(container.streams.audio),
                size_bytes=path.stat().st_size,
                sha256=sha256_of(path) if sha256 is None else sha256,
            )


def read_frames(path: Path, probe: VideoProbe, *, every_frame: bool = True) -> Generator[VideoFrame]:
    """Decode a video once, from its first frame to its last.

    Frames are handed on as they are decoded and not kept. The file is closed when the iteration ends or is
    abandoned. Frames that the decoder had to repair are handed on with `is_corrupt` set; packets that it
    refuses and frames that go back in time are left out. Both count as damaged.

    Args:
        path: the file.
        probe: its facts by `probe_video`.
        every_frame: without it frames that no other one is predicted from are left out, about half of them in H.264
            with B frames, as long as the others are at most ``MAX_SPACING_S`` apart. A frame that is missing is then
            one without a packet, or whose packet the decoder refuses.

    Yields:
        The frames in the order of display, `ts_s` increasing from 0.

    Raises:
        VideoError: after the last frame, naming the file, if the pictures end early or more than 5 % of them
            were damaged or missing.
    """
    picture = _PictureMaker(probe)
    count, corrupt, ts_s = 0, 0, -1.0
    first_pts: int | None = None
    refused: list[Packet[VideoStream]] = []
    with _errors_name(path), _open(path) as (container, stream):
        left_out = None if every_frame else _LeftOut(path, stream)
        for decoded in _decoded_frames(container, stream, refused.append):
            if decoded.pts is None or decoded.time_base is None:
                continue
            first_pts = decoded.pts if first_pts is None else first_pts
            now_s = float((decoded.pts - first_pts) * decoded.time_base)
            if now_s <= ts_s:
                continue
            index = count if left_out is None else left_out.index(decoded.pts, now_s)
            ts_s = now_s
            corrupt += decoded.is_corrupt
            yield VideoFrame(index, ts_s, decoded.is_corrupt, decoded, picture)
            count += 1
        check_complete(ts_s + 1 / probe.fps, probe.duration_s)
        there = count if left_out is None else left_out.frame_count - len(refused)
        missing = max(0, probe.frame_count - there)
        expected = probe.frame_count if left_out is None else count + missing
        if corrupt + missing > MAX_DAMAGED_FRACTION * expected:
            raise VideoError(
                f"of {expected} frames {corrupt} are damaged and {missing} missing or out of order, "
                f"more than {MAX_DAMAGED_FRACTION:.0%} together. Copy or download the file again, or convert it"
            )


class _LeftOut:
    """Has the decoder leave out frames that no other one is predicted from, unless the others get too far apart."""

    def __init__(self, path: Path, stream: VideoStream) -> None:
        with _open(path) as (container, same_stream):
            packets = (p for p in _packets(container, same_stream) if p.size and not p.is_discard)
            self._shown_pts = np.unique(np.array([p.pts for p in packets if p.pts is not None], np.int64))
        self.frame_count = len(self._shown_pts)
        self._codec = stream.codec_context
        self._codec.skip_frame = "NONREF"
        self._last: tuple[int, float] | None = None

    def index(self, pts: int, ts_s: float) -> int:
        """The number that the next frame has among all, also those left out."""
        index = int(np.searchsorted(self._shown_pts, pts))
        if self._last is not None:
            last_index, last_s = self._last
            if index > last_index + 1 and ts_s - last_s > MAX_SPACING_S + CLOCK_TOLERANCE_S:
                self._codec.skip_frame = "DEFAULT"
        self._last = index, ts_s
        return index


@contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    """Put the file's name in front of every error, and translate FFmpeg's."""
    try:
        yield
    except VideoError as error:
        raise VideoError(f"{path}: {error}") from error
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{path}: cannot be read: {error}") from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise VideoError("no such file")
    if path.is_dir():
        raise VideoError("this is a folder; expected a video file")
    if not path.is_file():
        raise VideoError("this is not a regular file; expected a video file")
    if path.stat().st_size == 0:
        raise VideoError("the file is empty; copy or download it again")


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its picture track. Cover art of a sound file is not one."""
    try:
        container = av.open(str(path.absolute()), options=_OPEN_OPTIONS)
    except (av.InvalidDataError, av.EOFError) as error:
        raise VideoError(_why_unreadable(path)) from error
    except av.ArgumentError as error:
        raise VideoError(
            f"this is a playlist or another format that is not read; expected one of {_FORMATS}"
        ) from error
    with container:
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise VideoError(f"there is no picture in this file, only {_describe_streams(container)}")
        # Slice threading, the default, reports few or none of the damaged frames.
        streams[0].thread_type = "AUTO"
        yield container, streams[0]


def _why_unreadable(path: Path) -> str:
    with path.open("rb") as file:
        is_mp4 = file.read(8)[4:] == b"ftyp"
    if is_mp4:
        return "this MP4 has no index (moov): it was cut off while it was written. Copy or download it again"
    return f"this is not a video file: its format is not known. Expected one of {_FORMATS}"


def _describe_streams(container: InputContainer) -> str:
    kinds = sorted({stream.type for stream in container.streams if stream.type != "video"})
    return " and ".join(kinds) or "nothing"


def _packets(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """The packets up to the end, or up to where the file cannot be followed any further."""
    packets = container.demux(stream)
    while True:
        try:
            yield next(packets)
        except (StopIteration, av.InvalidDataError):
            return


def _decoded_frames(
    container: InputContainer, stream: VideoStream, on_refused: "Callable[[Packet[VideoStream]], object]"
) -> Iterator[av.VideoFrame]:
    """All frames that can be decoded; a packet that the decoder refuses costs only its own frames."""
    for packet in _packets(container, stream):
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            on_refused(packet)
            continue
        yield from frames


def _first_frame_and_times(container: InputContainer, stream: VideoStream) -> tuple[av.VideoFrame, NDArray[np.float64]]:
    """The first frame that can be decoded, and when each frame is shown: (N,) seconds, NaN if that is unknown."""
    first: av.VideoFrame | None = None
    times_s = []
    for packet in _packets(container, stream):
        if packet.size and not packet.is_discard:
            times_s.append(np.nan if packet.pts is None else float(packet.pts * packet.time_base))
        if first is None:
            with suppress(av.InvalidDataError):
                first = next(iter(packet.decode()), None)
    if first is None:
        raise VideoError(f"none of the pictures can be decoded (codec {stream.codec_context.name})")
    return first, np.array(times_s, np.float64)


def _declared_end_s(container: InputContainer, stream: VideoStream) -> float | None:
    """When the pictures end by the container: by their own track where it says, or else as a whole."""
    if stream.duration is not None and stream.time_base is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    return _seconds(None if container.duration is None else (container.start_time or 0) + container.duration)


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / av.time_base
