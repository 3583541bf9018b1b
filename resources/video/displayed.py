"""Decoded frames as the pictures that a player shows."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Literal, cast

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideData, Type
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.video.displayed import HLG, PQ, Orientation, ToneMap, orientation_of

_TRANSFERS = {16: PQ, 18: HLG}
"""Values of AVColorTransferCharacteristic, of ITU-T H.273."""
_SDR = "sdr"


def pixel_aspect_of(stream: VideoStream) -> Fraction:
    """Width of a stored pixel divided by its height; 1 if the file does not say."""
    aspect = stream.sample_aspect_ratio
    return aspect if aspect is not None and aspect > 0 else Fraction(1)


def orientation_of_frame(frame: av.VideoFrame) -> Orientation:
    """How players turn and mirror this frame."""
    # The stubs of PyAV call it a TypedDict.
    side_data = cast("Mapping[Type, SideData]", frame.side_data)
    try:
        matrix = side_data[Type.DISPLAYMATRIX]
    except KeyError:
        return Orientation()
    return orientation_of(np.frombuffer(bytes(matrix), np.int32).reshape(3, 3))


def transfer_of(frame: av.VideoFrame) -> str:
    """``pq`` or ``hlg`` for HDR, otherwise ``sdr``."""
    return _TRANSFERS.get(frame.color_trc, _SDR)


class PictureConverter(threading.local):
    """Conversion to the displayed picture, with one swscale context for each size and thread: they cannot be shared."""

    def __init__(self, probe: VideoProbe) -> None:
        self._size = (probe.width, probe.height)
        self._orientation = Orientation(probe.is_mirrored, probe.rotation_deg // 90)
        self._tone_map = None if probe.transfer == _SDR else ToneMap(probe.transfer)
        self._full = VideoReformatter()
        self._small = VideoReformatter()

    def full(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """(H, W, 3) BGR of the size in the probe."""
        return self._convert(self._full, frame, *self._size, "BILINEAR")

    def small(self, frame: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width, 3) BGR, averaged."""
        return self._convert(self._small, frame, width, height, "AREA")

    def _convert(
        self,
        reformatter: VideoReformatter,
        frame: av.VideoFrame,
        width: int,
        height: int,
        interpolation: Literal["AREA", "BILINEAR"],
    ) -> NDArray[np.uint8]:
        if self._orientation.quarter_turns % 2:
            width, height = height, width
        # More threads would compete with those that analyse other frames.
        converted = reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="bgr24" if self._tone_map is None else "bgr48le",
            interpolation=interpolation,
            threads=1,
        ).to_ndarray()
        stored = converted if self._tone_map is None else self._tone_map.sdr(np.asarray(converted, np.uint16))
        return self._orientation.upright(np.asarray(stored, np.uint8))


def deinterlaced(frames: Iterable[av.VideoFrame], stream: VideoStream) -> Iterator[av.VideoFrame]:
    """The same frames, those with two fields made of the first field alone; others pass as they are.

    The filter begins with the first interlaced frame, and is rebuilt where the size or format changes. From there on
    every frame is decoded, because the filter compares each with its neighbours.
    """
    graph: Graph | None = None
    taken: tuple[int, int, str] | None = None
    for frame in frames:
        shape = frame.width, frame.height, frame.format.name
        if graph is not None and shape != taken:
            yield from _flushed(graph)
            graph = None
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if graph is None:
            stream.codec_context.skip_frame = "DEFAULT"
            graph, taken = _bwdif(frame, stream), shape
        graph.vpush(frame)
        yield from _ready(graph)
    if graph is not None:
        yield from _flushed(graph)


def _bwdif(frame: av.VideoFrame, stream: VideoStream) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or stream.time_base
    )
    graph.link_nodes(
        source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    ).configure()
    return graph


def _flushed(graph: Graph) -> Iterator[av.VideoFrame]:
    graph.vpush(None)
    yield from _ready(graph)


def _ready(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
