"""Reading video files: facts about a file without decoding it, and its frames in one sequential pass."""

import threading
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from resources.system.files import sha256_of_file
from resources.video.container import (
    check_file,
    decoded_frames,
    file_named_in_errors,
    is_displayed,
    open_video,
    packets_of,
)
from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.video.probe import check_complete, check_picture_size, summarise_timestamps

MAX_DAMAGED_FRACTION = 0.05
"""Fraction of damaged or missing frames above which the results of an episode are meaningless."""

MAX_SPACING_S = 1 / 12
"""Frames are skipped only if the remaining ones are at most this far apart.

On four labelled episodes, every second frame of 24 a second was enough to find every cut and no other. With every third
and fewer, a fast pan was reported as a cut.
"""


@dataclass(frozen=True)
class VideoFrame:
    """One decoded frame; its pictures are made on demand.

    Attributes:
        index: 0-based, in the order of display.
        ts_s: seconds since the first frame.
        is_corrupt: the decoder had to conceal damage.
    """

    index: int
    ts_s: float
    is_corrupt: bool
    _decoded: av.VideoFrame = field(repr=False)
    _converter: "_PictureConverter" = field(repr=False)

    def bgr(self) -> NDArray[np.uint8]:
        """The upright picture: (H, W, 3) uint8 BGR, contiguous, H and W as in the probe."""
        return self._converter.full(self._decoded)

    def small_bgr(self, width: int, height: int) -> NDArray[np.uint8]:
        """The whole upright picture averaged down to (height, width, 3) uint8 BGR, at little cost."""
        return self._converter.small(self._decoded, width, height)


