"""Reading video files: facts about a file without decoding it, and its frames in one sequential pass."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from resources.system.files import sha256_of_file
from resources.video.container import (
    check_file,
    declared_end_s,
    decoded_frames,
    decoder_of,
    file_named_in_errors,
    open_video,
    packets_of,
)
from resources.video.displayed import (
    PictureConverter,
    deinterlaced,
    orientation_of_frame,
    pixel_aspect_of,
    transfer_of,
)
from resources.video.packet_log import PacketLog
from resources.video.survey import Clock, DisplayTimes, Survey, survey
from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.common.intervals import Intervals, intervals_of, total_s
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.video.clock import with_gap_before_start
from screenalytics_assets.core.video.damage import check_enough_left, outside
from screenalytics_assets.core.video.displayed import displayed_size
from screenalytics_assets.core.video.probe import check_complete, check_picture_size, summarise_timestamps

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
        ts_s: seconds since the start of the file.
        is_corrupt: the decoder had to conceal damage.
    """

    index: int
    ts_s: float
    is_corrupt: bool
    _decoded: av.VideoFrame = field(repr=False)
    _converter: PictureConverter = field(repr=False)

    def bgr(self) -> NDArray[np.uint8]:
        """The upright picture: (H, W, 3) uint8 BGR, contiguous, H and W as in the probe."""
        return self._converter.full(self._decoded)

    def small_bgr(self, width: int, height: int) -> NDArray[np.uint8]:
        """The whole upright picture averaged down to (height, width, 3) uint8 BGR, at little cost."""
        return self._converter.small(self._decoded, width, height)


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
        found = survey(path)
        clock = found.clock
        with open_video(path, found.track) as (container, stream):
            check_picture_size(stream.codec_context.width, stream.codec_context.height)
            first = _first_frame(_moved_packets(container, stream, clock), stream)
            orientation, aspect = orientation_of_frame(first), pixel_aspect_of(stream)
            width, height = displayed_size(first.width, first.height, aspect, orientation.quarter_turns)
            check_picture_size(width, height)
            times_s = clock.times_s()
            first_s = float(times_s[0]) if len(times_s) else 0.0
            start_s = _first_shown_s(clock, first)
            times_s = times_s[~(times_s < start_s)]
            times = summarise_timestamps(times_s, clock.last_duration_s)
            missing = with_gap_before_start(times.gaps, first_s, start_s)
            end_s = _declared_end_s(container, stream, found)
            if end_s is not None:
                check_complete(max(times.end_s, found.end_s), end_s)
            return VideoProbe(
                width=width,
                height=height,
                fps=times.fps,
                start_s=times.start_s,
                duration_s=times.end_s,
                missing_s=total_s(missing),
                missing=tuple((start, end) for start, end in missing.tolist()),
                frame_count=len(times_s),
                is_variable_rate=times.is_variable_rate,
                is_joined=found.is_joined,
                track=found.track,
                track_reason=found.track_reason,
                pixel_aspect=f"{aspect.numerator}:{aspect.denominator}",
                rotation_deg=90 * orientation.quarter_turns,
                is_mirrored=orientation.mirrored,
                is_interlaced=first.interlaced_frame,
                transfer=transfer_of(first),
                codec=stream.codec_context.name,
                pixel_format=first.format.name,
                container=container.format.name,
                container_duration_s=_seconds(container.duration),
                has_audio=bool(container.streams.audio),
                size_bytes=path.stat().st_size,
                sha256=sha256_of_file(path) if sha256 is None else sha256,
            )


def _moved_packets(container: InputContainer, stream: VideoStream, clock: Clock) -> "Iterator[Packet[VideoStream]]":
    """The packets of the stream, their times on the clock of the file."""
    number = 0
    for packet in packets_of(container, stream):
        if packet.size:
            clock.move(packet, number)
            number += 1
        yield packet


def _first_frame(packets: "Iterator[Packet[VideoStream]]", stream: VideoStream) -> av.VideoFrame:
    first = next(decoded_frames(packets, stream.codec_context, lambda: None), None)
    if first is None:
        raise VideoError(f"none of the pictures can be decoded (codec {stream.codec_context.name})")
    return first


def _first_shown_s(clock: Clock, first: av.VideoFrame) -> float:
    """When the first picture is shown: a recording that begins between key frames can be decoded from the first one."""
    known = [pts for pts in (first.pts, clock.first_key_pts) if pts is not None]
    return clock.seconds(max(known)) if known else 0.0


