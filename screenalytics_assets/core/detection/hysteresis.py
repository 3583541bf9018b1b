"""Boxes that score too little by themselves, kept where they go on with a face: hysteresis in space and time.

A detector's score falls when a head turns, blurs or is small, and rises again; one threshold for all frames either
loses the face there or takes shadows for faces. So there are two, as for edges (Canny, IEEE PAMI 8, 1986) and in
ByteTrack (Zhang et al., ECCV 2022): what reaches the upper one is a face, what lies between counts if it continues
one. As there, what a face begins with is seen twice, or is well above the limit.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import count, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S

MIN_IOU = 0.3
"""Least overlap with the face that a weak box continues. Between two looks an eighth of a second apart a head that
crosses the picture in four seconds moves by half its width; ByteTrack asks for 0.2 of a box that it predicts."""

MAX_GAP_S = 0.6
"""A face is continued over at most this time without a box: a turn of the head, someone who walks past."""

SEEN_AGAIN_S = 1.0
"""Strong boxes at most so far apart are one face seen twice: as far as two looks of a still picture are."""

SURE_MARGIN = 0.1
"""A box whose score is above the limit by so much begins a face by itself: the margin of ByteTrack's new tracks."""

MIN_SUPPORT = 2
"""Weak boxes continue what has as many strong boxes, of which a sure one counts twice."""

REPEATED_COVER = 0.5
"""A weak box of which a better one covers this much, or which covers as much of it, is the same face once more."""


class FrameBoxes(NamedTuple):
    """The boxes of one analysed frame.

    Attributes:
        ts_s: Time in seconds.
        boxes: (N, 4), any unit.
        strong: (N,) whether a box is a face by its own score.
        sure: (N,) whether its score is so far above the limit that it need not be seen twice.
    """

    ts_s: float
    boxes: NDArray[np.float32]
    strong: NDArray[np.bool_]
    sure: NDArray[np.bool_]


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

    A strong box that is neither sure nor seen again continues nothing: a shadow reaches the limit once and stays below
    it in every other look, and each of these would count.

    Args:
        frames: All analysed frames of the shot in time.

    Returns:
        For each frame (N,) bool.
    """
    kept = [frame.strong.copy() for frame in frames]
    _follow(frames[::-1], kept[::-1])
    chains = _follow(frames, kept)
    support: Counter[int] = Counter()
    for frame, chain in zip(frames, chains, strict=True):
        support.update(chain[frame.strong].tolist())
        support.update(chain[frame.sure].tolist())
    known = [number for number, times in support.items() if times >= MIN_SUPPORT]
    return [frame.strong | np.isin(chain, known) for frame, chain in zip(frames, chains, strict=True)]


def _follow(frames: Sequence[FrameBoxes], kept: Sequence[NDArray[np.bool_]]) -> list[NDArray[np.intp]]:
    """Go through the frames, and note in ``kept`` the weak boxes that continue what was kept before.

    Returns:
        For each frame (N,) the number of the face that the box shows, -1 for what is not kept.
    """
    last_s = np.empty(0)
    last_boxes = np.empty((0, 4), np.float32)
    last_faces = np.empty(0, np.intp)
    new_face = count()
    faces = []
    for frame, is_kept in zip(frames, kept, strict=True):
        known = np.abs(last_s - frame.ts_s) <= SEEN_AGAIN_S + CLOCK_TOLERANCE_S
        last_s, last_boxes, last_faces = last_s[known], last_boxes[known], last_faces[known]
        # What is kept already goes on first, so that a weak box takes nobody's place.
        strong, weak = np.flatnonzero(is_kept), np.flatnonzero(~is_kept)
        seen, again = _matched(last_boxes, frame.boxes[strong])
        lost = np.delete(np.arange(len(last_boxes)), seen)
        lost = lost[np.abs(last_s[lost] - frame.ts_s) <= MAX_GAP_S + CLOCK_TOLERANCE_S]
        gone_on, found = _matched(last_boxes[lost], frame.boxes[weak])
        face = np.full(len(is_kept), -1, np.intp)
        face[strong] = list(islice(new_face, len(strong)))
        face[strong[again]] = last_faces[seen]
        face[weak[found]] = last_faces[lost[gone_on]]
        is_kept[weak[found]] = True
        faces.append(face)
        stay = np.setdiff1d(np.arange(len(last_boxes)), [*seen, *lost[gone_on]])
        last_s = np.concatenate([last_s[stay], np.full(int(is_kept.sum()), frame.ts_s)])
        last_boxes = np.concatenate([last_boxes[stay], frame.boxes[is_kept]])
        last_faces = np.concatenate([last_faces[stay], face[is_kept]])
    return faces


def _matched(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the one and, of the same length, of the other set that are the same place, each once."""
    # A quarter of a second of imports, which only who looks at a video needs.
    from scipy.optimize import linear_sum_assignment

    iou = iou_matrix(first, second)
    rows, columns = linear_sum_assignment(iou, maximize=True)
    close = iou[rows, columns] >= MIN_IOU
    return rows[close], columns[close]
