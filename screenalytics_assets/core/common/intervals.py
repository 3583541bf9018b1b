"""Sets of time intervals: (N, 2) float64, start and end in seconds, start ≤ end."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Intervals = NDArray[np.float64]


def intervals_of(pairs: Sequence[Sequence[float]]) -> Intervals:
    """Pairs of start and end as an (N, 2) array, also for N = 0."""
    return np.asarray(pairs, np.float64).reshape(-1, 2)


def merged(intervals: Intervals, *, gap_s: float = 0.0) -> Intervals:
    """The union of the intervals, ascending; those at most ``gap_s`` apart become one."""
    if not len(intervals):
        return intervals.reshape(0, 2)
    ordered = intervals[np.argsort(intervals[:, 0], kind="stable")]
    ends = np.maximum.accumulate(ordered[:, 1])
    begins = np.concatenate([[True], ordered[1:, 0] - ends[:-1] > gap_s])
    last = np.concatenate([np.flatnonzero(begins)[1:] - 1, [len(ordered) - 1]])
    return np.column_stack([ordered[begins, 0], ends[last]])


def total_s(intervals: Intervals) -> float:
    """Sum of the lengths: for merged intervals, the time they cover."""
    return float((intervals[:, 1] - intervals[:, 0]).sum())


def overlapping_pairs(sets: Sequence[Intervals]) -> list[tuple[int, int]]:
    """Pairs of sets that overlap in time, the lower index first, in ascending order; not all pairs are compared."""
    owner = np.repeat(np.arange(len(sets)), np.array([len(intervals) for intervals in sets], np.int64))
    spans = np.concatenate([np.empty((0, 2)), *sets])
    order = np.argsort(spans[:, 0], kind="stable")
    starts, ends, owner = spans[order, 0], spans[order, 1], owner[order]
    index = np.arange(len(order))
    later_overlaps = np.maximum(np.searchsorted(starts, ends) - index - 1, 0)
    first = np.repeat(index, later_overlaps)
    second = first + 1 + np.arange(len(first)) - (np.cumsum(later_overlaps) - later_overlaps)[first]
    pairs = np.sort(np.column_stack([owner[first], owner[second]]), axis=1)
    return [(a, b) for a, b in np.unique(pairs, axis=0).tolist() if a != b]


def time_with_at_least(count: int, sets: Sequence[Intervals]) -> float:
    """Seconds covered by at least ``count`` of the sets; each set is merged."""
    if not sets:
        return 0.0
    starts = np.concatenate([intervals[:, 0] for intervals in sets])
    ends = np.concatenate([intervals[:, 1] for intervals in sets])
    moments = np.concatenate([starts, ends])
    steps = np.concatenate([np.ones(len(starts), np.int64), -np.ones(len(ends), np.int64)])
    order = np.argsort(moments, kind="stable")
    present = np.cumsum(steps[order])[:-1]
    return float(np.diff(moments[order])[present >= count].sum())
