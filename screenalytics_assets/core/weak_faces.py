"""Boxes that score too little by themselves, kept where they go on with a face: hysteresis in space and time.

A detector's score falls when a head turns, blurs or is small, and rises again; one threshold for all frames either
loses the face there or takes shadows for faces. So there are two, as for edges (Canny, IEEE PAMI 8, 1986) and in
ByteTrack (Zhang et al., ECCV 2022): what reaches the upper one is a face, what lies between counts if it continues
one.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.geometry import iou_matrix
from screenalytics_assets.core.schemas import CLOCK_TOLERANCE_S

MIN_IOU = 0.3
"""Least overlap with the face that a weak box continues. Between two looks an eighth of a second apart a head that
crosses the picture in four seconds moves by half its width; ByteTrack asks for 0.2 of a box that it predicts."""

MAX_GAP_S = 0.6
"""A face is continued over at most this time without a box: a turn of the head, someone who walks past."""

REPEATED_COVER = 0.5
"""A weak box of which a better one covers this much, or which covers as much of it, is the same face once more."""


class FrameBoxes(NamedTuple):
    """The boxes of one analysed frame.

    Attributes:
        ts_s: Time in seconds.
        boxes: (N, 4), any unit.
        strong: (N,) whether a box is a face by its own score.
    """

    ts_s: float
    boxes: NDArray[np.float32]
    strong: NDArray[np.bool_]


def repeated_faces(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], *, confidence_th: float, weak_fraction: float
) -> NDArray[np.bool_]:
    """Boxes on a face that has a better one already.

    Non-maximum suppression by IoU leaves a second box that is much larger, smaller or shifted by half a face. Such a
    box is weak by itself or next to the better one; of two faces one behind the other, what is hidden by half is not
    missed.

    Args:
        boxes: (N, 4) of one frame, any unit.
        scores: (N,).
        confidence_th: What scores less is weak.
        weak_fraction: What scores less than this part of a better box is weak next to it.

    Returns:
        (N,) bool.
    """
    sides = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    shared = np.clip(sides, 0, None).prod(-1)
    area = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(-1)
    cover = shared / np.maximum(np.minimum(area[:, None], area[None, :]), np.finfo(np.float32).tiny)
    own, other = scores[:, None], scores[None, :]
    weak = (own < other) & (own < np.maximum(confidence_th, weak_fraction * other))
    return np.asarray((weak & (cover >= REPEATED_COVER)).any(axis=1))


def continued_faces(frames: Sequence[FrameBoxes]) -> list[NDArray[np.bool_]]:
    """Which boxes of a shot are faces: the strong ones, and the weak ones that continue them either way in time.

    Args:
        frames: All analysed frames of the shot in time.

    Returns:
        For each frame (N,) bool.
    """
    kept = [frame.strong.copy() for frame in frames]
    _follow(zip(frames, kept, strict=True))
    _follow(zip(reversed(frames), reversed(kept), strict=True))
    return kept


def _follow(frames: Iterable[tuple[FrameBoxes, NDArray[np.bool_]]]) -> None:
    """Go through the frames in one direction, and note the weak boxes that continue what was kept before."""
    last_s = np.empty(0)
    last_boxes = np.empty((0, 4), np.float32)
    for frame, kept in frames:
        recent = np.abs(last_s - frame.ts_s) <= MAX_GAP_S + CLOCK_TOLERANCE_S
        last_s, last_boxes = last_s[recent], last_boxes[recent]
        # What is kept already goes on first, so that a weak box takes nobody's place.
        seen = _matched(last_boxes, frame.boxes[kept])[0]
        lost = np.delete(np.arange(len(last_boxes)), seen)
        weak = np.flatnonzero(~kept)
        gone_on, found = _matched(last_boxes[lost], frame.boxes[weak])
        kept[weak[found]] = True
        stay = np.delete(lost, gone_on)
        last_s = np.concatenate([last_s[stay], np.full(int(kept.sum()), frame.ts_s)])
        last_boxes = np.concatenate([last_boxes[stay], frame.boxes[kept]])


def _matched(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the one and, of the same length, of the other set that are the same place, each once."""
    # A quarter of a second of imports, which only who looks at a video needs.
    from scipy.optimize import linear_sum_assignment

    iou = iou_matrix(first, second)
    rows, columns = linear_sum_assignment(iou, maximize=True)
    close = iou[rows, columns] >= MIN_IOU
    return rows[close], columns[close]
