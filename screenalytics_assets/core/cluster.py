"""Which tracks are one person: average linkage on cosine similarity."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering

LOW_SIMILARITY = "low_identity_similarity"
SMALL_CLUSTER = "small_cluster"

_ROUNDING = 1e-6
"""Cosines of float32 vectors are not more exact than that; a mean similarity of exactly the threshold merges."""


class Cluster(NamedTuple):
    """Tracks that are taken for one person.

    Attributes:
        members: (M,) rows of the tracks, ascending.
        cohesion_score: Mean cosine similarity between its tracks, 1.0 for a single track.
        min_identity_sim: Least mean similarity of one of its tracks to the others, 1.0 for a single track.
        reason: Why its tracks stand alone, for outliers.
    """

    members: NDArray[np.int64]
    cohesion_score: float
    min_identity_sim: float
    reason: str | None = None


def cluster_tracks(
    vectors: NDArray[np.float32], *, cluster_thresh: float, min_identity_sim: float, min_cluster_size: int
) -> list[Cluster]:
    """Group track vectors; every row is in exactly one cluster.

    Two clusters are merged while the mean cosine similarity between their tracks is at least
    ``cluster_thresh``. A track that is then on average less similar than ``min_identity_sim`` to the rest of its
    cluster, and each track of a cluster below ``min_cluster_size``, stands alone, with the reason.

    Args:
        vectors: (N, D) float32, unit rows.
        cluster_thresh: Least mean cosine similarity of clusters that are merged.
        min_identity_sim: Least mean cosine similarity of a track to the others of its cluster.
        min_cluster_size: Least number of tracks of a cluster.

    Returns:
        Clusters in the order of their first row.
    """
    clusters: list[Cluster] = []
    for members in _linked(vectors, cluster_thresh):
        similar = similarity_to_rest(vectors[members]) >= min_identity_sim
        kept, outliers = members[similar], members[~similar]
        small = len(kept) < min_cluster_size
        if len(kept) and not small:
            clusters.append(_cluster(vectors, kept))
        alone = [(row, SMALL_CLUSTER) for row in kept] if small else []
        alone += [(row, LOW_SIMILARITY) for row in outliers]
        clusters += [Cluster(np.array([row]), 1.0, 1.0, reason) for row, reason in alone]
    return sorted(clusters, key=lambda cluster: int(cluster.members[0]))


def similarity_to_rest(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean cosine similarity of each unit row to the other rows, (N,); 1.0 for a single row."""
    if len(vectors) == 1:
        return np.ones(1, np.float32)
    rest = (vectors.sum(0, keepdims=True) - vectors) / (len(vectors) - 1)
    return np.einsum("ij,ij->i", vectors, rest)


def _linked(vectors: NDArray[np.float32], threshold: float) -> list[NDArray[np.int64]]:
    if len(vectors) < 2:
        return [np.arange(len(vectors))] if len(vectors) else []
    distances = np.clip(1.0 - vectors @ vectors.T, 0.0, 2.0)
    labels = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=1.0 - threshold + _ROUNDING
    ).fit_predict(distances)
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _cluster(vectors: NDArray[np.float32], members: NDArray[np.int64]) -> Cluster:
    own = vectors[members]
    count = len(own)
    cohesion = float(((own @ own.T).sum() - count) / (count * (count - 1))) if count > 1 else 1.0
    return Cluster(members, cohesion, float(similarity_to_rest(own).min()))
