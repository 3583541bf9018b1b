"""What became of each packet of a video while it was decoded."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from resources.video.container import is_displayed
from screenalytics_assets.core.common.intervals import Intervals
from screenalytics_assets.core.video.damage import PacketTable, damaged_intervals
from screenalytics_assets.core.video.nal_units import is_whole, length_field_bytes

_TS_PACKET_SIZES = (188, 192, 204)
"""Bytes of a packet of a transport stream: plain, with a time stamp (Blu-ray), with error correction."""
_INDEXED = ("mov", "avi")
"""Formats with a list of all packets, so that a step in time is not a lost packet."""

_MAX_DELAY = 17
"""Packets from a refused one to its report: FFmpeg decodes up to 16 at a time."""
_END_TOLERANCE_FRAMES = 1.5
"""How much a container may round up the end of its last frame."""


class PacketLog:
    """Packets in the order of decoding, and which of them gave a picture.

    Args:
        path: The file.
        container: As opened.
        stream: The stream that is decoded.
        every_frame: Every displayed packet gives a picture, unless it is damaged. Otherwise the decoder may skip some,
            and only refused ones are known to be damaged.
        declared_end_s: When the pictures end according to the file, on the clock of the frames; None if unknown.
    """

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        stream: VideoStream,
        *,
        every_frame: bool,
        declared_end_s: float | None,
    ) -> None:
        self._format = container.format.name
        # The header counts what an edit list leaves out as well; the index does not.
        self._declared_frames = len(stream.index_entries) if "mov" in self._format and stream.frames else 0
        self._declared_end_s = declared_end_s
        self._size_bytes = path.stat().st_size
        self._length_bytes = length_field_bytes(stream.codec_context.name, stream.codec_context.extradata)
        self._every_frame = every_frame
        self._pts: list[int | None] = []
        self._ts_s: list[float] = []
        self._is_key: list[bool] = []
        self._is_shown: list[bool] = []
        self._is_bad: list[bool] = []
        self._refusals: list[int] = []
        self._pictures: set[int | None] = set()
        self._flawed: set[int | None] = set()

    def noting(self, packets: "Iterable[Packet[VideoStream]]") -> "Iterator[Packet[VideoStream]]":
        """The same packets, each noted as it goes to the decoder."""
        for packet in packets:
            if packet.size:
                self._pts.append(packet.pts)
                self._ts_s.append(np.nan if packet.pts is None else float(packet.pts * packet.time_base))
                self._is_key.append(packet.is_keyframe)
                self._is_shown.append(is_displayed(packet))
                self._is_bad.append(packet.is_corrupt or self._is_overwritten(packet))
            yield packet

    def _is_overwritten(self, packet: "Packet[VideoStream]") -> bool:
        return self._length_bytes is not None and not is_whole(bytes(packet), self._length_bytes)

    def refused(self) -> None:
        """Note that the decoder refused a packet."""
        self._refusals.append(len(self._pts))

    def noting_pictures(
        self, pictures: Iterable[av.VideoFrame], time_of: Callable[[av.VideoFrame], int | None]
    ) -> Iterator[av.VideoFrame]:
        """The same decoded pictures, each noted and put at its time of display; those that go back in time are lost."""
        last: int | None = None
        for picture in pictures:
            packet_pts = picture.pts
            picture.pts = time_of(picture)
            if picture.pts is not None and (last is None or picture.pts > last):
                last = picture.pts
                self._pictures.add(packet_pts)
                if picture.is_corrupt:
                    self._flawed.add(packet_pts)
            yield picture

    def last_s(self, origin_s: float) -> float:
        """When the last picture begins, on the clock of the frames."""
        return float(np.nanmax(self._shown_s(), initial=-np.inf)) - origin_s

    def _shown_s(self) -> NDArray[np.float64]:
        return np.array(self._ts_s, np.float64)[np.array(self._is_shown, np.bool_)]

    def damage(self, origin_s: float, frame_s: float, *, with_gaps: bool = True) -> Intervals:
        """The damaged intervals, once everything is read.

        Args:
            origin_s: Time of the packets' clock at which the clock of the frames starts.
            frame_s: Duration of one frame.
            with_gaps: Whether steps in time count where packets can be lost without a trace.
        """
        is_bad = np.array(self._is_bad, np.bool_)
        has_picture = np.array([pts in self._pictures for pts in self._pts], np.bool_)
        has_flaw = np.array([pts in self._flawed for pts in self._pts], np.bool_)
        is_shown = np.array(self._is_shown, np.bool_)
        is_bad |= has_flaw | (~has_picture & is_shown & self._must_give_a_picture())
        if self._is_cut_within_a_packet() and len(is_bad):
            is_bad[-1] = True
        ts_s = np.array(self._ts_s, np.float64)
        found = damaged_intervals(
            PacketTable(ts_s - origin_s, np.array(self._is_key, np.bool_), is_bad, is_shown),
            gaps_are_loss=with_gaps and not any(name in self._format for name in _INDEXED),
            lost_end_s=self._lost_end_s(self.last_s(origin_s), frame_s),
        )
        inside = found[found[:, 1] > 0]
        return np.maximum(inside, 0.0)

    def _must_give_a_picture(self) -> NDArray[np.bool_]:
        if self._every_frame:
            return ~self._leads_the_file()
        # Key frames are never skipped.
        must = np.array(self._is_key, np.bool_)
        for position in self._refusals:
            must[max(0, position - _MAX_DELAY) : position] = True
        return must

    def _leads_the_file(self) -> NDArray[np.bool_]:
        """Pictures displayed before the first key frame but decoded after it: they refer to a part that was cut off."""
        ts_s, is_key = np.array(self._ts_s), np.array(self._is_key, np.bool_)
        first = int(np.argmax(is_key)) if is_key.any() else 0
        return (np.arange(len(ts_s)) > first) & (ts_s < ts_s[first]) if len(ts_s) else np.zeros(0, np.bool_)

    def _is_cut_within_a_packet(self) -> bool:
        return self._format == "mpegts" and all(self._size_bytes % size for size in _TS_PACKET_SIZES)

    def _lost_end_s(self, last_s: float, frame_s: float) -> float:
        if self._declared_frames:
            return max(0, self._declared_frames - len(self._pts)) * frame_s
        if self._declared_end_s is None or not np.isfinite(last_s):
            return 0.0
        lost_s = self._declared_end_s - last_s - frame_s
        return lost_s if lost_s > _END_TOLERANCE_FRAMES * frame_s else 0.0
