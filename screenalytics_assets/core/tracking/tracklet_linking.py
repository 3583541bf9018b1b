"""Linking tracklets of one shot that show the same face."""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.common.vectors import unit_rows
from screenalytics_assets.core.tracking.appearance_split import SplitReason
from screenalytics_assets.core.tracking.reach import joined, within_reach
from screenalytics_assets.core.tracking.track_table import TrackBoxes


class ShotTracklet(NamedTuple):
    """A tracklet among all those of a shot.

    Attributes:
        track: Index of its track in the shot.
        rows: Its detections, ascending.
        path: Where it is at which time.
        reason: Why it was split off.
        parent: Index in the shot of the tracklet that it returns to.
    """

    track: int
    rows: NDArray[np.int64]
    path: TrackBoxes
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
    groups = link_tracklets([tracklet.path for tracklet in tracklets], sums, min_sim=min_sim, max_gap_s=max_gap_s)
    parents = [
        _enclosing_tracklet(tracklets, index, groups, interval_s) if tracklet.parent is None else tracklet.parent
        for index, tracklet in enumerate(tracklets)
    ]
    return _return_to_parents(tracklets, parents, groups)


def link_tracklets(
    tracklets: Sequence[TrackBoxes],
    sums: NDArray[np.float32],
    *,
    min_sim: float,
    max_gap_s: float,
) -> NDArray[np.int64]:
    """Group tracklets that show one face, the most similar pair first.

    Args:
        tracklets: Times and boxes of each; equal times are one frame.
        sums: (T, D) weighted sum of the vectors of each tracklet; a tracklet without a vector has zeros and stays
            alone.
        min_sim: Minimum cosine similarity of two groups that are linked.
        max_gap_s: Maximum time between two groups that are linked.

    Returns:
        (T,) group of each tracklet: the index of the group's first tracklet. No group has two detections in one frame,
        and none moves from one tracklet to another faster than a face can (`within_reach`). The order of the tracklets
        matters only between pairs of exactly equal similarity.
    """
    groups = np.arange(len(tracklets))
    paths, totals = list(tracklets), sums.astype(np.float64)
    gap_s = _gaps(paths)
    cannot_link = _share_a_frame(paths, gap_s)
    too_far = np.zeros_like(cannot_link)
    active = np.any(totals != 0, axis=1)
    similarities = _similarities(totals)
    while active.sum() > 1:
        allowed = ~cannot_link & ~too_far & (gap_s <= max_gap_s + CLOCK_TOLERANCE_S)
        first, second, similarity = _most_similar(similarities, allowed & active[:, None] & active[None, :])
        if similarity < min_sim:
            break
        if not within_reach(paths[first], paths[second]):
            too_far[first, second] = too_far[second, first] = True
            continue
        groups[groups == second] = first
        totals[first] += totals[second]
        paths[first] = joined(paths[first], paths[second])
        cannot_link[first] |= cannot_link[second]
        cannot_link[:, first] |= cannot_link[:, second]
        too_far[first] = too_far[:, first] = False
        gap_s[first] = np.minimum(gap_s[first], gap_s[second])
        gap_s[:, first] = gap_s[first]
        active[second] = False
        similarities = _similarities(totals)
    return groups


def _similarities(totals: NDArray[np.float64]) -> NDArray[np.float32]:
    """(T, T) cosines."""
    units = unit_rows(totals.astype(np.float32))
    return units @ units.T


def _most_similar(similarities: NDArray[np.float32], allowed: NDArray[np.bool_]) -> tuple[int, int, float]:
    """The most similar of the allowed pairs, the one with the lower index first, and its cosine; -inf if none is."""
    similarity = np.where(np.triu(allowed, 1), similarities, -np.inf)
    first, second = np.unravel_index(np.argmax(similarity), similarity.shape)
    return int(first), int(second), float(similarity[first, second])


def _gaps(paths: Sequence[TrackBoxes]) -> NDArray[np.float64]:
    """(T, T) seconds between the end of one tracklet and the start of the other; at most 0 where they overlap."""
    start_s = np.array([path.ts_s[0] for path in paths])
    end_s = np.array([path.ts_s[-1] for path in paths])
    return np.maximum(start_s[None, :] - end_s[:, None], start_s[:, None] - end_s[None, :])


def _share_a_frame(paths: Sequence[TrackBoxes], gap_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(T, T) whether two tracklets have detections in one frame, so that they are two people."""
    shared = np.zeros(gap_s.shape, np.bool_)
    for first, second in zip(*np.nonzero(np.triu(gap_s <= 0, 1)), strict=True):
        common = np.intersect1d(paths[first].ts_s, paths[second].ts_s, assume_unique=True)
        shared[first, second] = shared[second, first] = len(common) > 0
    return shared


def _enclosing_tracklet(
    tracklets: Sequence[ShotTracklet], index: int, groups: NDArray[np.int64], interval_s: float
) -> int | None:
    """The tracklet of the same track before one shorter than the interval, if the same face continues after it."""
    start_s, end_s = tracklets[index].path.ts_s[[0, -1]]
    if end_s - start_s >= interval_s:
        return None
    same_track = [i for i, other in enumerate(tracklets) if other.track == tracklets[index].track]
    before = [i for i in same_track if tracklets[i].path.ts_s[-1] < start_s]
    after = [i for i in same_track if tracklets[i].path.ts_s[0] > end_s]
    if not before or not after:
        return None
    previous = max(before, key=lambda i: float(tracklets[i].path.ts_s[-1]))
    following = min(after, key=lambda i: float(tracklets[i].path.ts_s[0]))
    return previous if groups[previous] == groups[following] else None


def _return_to_parents(
    tracklets: Sequence[ShotTracklet], parents: Sequence[int | None], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Groups in which tracklets that were linked to none join their parent.

    Not if both have a detection in a frame, or if a face cannot move from one to the other that fast.
    """
    alone = (np.bincount(groups, minlength=len(groups)) == 1)[groups]
    groups = groups.copy()
    for index in np.flatnonzero(alone).tolist():
        parent = parents[index]
        while parent is not None and alone[parent] and parents[parent] is not None:
            parent = parents[parent]
        if parent is None:
            continue
        own, family = tracklets[index].path, np.flatnonzero(groups == groups[parent]).tolist()
        taken = reduce(joined, (tracklets[i].path for i in family))
        if not np.isin(own.ts_s, taken.ts_s).any() and within_reach(own, taken):
            groups[index] = groups[parent]
    return groups
