"""Clusters of tracks that show one person: constrained average linkage on cosine similarity, then outliers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.identity.constrained_linkage import ROUNDING, linked_groups, required_similarity

LOW_SIMILARITY = "low_identity_similarity"
SMALL_CLUSTER = "small_cluster"
SINGLE_FACE = "single_face"
CONFIRMED_FACES = 2
"""Minimum number of embedded faces of a cluster that is not an outlier. A single crop may be a false detection, such as
a blurred hand, and nothing else confirms it."""


class Cluster(NamedTuple):
    """Tracks that show one person.

    Attributes:
        members: (M,) rows of the tracks, ascending.
        cohesion_score: Mean cosine similarity between its tracks, 1.0 for a single track.
        min_identity_sim: Minimum mean similarity of a track to the others, 1.0 for a single track.
        reason: Why it is an outlier; None for other clusters.
    """

    members: NDArray[np.int64]
    cohesion_score: float
    min_identity_sim: float
    reason: str | None = None


class TrackVectors(NamedTuple):
    """The tracks to cluster.

    Attributes:
        vectors: (N, D) float32 unit rows, the template of each track.
        faces: (N,) number of faces behind each template, at least 1.
        cannot_link: (P, 2) pairs of rows that cannot be one person.
    """

    vectors: NDArray[np.float32]
    faces: NDArray[np.int64]
    cannot_link: NDArray[np.int64]


def cluster_tracks(
    tracks: TrackVectors, *, tight_thresh: float, cluster_thresh: float, min_identity_sim: float, min_cluster_size: int
) -> list[Cluster]:
    """Cluster tracks; each row is in exactly one cluster, and no cluster holds a cannot-link pair.

    `linked_groups` merges the tracks. Then these become outliers, clusters of one track with a reason: a track whose
    mean similarity to the rest of its cluster is below ``min_identity_sim``, and each track of a cluster below
    ``min_cluster_size``. A cluster of a single face is an outlier too.

    The result does not depend on the order of the rows.

    Args:
        tracks: The tracks and their constraints.
        tight_thresh: Mean cosine similarity at which clusters with any number of faces are merged.
        cluster_thresh: Mean cosine similarity at which clusters of many faces are merged.
        min_identity_sim: Minimum mean cosine similarity of a track to the others of its cluster.
        min_cluster_size: Minimum number of tracks of a cluster.

    Returns:
        Clusters in the order of their first row.
    """
    clusters: list[Cluster] = []
    for members in _linked(tracks, tight_thresh, cluster_thresh):
        similar = similarity_to_rest(tracks.vectors[members]) >= min_identity_sim
        kept, dissimilar = members[similar], members[~similar]
        clusters += [_outlier(row, LOW_SIMILARITY) for row in dissimilar]
        if len(kept) < min_cluster_size:
            clusters += [_outlier(row, SMALL_CLUSTER) for row in kept]
        else:
            unconfirmed = tracks.faces[kept].sum() < CONFIRMED_FACES
            clusters.append(cluster_of(tracks.vectors, kept)._replace(reason=SINGLE_FACE if unconfirmed else None))
    return [
        cluster._replace(members=np.sort(cluster.members))
        for cluster in sorted(clusters, key=lambda cluster: int(cluster.members.min()))
    ]


def _outlier(row: int, reason: str) -> Cluster:
    return Cluster(np.array([row]), 1.0, 1.0, reason)


def blocked_merges(
    tracks: TrackVectors, clusters: Sequence[Cluster], *, tight_thresh: float, cluster_thresh: float
) -> int:
    """Number of pairs of clusters that only a cannot-link pair keeps from being merged."""
    cluster_of_row = np.zeros(len(tracks.vectors), np.int64)
    for number, cluster in enumerate(clusters):
        cluster_of_row[cluster.members] = number
    between = np.unique(np.sort(cluster_of_row[tracks.cannot_link], axis=1), axis=0)
    if not len(between):
        return 0
    means = np.array([tracks.vectors[cluster.members].mean(0) for cluster in clusters])
    faces = np.array([tracks.faces[cluster.members].sum() for cluster in clusters], np.float64)
    first, second = between.T
    similarity = np.einsum("ij,ij->i", means[first], means[second])
    required = required_similarity(
        faces[first], faces[second], tight_thresh=tight_thresh, cluster_thresh=cluster_thresh
    )
    return int((similarity >= required - ROUNDING).sum())


def similarity_to_rest(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) mean cosine similarity of each unit row to the other rows; 1.0 for a single row."""
    if len(vectors) == 1:
        return np.ones(1, np.float32)
    rest = (vectors.sum(0, keepdims=True) - vectors) / (len(vectors) - 1)
    return np.einsum("ij,ij->i", vectors, rest)


def _linked(tracks: TrackVectors, tight_thresh: float, cluster_thresh: float) -> list[NDArray[np.int64]]:
    """The rows of each group; rows are sorted by their vectors first, so that their order decides nothing."""
    order = np.array(sorted(range(len(tracks.vectors)), key=lambda row: tracks.vectors[row].tobytes()), np.int64)
    vectors = tracks.vectors[order].astype(np.float64)
    similarity = vectors @ vectors.T
    first, second = np.argsort(order)[tracks.cannot_link].T
    similarity[first, second] = similarity[second, first] = -np.inf
    groups = linked_groups(similarity, tracks.faces[order], tight_thresh=tight_thresh, cluster_thresh=cluster_thresh)
    return [order[groups == group] for group in np.unique(groups)]


def cluster_of(vectors: NDArray[np.float32], members: NDArray[np.int64]) -> Cluster:
    """The given rows as one cluster, whatever their similarity; without rows there is none that is low."""
    own = vectors[members]
    count = len(own)
    if not count:
        return Cluster(members, 1.0, 1.0)
    cohesion = float(((own @ own.T).sum() - count) / (count * (count - 1))) if count > 1 else 1.0
    return Cluster(members, cohesion, float(similarity_to_rest(own).min()))
