"""Sampling: which good crops of a track, and of an episode, are embedded."""

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.config.people_keys import SamplingStrategy


def sample_track(
    ts_s: NDArray[np.float64], quality: NDArray[np.float32], *, limit: int, strategy: SamplingStrategy
) -> NDArray[np.int64]:
    """Choose at most ``limit`` faces of one track.

    Args:
        ts_s: (N,) time of each face in seconds, ascending.
        quality: (N,) quality score of each face.
        limit: Maximum number of faces.
        strategy: ``uniform`` takes every so many faces, ``quality_weighted`` the best ones, ``stratified`` the best one
            of each of ``limit`` intervals of equal length in time.

    Returns:
        Positions of the chosen faces, ascending. Of equally good faces the earlier one is chosen.
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
    interval = np.minimum(((ts_s - ts_s[0]) / span_s * limit).astype(np.int64), limit - 1)
    _, first_of_interval = np.unique(interval[best_first], return_index=True)
    return np.sort(best_first[first_of_interval])


def cap_episode(track_of_face: NDArray[np.int64], quality: NDArray[np.float32], *, limit: int) -> NDArray[np.bool_]:
    """Keep at most ``limit`` faces of an episode: some of each track, then the best of the rest.

    Each track keeps the same number of its best faces: ``limit`` divided by the number of tracks, at least one. Where
    one face per track is too many, the best of these are kept.

    Args:
        track_of_face: (N,) number of the track of each face.
        quality: (N,) quality score of each face.
        limit: Maximum number of faces.

    Returns:
        (N,) whether each face is kept.
    """
    per_track = max(1, limit // max(1, len(np.unique(track_of_face))))
    is_extra = quality_ranks(track_of_face, quality) > per_track
    kept = np.zeros(len(quality), np.bool_)
    kept[np.lexsort((-quality, is_extra))[:limit]] = True
    return kept


def quality_ranks(track_of_face: NDArray[np.int64], quality: NDArray[np.float32]) -> NDArray[np.int32]:
    """(N,) rank of each face within its track, 1 for the best; of equally good faces the earlier one is better."""
    order = np.lexsort((-quality, track_of_face))
    tracks = track_of_face[order]
    ranks = np.empty(len(quality), np.int32)
    ranks[order] = np.arange(len(quality)) - np.searchsorted(tracks, tracks, side="left") + 1
    return ranks
