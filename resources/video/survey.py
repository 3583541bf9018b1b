"""What the packets of a video file say before anything is decoded: the track that is shown, and when."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from resources.video.container import is_displayed, open_container, packets_of
from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.video.clock import MAX_HOLD_S, joined_clock

_ORDER_ONLY = ("avi",)
"""Formats that store no times of display. FFmpeg guesses them, and is wrong where a chunk holds two pictures (DivX) and
in H.264 with B frames."""
_FLAGGED_BEFORE_JOIN = 2
"""A transport stream numbers its packets. FFmpeg takes the new numbers of the next recording for a loss, and marks the
last packet of the one before as damaged; where a parser holds back a packet, the last but one."""
_STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


@dataclass(frozen=True)
class Clock:
    """When the pictures of a track are shown, in seconds from the start of the file.

    Attributes:
        shifts: (P,) int64 ticks to add to the times of each packet of the track, in the order of the file.
        pts: (N,) int64 ticks, shifted, ascending: when each picture is shown.
        unknown: how many pictures have no time.
        origin_s: where the file starts on the clock of the container: its first sound or picture.
        time_base: seconds for each tick.
        first_key_pts: of the first packet that can be decoded by itself, shifted; None if none is marked as such.
        last_duration_s: how long the last picture is shown according to the file; 0 if it does not say.
        is_order_only: the file stores no times of display, only the order of decoding, as AVI does. Pictures are then
            shown at the times of decoding, in the order in which the decoder gives them.
    """

    shifts: NDArray[np.int64]
    pts: NDArray[np.int64]
    unknown: int
    origin_s: Fraction
    time_base: Fraction
    first_key_pts: int | None
    last_duration_s: float
    is_order_only: bool = False

    def seconds(self, pts: int) -> float:
        """The time of a picture."""
        return float(pts * self.time_base - self.origin_s)

    def times_s(self) -> NDArray[np.float64]:
        """(N + unknown,) float64: when each picture is shown, NaN if unknown."""
        return np.array([self.seconds(pts) for pts in self.pts.tolist()] + [np.nan] * self.unknown, np.float64)

    def move(self, packet: "Packet[VideoStream]", number: int) -> None:
        """Put the packet with this number in its track on this clock."""
        if self.is_order_only:
            packet.pts = packet.dts
        shift = int(self.shifts[min(number, len(self.shifts) - 1)])
        if shift and packet.pts is not None:
            packet.pts += shift
        if shift and packet.dts is not None:
            packet.dts += shift
        if (self.shifts[number + 1 : number + 1 + _FLAGGED_BEFORE_JOIN] != shift).any():
            packet.is_corrupt = False


class DisplayTimes:
    """When each decoded picture is shown, for pictures in the order in which the decoder gives them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._delay: int | None = None
        self._next = 0

    def __call__(self, picture: av.VideoFrame) -> int | None:
        """Ticks on the clock; None if unknown."""
        if not self._clock.is_order_only:
            return picture.pts
        # A decoder holds back some pictures to bring them into order. From then on it gives one for each packet, whose
        # time of decoding the picture has, and none for a packet that is lost. At the end it gives those that are left.
        place = self._next
        if picture.dts is not None:
            place = self._place(picture.dts)
            if self._delay is None:
                self._delay = 0 if picture.pts is None else place - self._place(picture.pts)
            place -= self._delay
        self._next = place + 1
        return int(self._clock.pts[place]) if 0 <= place < len(self._clock.pts) else None

    def _place(self, ticks: int) -> int:
        return int(np.searchsorted(self._clock.pts, ticks))


@dataclass(frozen=True)
class Survey:
    """The packets of a file.

    Attributes:
        track: index of the stream that is shown.
        track_reason: why this one.
        clock: when its pictures are shown.
        is_joined: whether the file contains several recordings, each with timestamps of its own.
        end_s: end of the last packet of any track, in seconds from the start of the file.
    """

    track: int
    track_reason: str
    clock: Clock
    is_joined: bool
    end_s: float


@dataclass
class _Packets:
    """The packets of one track, in the order of the file."""

    is_order_only: bool
    pts: list[int | None] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    displayed: list[bool] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    encrypted: bool = False

    def add(self, packet: "Packet[Stream]") -> None:
        self.pts.append(packet.dts if self.is_order_only else packet.pts)
        self.dts.append(packet.dts)
        self.displayed.append(is_displayed(packet))
        self.keys.append(packet.is_keyframe)
        self.durations.append(packet.duration or 0)
        self.encrypted = self.encrypted or packet.has_sidedata("encryption_info")

    def decode_ticks(self) -> NDArray[np.int64]:
        """The time of decoding of each packet; that of the one before, or the first known one, where it has none."""
        last = next((dts for dts in self.dts if dts is not None), 0)
        return np.array([last := last if dts is None else dts for dts in self.dts], np.int64)

    def end(self) -> int:
        ends = [pts + length for pts, length in zip(self.pts, self.durations, strict=True) if pts is not None]
        return max(ends, default=0)


