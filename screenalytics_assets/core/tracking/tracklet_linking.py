"""Linking tracklets of one shot that show the same face."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.common.vectors import unit_rows
from screenalytics_assets.core.tracking.appearance_split import SplitReason


class ShotTracklet(NamedTuple):
    """A tracklet among all those of a shot.

    Attributes:
        track: Index of its track in the shot.
        rows: Its detections, ascending.
        times_s: (len(rows),) their times in seconds.
        reason: Why it was split off.
        parent: Index in the shot of the tracklet that it returns to.
    """

    track: int
    rows: NDArray[np.int64]
    times_s: NDArray[np.float64]
    reason: SplitReason | None
    parent: int | None


def link_shot(
    tracklets: Sequence[ShotTracklet],
    sums: NDArray[np.float32],
    *,
    min_sim: float,
    max_gap_s: float,
    interval_s: float,
) -> NDArray[np.int64]:
    """Group the tracklets of a shot into tracks: by `link_tracklets`, then those left alone with their parents.

    Args:
        tracklets: All tracklets of the shot.
        sums: (T, D) weighted sum of the vectors of each.
        min_sim: As for `link_tracklets`.
        max_gap_s: As for `link_tracklets`.
        interval_s: A tracklet shorter than this sampling interval is one observation, however many detections it has.
            One observation is not enough for another face, so it returns to the face before and after it.

    Returns:
        (T,) group of each tracklet.
    """
    groups = link_tracklets([tracklet.times_s for tracklet in tracklets], sums, min_sim=min_sim, max_gap_s=max_gap_s)
    parents = [
        _enclosing_tracklet(tracklets, index, groups, interval_s) if tracklet.parent is None else tracklet.parent
        for index, tracklet in enumerate(tracklets)
    ]
    return _return_to_parents(tracklets, parents, groups)


def link_tracklets(
    times_s: Sequence[NDArray[np.float64]],
    sums: NDArray[np.float32],
    *,
    min_sim: float,
    max_gap_s: float,
) -> NDArray[np.int64]:
    """Group tracklets that show one face, the most similar pair first.

    Args:
        times_s: Times of the detections of each tracklet in seconds, ascending; equal times are one frame.
        sums: (T, D) weighted sum of the vectors of each tracklet; a tracklet without a vector has zeros and stays
            alone.
        min_sim: Minimum cosine similarity of two groups that are linked.
        max_gap_s: Maximum time between two groups that are linked.

    Returns:
        (T,) group of each tracklet: the index of the group's first tracklet. No group has two detections in one frame.
        The order of the tracklets matters only between pairs of exactly equal similarity.
    """
    groups = np.arange(len(times_s))
    sums = sums.astype(np.float64)
    gap_s = _gaps(times_s)
    cannot_link = _share_a_frame(times_s, gap_s)
    active = np.any(sums != 0, axis=1)
    while active.sum() > 1:
        units = unit_rows(sums.astype(np.float32))
        allowed = ~cannot_link & (gap_s <= max_gap_s + CLOCK_TOLERANCE_S) & active[:, None] & active[None, :]
        similarity = np.where(np.triu(allowed, 1), units @ units.T, -np.inf)
        first, second = np.unravel_index(np.argmax(similarity), similarity.shape)
        if similarity[first, second] < min_sim:
            break
        groups[groups == second] = first
        sums[first] += sums[second]
        cannot_link[first] |= cannot_link[second]
        cannot_link[:, first] |= cannot_link[:, second]
        gap_s[first] = np.minimum(gap_s[first], gap_s[second])
        gap_s[:, first] = gap_s[first]
        active[second] = False
    return groups


def _gaps(times_s: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(T, T) seconds between the end of one tracklet and the start of the other; at most 0 where they overlap."""
    start_s = np.array([times[0] for times in times_s])
    end_s = np.array([times[-1] for times in times_s])
    return np.maximum(start_s[None, :] - end_s[:, None], start_s[:, None] - end_s[None, :])


def _share_a_frame(times_s: Sequence[NDArray[np.float64]], gap_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(T, T) whether two tracklets have detections in one frame, so that they are two people."""
    shared = np.zeros(gap_s.shape, np.bool_)
    for first, second in zip(*np.nonzero(np.triu(gap_s <= 0, 1)), strict=True):
        common = np.intersect1d(times_s[first], times_s[second], assume_unique=True)
        shared[first, second] = shared[second, first] = len(common) > 0
    return shared


def _enclosing_tracklet(
    tracklets: Sequence[ShotTracklet], index: int, groups: NDArray[np.int64], interval_s: float
) -> int | None:
    """The tracklet of the same track before one shorter than the interval, if the same face continues after it."""
    start_s, end_s = tracklets[index].times_s[[0, -1]]
    if end_s - start_s >= interval_s:
        return None
    same_track = [i for i, other in enumerate(tracklets) if other.track == tracklets[index].track]
    before = [i for i in same_track if tracklets[i].times_s[-1] < start_s]
    after = [i for i in same_track if tracklets[i].times_s[0] > end_s]
    if not before or not after:
        return None
    previous = max(before, key=lambda i: float(tracklets[i].times_s[-1]))
    following = min(after, key=lambda i: float(tracklets[i].times_s[0]))
    return previous if groups[previous] == groups[following] else None


def _return_to_parents(
    tracklets: Sequence[ShotTracklet], parents: Sequence[int | None], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Groups in which tracklets that were linked to none join their parent, unless both have a detection in a frame."""
    alone = (np.bincount(groups, minlength=len(groups)) == 1)[groups]
    groups = groups.copy()
    for index in np.flatnonzero(alone).tolist():
        parent = parents[index]
        while parent is not None and alone[parent] and parents[parent] is not None:
            parent = parents[parent]
        if parent is None:
            continue
        taken = [tracklets[i].times_s for i in np.flatnonzero(groups == groups[parent]).tolist()]
        if not np.isin(tracklets[index].times_s, np.concatenate(taken)).any():
            groups[index] = groups[parent]
    return groups
