"""Which boxes are faces: those above one threshold, and weaker ones that strong boxes of the same face confirm.

The score of a face falls when the head turns, blurs or is small, and rises again. A single threshold either loses the
face there or takes shadows for faces. So there are two, as for edges (Canny, IEEE PAMI 8, 1986) and in ByteTrack (Zhang
et al., ECCV 2022): a box above the upper one is a face, one between them is a face if it is linked to one. As in
ByteTrack, a face must be seen twice or score well above the threshold before it confirms others.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import count, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from screenalytics_assets.core.common.geometry import areas, intersection_areas, iou_matrix
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.config.detection_keys import DetectionSettings

MIN_IOU = 0.3
"""Minimum overlap of two linked boxes. In an eighth of a second, a head that crosses the picture in four seconds moves
by half its width; ByteTrack asks for 0.2 of a box that it predicts."""

MAX_GAP_S = 0.6
"""Maximum time between a weak box and the one it is linked to: a turn of the head, someone walking past."""

MAX_STRONG_GAP_S = DetectionSettings().still_interval_s
"""Maximum time between two linked strong boxes: that between two analysed frames where nothing changes."""

CERTAIN_MARGIN = 0.1
"""A score this much above the threshold is certain: ByteTrack's margin for new tracks."""

MIN_SUPPORT = 2
"""Strong boxes, a certain one counting twice, that a chain needs to confirm its weak boxes."""

CONTAINED_FRACTION = 0.5
"""Share of the smaller of two boxes in their intersection from which on they show the same face."""


class FrameBoxes(NamedTuple):
    """The boxes of one analysed frame.

    Attributes:
        ts_s: Time in seconds.
        boxes: (N, 4), any unit.
        strong: (N,) whether the score is above the threshold.
        certain: (N,) whether it is above it by `CERTAIN_MARGIN`.
    """

    ts_s: float
    boxes: NDArray[np.float32]
    strong: NDArray[np.bool_]
    certain: NDArray[np.bool_]


def contained_boxes(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], *, confidence_th: float, weak_fraction: float
) -> NDArray[np.bool_]:
    """Boxes that show the same face as a better one.

    Non-maximum suppression by IoU leaves a second box that is much larger or smaller, or shifted by half a face. Such a
    box is weak, or weak compared to the better one. A face that is half hidden behind another one may be lost.

    Args:
        boxes: (N, 4) of one frame, any unit.
        scores: (N,).
        confidence_th: A lower score is weak.
        weak_fraction: A score lower than this fraction of the better one's is weak as well.

    Returns:
        (N,) bool.
    """
    intersection, area = intersection_areas(boxes[:, None], boxes[None, :]), areas(boxes)
    fraction = intersection / np.maximum(np.minimum(area[:, None], area[None, :]), np.finfo(np.float32).tiny)
    own, other = scores[:, None], scores[None, :]
    weak = (own < other) & (own < np.maximum(confidence_th, weak_fraction * other))
    return np.asarray((weak & (fraction >= CONTAINED_FRACTION)).any(axis=1))


def confirmed_boxes(frames: Sequence[FrameBoxes]) -> list[NDArray[np.bool_]]:
    """Which boxes of a shot are faces: the strong ones, and the weak ones that these confirm, in either direction.

    A strong box confirms no others if it is neither certain nor linked to a second one: a shadow may exceed the
    threshold once and stay below it in all other frames, each of which would count.

    Args:
        frames: All analysed frames of the shot in the order of time.

    Returns:
        For each frame (N,) bool.
    """
    backward = _link_boxes(frames[::-1], [frame.strong for frame in frames[::-1]])
    chains = _link_boxes(frames, [chain >= 0 for chain in backward[::-1]])
    support: Counter[int] = Counter()
    for frame, chain in zip(frames, chains, strict=True):
        support.update(chain[frame.strong].tolist())
        support.update(chain[frame.certain].tolist())
    supported = [chain for chain, boxes in support.items() if boxes >= MIN_SUPPORT]
    return [frame.strong | np.isin(chain, supported) for frame, chain in zip(frames, chains, strict=True)]


def _link_boxes(frames: Sequence[FrameBoxes], seeds: Sequence[NDArray[np.bool_]]) -> list[NDArray[np.intp]]:
    """Link the boxes of the same face into chains, from one frame to the next.

    Args:
        frames: In one direction of time or the other.
        seeds: For each frame (N,), the boxes that may begin a chain. The others may only continue one.

    Returns:
        For each frame (N,) the chain of each box, -1 for none.
    """
    # The last box of each chain that is not too old to be continued.
    last_s = np.empty(0)
    last_boxes = np.empty((0, 4), np.float32)
    last_chains = np.empty(0, np.intp)
    new_chains = count()
    linked = []
    for frame, is_seed in zip(frames, seeds, strict=True):
        age_s = np.abs(last_s - frame.ts_s)
        chain = np.full(len(frame.boxes), -1, np.intp)
        # Seeds are linked first, so that no other box takes the place of one.
        seed, other = np.flatnonzero(is_seed), np.flatnonzero(~is_seed)
        chain[seed] = list(islice(new_chains, len(seed)))
        is_free = age_s <= MAX_STRONG_GAP_S + CLOCK_TOLERANCE_S
        for boxes, max_gap_s in ((seed, MAX_STRONG_GAP_S), (other, MAX_GAP_S)):
            candidates = np.flatnonzero(is_free & (age_s <= max_gap_s + CLOCK_TOLERANCE_S))
            rows, columns = _matches(last_boxes[candidates], frame.boxes[boxes])
            chain[boxes[columns]] = last_chains[candidates[rows]]
            is_free[candidates[rows]] = False
        linked.append(chain)
        is_linked = chain >= 0
        last_s = np.concatenate([last_s[is_free], np.full(int(is_linked.sum()), frame.ts_s)])
        last_boxes = np.concatenate([last_boxes[is_free], frame.boxes[is_linked]])
        last_chains = np.concatenate([last_chains[is_free], chain[is_linked]])
    return linked


def _matches(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the first and of the second set that overlap by `MIN_IOU`, one to one with the largest total overlap."""
    iou = iou_matrix(first, second)
    rows, columns = linear_sum_assignment(iou, maximize=True)
    enough = iou[rows, columns] >= MIN_IOU
    return rows[enough], columns[enough]
