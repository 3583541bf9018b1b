"""Which frames to analyse: few where nothing changes, every frame of the stride where something does.

A shot is divided into segments of at most ``max_step`` frames, and the frame at the end of each is analysed. A segment
in which something changes (`has_change`) is bisected a few times, then divided at every frame of the stride; so it is
known to the stride when a face appears, disappears or moves. Between two frames of the stride of which only one shows
a certain weak box (`is_ambiguous`), every frame is analysed: a detector finds such a face in some frames and not in
others, and the stride alone would leave it to chance.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.detection.frame_comparison import (
    FaceSnapshot,
    has_transient,
    has_unmatched_box,
    has_unmatched_weak_box,
    is_unchanged,
)
from screenalytics_assets.core.detection.hysteresis import MAX_GAP_S
from screenalytics_assets.core.video.shot_stream import ShotFrame

MIN_BISECTED_S = 0.5
"""Segments of this length or less are not bisected: they hold few strides, and a head turns in that time."""

A = TypeVar("A")
B = TypeVar("B")


class OrderedMap(Protocol):
    """The builtin ``map``, or one that calls the function in parallel and keeps the order of the items."""

    def __call__(self, function: Callable[[A], B], items: Iterable[A], /) -> Iterator[B]:
        """The function's result for each item; items are taken only as results are needed, or a few ahead."""


class Analysis(Protocol):
    """The result of analysing a frame."""

    @property
    def ts_s(self) -> float:
        """Time of the frame in seconds."""

    @property
    def snapshot(self) -> FaceSnapshot:
        """Its faces."""


AnalysisT = TypeVar("AnalysisT", bound=Analysis)
Analyse = Callable[[ShotFrame, bool], AnalysisT]
"""Analyses a frame, in a high-resolution pass or the usual one."""


class SkippedFrame(NamedTuple):
    """A frame that is not analysed so far, and whether it is on the stride."""

    frame: ShotFrame
    on_stride: bool


class Segment(NamedTuple):
    """The frames from one analysed frame to the next.

    Attributes:
        start: The first of the two; None if the other one is the first of its shot.
        between: The frames between them.
        end: The second of the two.
        high_resolution: Whether ``end`` is analysed in a high-resolution pass.
    """

    start: ShotFrame | None
    between: list[SkippedFrame]
    end: ShotFrame
    high_resolution: bool


def sample_adaptively(
    frames: Iterable[ShotFrame],
    analyse: Analyse[AnalysisT],
    *,
    stride: int,
    max_step: int,
    bisections: int,
    high_resolution_interval_s: float,
    ordered_map: OrderedMap,
) -> Iterator[AnalysisT]:
    """Analyse the first and last frame of each shot, every ``max_step``-th between them, and more where needed.

    A corrupt frame is replaced by the next one. Only the frames of a few segments are kept in memory.

    Args:
        frames: All frames in the order of display.
        analyse: Analyses a frame.
        stride: Minimum distance of analysed frames, except at the end of a shot and in ambiguous segments.
        max_step: Maximum distance of analysed frames; a multiple of the stride.
        bisections: How often a segment with a change is bisected before it is divided at every frame of the stride.
        high_resolution_interval_s: Time between two high-resolution passes; the first frame of a shot gets one.
        ordered_map: Applies a function to a stream.

    Yields:
        The analyses in the order of the frames.
    """

    def analyse_end(segment: Segment) -> tuple[Segment, AnalysisT]:
        return segment, analyse(segment.end, segment.high_resolution)

    recent: list[AnalysisT] = []
    stream = ordered_map(analyse_end, _segments(frames, stride, max_step, high_resolution_interval_s))
    current = next(stream, None)
    while current is not None:
        following = next(stream, None)
        after_current = following[1] if following is not None and following[0].start is not None else None
        is_first = current[0].start is None
        recent = [] if is_first else [a for a in recent if a.ts_s >= recent[-1].ts_s - MAX_GAP_S - CLOCK_TOLERANCE_S]
        # The earliest segment is at the end of the list. What is divided comes back as its parts, one level deeper.
        pending = [(*current, 0)]
        while pending:
            segment, analysis, depth = pending.pop()
            next_analysis = pending[-1][1] if pending else after_current
            snapshots = [earlier.snapshot for earlier in recent]
            next_snapshot = None if next_analysis is None else next_analysis.snapshot
            divide_at = _frames_to_analyse(
                segment, snapshots, analysis.snapshot, next_snapshot, bisect=depth < bisections
            )
            if divide_at:
                *parts, last = _divide(segment, divide_at)
                analysed = [*ordered_map(analyse_end, parts), (last, analysis)]
                pending += [(*part, depth + 1) for part in reversed(analysed)]
            else:
                recent.append(analysis)
                yield analysis
        current = following