def survey(path: Path, track: int | None = None) -> Survey:
    """Read the times of all packets of a file.

    Args:
        path: a video file.
        track: index of the stream that is shown; by default the one that players choose. The others are not read if it
            is given.

    Raises:
        VideoError: there is no picture in the file, or it is encrypted.
    """
    with open_container(path) as container:
        wanted = list(container.streams) if track is None else [container.streams[track]]
        is_order_only = container.format.name in _ORDER_ONLY
        tracks = {stream.index: _Packets(is_order_only) for stream in wanted}
        for packet in packets_of(container, *wanted):
            if packet.size:
                tracks[packet.stream_index].add(packet)
        reason = ""
        if track is None:
            track, reason = _chosen_track(container, {index: sum(found.displayed) for index, found in tracks.items()})
        stream = cast("VideoStream", container.streams[track])
        if tracks[track].encrypted:
            raise VideoError(
                "the pictures are encrypted (protected against copying); expected a file without encryption"
            )
        clock = _clock(container, stream, tracks[track])
        end_s = max(
            float(found.end() * (container.streams[index].time_base or 0) - clock.origin_s)
            for index, found in tracks.items()
        )
        return Survey(track, reason, clock, bool(clock.shifts.any()), end_s)


def _chosen_track(container: InputContainer, pictures: dict[int, int]) -> tuple[int, str]:
    """The track that players show: the default one, and of several the largest, as FFmpeg does.

    Cover art and preview pictures are no videos, whether they are marked as such or are a single picture beside a track
    of several.
    """
    known = [stream for stream in container.streams.video if stream.codec_context is not None]
    moving = [stream for stream in known if not stream.disposition & _STILL]
    if not moving:
        raise VideoError(_without_pictures(container))
    several = [stream for stream in moving if pictures[stream.index] > 1] or moving
    best = max(
        several,
        key=lambda s: (
            bool(s.disposition & Disposition.default),
            s.codec_context.width * s.codec_context.height,
            -s.index,
        ),
    )
    if len(known) == 1:
        return best.index, "the only one"
    if len(several) == 1:
        return best.index, "the only one with more than one picture"
    if best.disposition & Disposition.default:
        return best.index, "marked as default"
    return best.index, "none is marked as default, and this one has the largest picture"


def _without_pictures(container: InputContainer) -> str:
    if not container.streams:
        return "this file has no streams; expected a video"
    if any(stream.codec_context is None for stream in container.streams.video):
        return "FFmpeg does not know the codec of the pictures in this file; convert it to another one"
    kinds = sorted({stream.type for stream in container.streams if stream.type != "video"})
    covers = ["a cover or preview picture"] if container.streams.video else []
    return f"there is no picture in this file, only {' and '.join(kinds + covers)}; expected a video"


def _clock(container: InputContainer, stream: VideoStream, packets: _Packets) -> Clock:
    time_base = stream.time_base or Fraction(1, 1000)
    decode = packets.decode_ticks()
    steps = np.diff(decode)
    step = int(np.median(steps[steps > 0])) if (steps > 0).any() else 1
    shifts = joined_clock(decode, max(round(MAX_HOLD_S / time_base), step), step)
    shown = [
        (pts + shift, duration)
        for pts, shift, duration, displayed in zip(
            packets.pts, shifts.tolist(), packets.durations, packets.displayed, strict=True
        )
        if displayed and pts is not None
    ]
    pts = np.array(sorted(time for time, _ in shown), np.int64)
    keys = (
        pts + shift
        for pts, shift, key in zip(packets.pts, shifts.tolist(), packets.keys, strict=True)
        if key and pts is not None
    )
    starts_s = [
        Fraction(other.start_time) * other.time_base
        for other in container.streams
        if other.start_time is not None and other.time_base is not None and (other.type == "audio" or other is stream)
    ]
    if shown:
        starts_s.append(int(pts[0]) * time_base)
    return Clock(
        shifts=shifts,
        pts=pts,
        unknown=sum(packets.displayed) - len(shown),
        origin_s=min(starts_s, default=Fraction(0)),
        time_base=time_base,
        first_key_pts=next(keys, None),
        last_duration_s=float(max(shown)[1] * time_base) if shown else 0.0,
        is_order_only=packets.is_order_only,
    )