class _PictureConverter(threading.local):
    """Conversion to upright BGR, with one swscale context for each size and thread: they cannot be shared."""

    def __init__(self, probe: VideoProbe) -> None:
        self._size = (probe.width, probe.height)
        self._quarter_turns = probe.rotation_deg // 90
        self._full = VideoReformatter()
        self._small = VideoReformatter()

    def full(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        return self._convert(self._full, frame, *self._size, "BILINEAR")

    def small(self, frame: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        return self._convert(self._small, frame, width, height, "AREA")

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
        # More threads would compete with those that analyse other frames.
        converted = reformatter.reformat(
            frame, width=width, height=height, format="bgr24", interpolation=interpolation, threads=1
        )
        stored = np.asarray(converted.to_ndarray(), dtype=np.uint8)
        return np.ascontiguousarray(np.rot90(stored, -self._quarter_turns))


def check_video(path: Path) -> None:
    """Raise for a file that `probe_video` refuses, without reading all of it for its digest."""
    probe_video(path, sha256="")


def probe_video(path: Path, *, sha256: str | None = None) -> VideoProbe:
    """Read the facts about a video: the timestamp of every packet, one decoded frame, the digest of the file.

    Args:
        path: a video file on this machine.
        sha256: the digest of the file if known; otherwise all of the file is read for it.

    Returns:
        The facts; the file can be decoded and is complete according to its container.

    Raises:
        VideoError: naming the file, if it is missing, not a file, empty, not a video, without pictures, truncated,
            of an unusable size, without decodable pictures, or with unusable timestamps.
    """
    with file_named_in_errors(path):
        check_file(path)
        with open_video(path) as (container, stream):
            check_picture_size(stream.codec_context.width, stream.codec_context.height)
            first, pts_s = _first_frame_and_times(container, stream)
            rotation_deg = round(-first.rotation / 90) * 90 % 360
            is_turned = rotation_deg % 180 == 90
            width, height = (first.height, first.width) if is_turned else (first.width, first.height)
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
                sha256=sha256_of_file(path) if sha256 is None else sha256,
            )


def _first_frame_and_times(container: InputContainer, stream: VideoStream) -> tuple[av.VideoFrame, NDArray[np.float64]]:
    """The first frame that can be decoded, and the display time of each frame: (N,) seconds, NaN if unknown."""
    first: av.VideoFrame | None = None
    times_s = []
    for packet in packets_of(container, stream):
        if is_displayed(packet):
            times_s.append(np.nan if packet.pts is None else float(packet.pts * packet.time_base))
        if first is None:
            with suppress(av.InvalidDataError):
                first = next(iter(packet.decode()), None)
    if first is None:
        raise VideoError(f"none of the pictures can be decoded (codec {stream.codec_context.name})")
    return first, np.array(times_s, np.float64)


def _declared_end_s(container: InputContainer, stream: VideoStream) -> float | None:
    """The end of the video stream declared by the container, or else that of the container itself."""
    if stream.duration is not None and stream.time_base is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    return _seconds(None if container.duration is None else (container.start_time or 0) + container.duration)


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / av.time_base


def read_frames(path: Path, probe: VideoProbe, *, every_frame: bool = True) -> Generator[VideoFrame]:
    """Decode a video once, from its first frame to its last.

    Frames are yielded as they are decoded and not kept. The file is closed when the iteration ends or is abandoned.
    Frames that the decoder had to repair have `is_corrupt` set; packets that it refuses and frames that go back in time
    are dropped. Both count as damaged.

    Args:
        path: the file.
        probe: its facts by `probe_video`.
        every_frame: if false, frames that no other frame refers to are skipped, about half of them in H.264 with B
            frames, as long as the others are at most ``MAX_SPACING_S`` apart. A frame is then missing if it has no
            packet or the decoder refuses its packet.

    Yields:
        The frames in the order of display, `ts_s` increasing from 0.

    Raises:
        VideoError: after the last frame, naming the file, if the pictures end early or more than 5 % of them
            were damaged or missing.
    """
    converter = _PictureConverter(probe)
    count, corrupt, ts_s = 0, 0, -1.0
    first_pts: int | None = None
    refused: list[Packet[VideoStream]] = []
    with file_named_in_errors(path), open_video(path) as (container, stream):
        skipper = None if every_frame else _FrameSkipper(path, stream)
        for decoded in decoded_frames(container, stream, refused.append):
            if decoded.pts is None or decoded.time_base is None:
                continue
            first_pts = decoded.pts if first_pts is None else first_pts
            now_s = float((decoded.pts - first_pts) * decoded.time_base)
            if now_s <= ts_s:
                continue
            index = count if skipper is None else skipper.index_of(decoded.pts, now_s)
            ts_s = now_s
            corrupt += decoded.is_corrupt
            yield VideoFrame(index, ts_s, decoded.is_corrupt, decoded, converter)
            count += 1
        check_complete(ts_s + 1 / probe.fps, probe.duration_s)
        present = count if skipper is None else skipper.frame_count - len(refused)
        missing = max(0, probe.frame_count - present)
        expected = probe.frame_count if skipper is None else count + missing
        if corrupt + missing > MAX_DAMAGED_FRACTION * expected:
            raise VideoError(
                f"of {expected} frames {corrupt} are damaged and {missing} missing or out of order, "
                f"more than {MAX_DAMAGED_FRACTION:.0%} together. Copy or download the file again, or convert it"
            )


class _FrameSkipper:
    """Makes the decoder skip frames that no other frame refers to, unless the others are too far apart."""

    def __init__(self, path: Path, stream: VideoStream) -> None:
        with open_video(path) as (container, same_stream):
            packets = (packet for packet in packets_of(container, same_stream) if is_displayed(packet))
            self._pts = np.unique(np.array([p.pts for p in packets if p.pts is not None], np.int64))
        self.frame_count = len(self._pts)
        self._codec = stream.codec_context
        self._codec.skip_frame = "NONREF"
        self._last: tuple[int, float] | None = None

    def index_of(self, pts: int, ts_s: float) -> int:
        """The index of the next decoded frame among all frames, skipped ones included."""
        index = int(np.searchsorted(self._pts, pts))
        if self._last is not None:
            last_index, last_s = self._last
            if index > last_index + 1 and ts_s - last_s > MAX_SPACING_S + CLOCK_TOLERANCE_S:
                self._codec.skip_frame = "DEFAULT"
        self._last = index, ts_s
        return index