def _declared_end_s(
    container: InputContainer, stream: VideoStream, found: Survey, *, of_pictures: bool = False
) -> float | None:
    """What the container declares, on the clock of the file; joined recordings declare only the first one."""
    end_s = declared_end_s(container, stream, of_pictures=of_pictures)
    return None if end_s is None or found.is_joined else end_s - float(found.clock.origin_s)


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / av.time_base


def read_frames(
    path: Path, probe: VideoProbe, *, every_frame: bool = True, on_damage: Callable[[Intervals], object] | None = None
) -> Generator[VideoFrame]:
    """Decode a video once, from its first frame to its last.

    Frames are yielded as they are decoded and not kept. The file is closed when the iteration ends or is abandoned.
    Frames that the decoder had to repair have `is_corrupt` set; packets that it refuses and frames that go back in time
    are dropped. They and all frames after them up to the next key frame count as damaged.

    Args:
        path: the file.
        probe: its facts by `probe_video`.
        every_frame: if false, frames that no other frame refers to are skipped, about half of them in H.264 with B
            frames, as long as the others are at most ``MAX_SPACING_S`` apart. A frame is then missing if it has no
            packet or the decoder refuses its packet.
        on_damage: takes the damaged intervals after the last frame, merged and on the clock of `ts_s`.

    Yields:
        The frames in the order of display, `ts_s` increasing.

    Raises:
        VideoError: after the last frame, naming the file, if the packets end early, or more than half of the video is
            damaged.
    """
    converter = PictureConverter(probe)
    # The fields of a picture are put together with the help of its neighbours.
    every_frame = every_frame or probe.is_interlaced
    count, ts_s = 0, -1.0
    with file_named_in_errors(path):
        found = survey(path, probe.track)
        clock = found.clock
        with open_video(path, probe.track) as (container, stream):
            end_s = _declared_end_s(container, stream, found, of_pictures=True)
            log = PacketLog(path, container, stream, every_frame=every_frame, declared_end_s=end_s)
            # Where only the order tells when a picture is shown, all of them are needed.
            skipper = None if every_frame or clock.is_order_only else _FrameSkipper(clock, probe, stream)
            packets = log.noting(_moved_packets(container, stream, clock))
            decoded_pictures = decoded_frames(packets, decoder_of(stream), log.refused)
            pictures = log.noting_pictures(decoded_pictures, DisplayTimes(clock))
            for decoded in deinterlaced(pictures, stream):
                if decoded.pts is None or decoded.time_base is None:
                    continue
                now_s = float(decoded.pts * decoded.time_base - clock.origin_s)
                if now_s <= ts_s or now_s < probe.start_s - CLOCK_TOLERANCE_S:
                    continue
                index = count if skipper is None else skipper.index_of(now_s)
                ts_s = now_s
                yield VideoFrame(index, ts_s, decoded.is_corrupt, decoded, converter)
                count += 1
        frame_s, origin_s = 1 / probe.fps, float(clock.origin_s)
        check_complete(log.last_s(origin_s) + frame_s, probe.duration_s)
        # Time without pictures is reported by the probe.
        missing = intervals_of(probe.missing)
        # An encoder may have left out the pictures of a gap, so that gaps alone are no reason to refuse a video.
        check_enough_left(outside(log.damage(origin_s, frame_s, with_gaps=False), missing), probe.duration_s)
        if on_damage is not None:
            on_damage(outside(log.damage(origin_s, frame_s), missing))


class _FrameSkipper:
    """Makes the decoder skip frames that no other frame refers to, unless the others are too far apart."""

    def __init__(self, clock: Clock, probe: VideoProbe, stream: VideoStream) -> None:
        times_s = np.unique(clock.times_s())
        self._times_s = times_s[times_s >= probe.start_s]
        self._codec = stream.codec_context
        self._codec.skip_frame = "NONREF"
        self._last: tuple[int, float] | None = None

    def index_of(self, ts_s: float) -> int:
        """The index of the next decoded frame among all frames, skipped ones included."""
        index = int(np.searchsorted(self._times_s, ts_s))
        if self._last is not None:
            last_index, last_s = self._last
            if index > last_index + 1 and ts_s - last_s > MAX_SPACING_S + CLOCK_TOLERANCE_S:
                self._codec.skip_frame = "DEFAULT"
        self._last = index, ts_s
        return index