def _segments(
    frames: Iterable[ShotFrame], stride: int, max_step: int, high_resolution_interval_s: float
) -> Iterator[Segment]:
    """The segments of the longest step, as the frames come in."""
    start: ShotFrame | None = None
    between: list[SkippedFrame] = []
    next_high_resolution_s = -np.inf
    # Planned by index, so that as many frames are analysed when the decoder skips some of them.
    next_step = next_stride = 0
    for shot_frame in frames:
        frame = shot_frame.frame
        if shot_frame.position == 0:
            start, between, next_high_resolution_s = None, [], -np.inf
        if frame.is_corrupt:
            continue
        if start is None:
            next_step = next_stride = frame.index
        on_stride = frame.index >= next_stride
        high_resolution = frame.ts_s >= next_high_resolution_s - CLOCK_TOLERANCE_S
        if frame.index >= next_step or shot_frame.is_last or (high_resolution and on_stride):
            if high_resolution:
                next_high_resolution_s = frame.ts_s + high_resolution_interval_s
            yield Segment(start, between, shot_frame, high_resolution)
            next_step = _next_planned(next_step, max_step, frame.index)
            next_stride = _next_planned(next_stride, stride, frame.index)
            start, between = shot_frame, []
        else:
            between.append(SkippedFrame(shot_frame, on_stride))
            if on_stride:
                next_stride = _next_planned(next_stride, stride, frame.index)


def _next_planned(planned: int, step: int, index: int) -> int:
    """A step after the planned index, or after the actual one if it came early or more than a step late."""
    return (planned if planned <= index < planned + step else index) + step


def _frames_to_analyse(
    segment: Segment, recent: Sequence[FaceSnapshot], end: FaceSnapshot, following: FaceSnapshot | None, *, bisect: bool
) -> list[int]:
    """Where a segment has to be divided: positions in ``between``, none if it need not be."""
    if not segment.between:
        return []
    on_stride = [i for i, skipped in enumerate(segment.between) if skipped.on_stride]
    if not on_stride:
        return list(range(len(segment.between))) if is_ambiguous(recent[-1], end) else []
    if not has_change(segment, recent, end, following):
        return []
    return [on_stride[len(on_stride) // 2]] if bisect else on_stride


def has_change(
    segment: Segment, recent: Sequence[FaceSnapshot], end: FaceSnapshot, following: FaceSnapshot | None
) -> bool:
    """Whether faces change within a segment, or right before or after it, where a weak box may continue into it.

    Args:
        segment: With frames between its ends.
        recent: The analysed frames up to the start of the segment, those of the last `MAX_GAP_S`.
        end: The frame at its end.
        following: The next analysed frame of the shot; None at its end.
    """
    if segment.start is None:
        return False
    start = recent[-1]
    disappeared = any(has_unmatched_box(earlier, start) for earlier in recent[:-1])
    appears = following is not None and has_unmatched_box(following, end)
    gap_s = segment.end.frame.ts_s - segment.start.frame.ts_s
    if disappeared or appears or not is_unchanged(start, end, gap_s=gap_s):
        return True
    between = np.stack([skipped.frame.small_bgr for skipped in segment.between])
    return has_transient(between, segment.start.small_bgr, segment.end.small_bgr)


def is_ambiguous(start: FaceSnapshot, end: FaceSnapshot) -> bool:
    """Whether one end of a segment has a weak box where the other has none."""
    return has_unmatched_weak_box(start, end) or has_unmatched_weak_box(end, start)


def _divide(segment: Segment, positions: Sequence[int]) -> list[Segment]:
    """The parts of a segment, divided at these positions in ``between``."""
    parts = []
    start, first = segment.start, 0
    for position in positions:
        frame = segment.between[position].frame
        parts.append(Segment(start, segment.between[first:position], frame, high_resolution=False))
        start, first = frame, position + 1
    return [*parts, segment._replace(start=start, between=segment.between[first:])]
