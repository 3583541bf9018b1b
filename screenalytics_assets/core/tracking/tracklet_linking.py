"""Pieces of tracks in one shot that are the same face again."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.common.vectors import unit_rows


def rejoin(
    times_s: Sequence[NDArray[np.float64]],
    sums: NDArray[np.float32],
    *,
    min_sim: float,
    max_gap_s: float,
) -> NDArray[np.int64]:
    """Group the pieces that are one face, the most alike first.

    Args:
        times_s: For each piece the times of its detections in seconds, ascending; equal times are one frame.
        sums: (P, D) for each piece the weighted sum of its vectors; zero where none was embedded, and such a piece
            stays alone.
        min_sim: Least cosine similarity of two groups that are one face.
        max_gap_s: The face may be out of sight for so long.

    Returns:
        (P,) group of each piece, named after its first piece. No group has two detections in one frame. The order
        of the pieces matters only between pairs that are alike to the last bit.
    """
    count = len(times_s)
    groups = np.arange(count)
    sums = sums.astype(np.float64)
    start_s = np.array([times[0] for times in times_s])
    end_s = np.array([times[-1] for times in times_s])
    gap_s = np.maximum(start_s[None, :] - end_s[:, None], start_s[:, None] - end_s[None, :])
    together = _seen_together(times_s, gap_s)
    alive = np.any(sums != 0, axis=1)
    while alive.sum() > 1:
        units = unit_rows(sums.astype(np.float32))
        allowed = ~together & (gap_s <= max_gap_s + CLOCK_TOLERANCE_S) & alive[:, None] & alive[None, :]
        similarity = np.where(np.triu(allowed, 1), units @ units.T, -np.inf)
        first, second = np.unravel_index(np.argmax(similarity), similarity.shape)
        if similarity[first, second] < min_sim:
            break
        groups[groups == second] = first
        sums[first] += sums[second]
        together[first] |= together[second]
        together[:, first] |= together[:, second]
        gap_s[first] = np.minimum(gap_s[first], gap_s[second])
        gap_s[:, first] = gap_s[first]
        alive[second] = False
    return groups


def _seen_together(times_s: Sequence[NDArray[np.float64]], gap_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    together = np.zeros(gap_s.shape, np.bool_)
    for first, second in zip(*np.nonzero(np.triu(gap_s <= 0, 1)), strict=True):
        shared = np.intersect1d(times_s[first], times_s[second], assume_unique=True)
        together[first, second] = together[second, first] = len(shared) > 0
    return together
