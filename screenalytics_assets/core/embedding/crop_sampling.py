"""Which of a track's usable crops are embedded."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Strategy = Literal["uniform", "quality_weighted", "stratified"]


def sample_track(
    ts_s: NDArray[np.float64], quality: NDArray[np.float32], *, limit: int, strategy: Strategy
) -> NDArray[np.int64]:
    """Choose at most ``limit`` faces of one track.

    Args:
        ts_s: (N,) time of each face in seconds, ascending.
        quality: (N,) quality score of each face.
        limit: How many may be chosen.
        strategy: ``uniform`` takes faces evenly spaced in their order, ``quality_weighted`` the best ones,
            ``stratified`` the best one of each of ``limit`` stretches of equal length in time.

    Returns:
        Chosen positions, ascending. Ties go to the earlier face.
    """
    count = len(ts_s)
    if count <= limit:
        return np.arange(count)
    if strategy == "uniform":
        return np.unique(np.linspace(0, count - 1, limit).round().astype(np.int64))
    best_first = np.argsort(-quality, kind="stable")
    if strategy == "quality_weighted":
        return np.sort(best_first[:limit])
    span_s = max(float(ts_s[-1] - ts_s[0]), np.finfo(np.float64).tiny)
    stretch = np.minimum(((ts_s - ts_s[0]) / span_s * limit).astype(np.int64), limit - 1)
    _, first_of_stretch = np.unique(stretch[best_first], return_index=True)
    return np.sort(best_first[first_of_stretch])


def cap_episode(track_of_face: NDArray[np.int64], quality: NDArray[np.float32], *, limit: int) -> NDArray[np.bool_]:
    """Keep at most ``limit`` faces of an episode: a fair floor for each track, then the best; the worst go first.

    The floor is the same for all tracks, ``limit`` divided by their number and at least one: so many of its best
    faces each track keeps. Where even one face of each track is too many, the best of those stay.

    Args:
        track_of_face: (N,) number of the track of each face.
        quality: (N,) quality score of each face.
        limit: How many may stay.

    Returns:
        (N,) whether each face stays.
    """
    floor = max(1, limit // max(1, len(np.unique(track_of_face))))
    above_floor = quality_ranks(track_of_face, quality) > floor
    kept = np.zeros(len(quality), np.bool_)
    kept[np.lexsort((-quality, above_floor))[:limit]] = True
    return kept


def quality_ranks(track_of_face: NDArray[np.int64], quality: NDArray[np.float32]) -> NDArray[np.int32]:
    """Rank of each face within its track, 1 for the best; ties go to the earlier face."""
    order = np.lexsort((-quality, track_of_face))
    tracks = track_of_face[order]
    ranks = np.empty(len(quality), np.int32)
    ranks[order] = np.arange(len(quality)) - np.searchsorted(tracks, tracks, side="left") + 1
    return ranks
