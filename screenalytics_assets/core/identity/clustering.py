"""Which tracks are one person: average linkage on cosine similarity, tight and then bridged."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.identity.constrained_linkage import ROUNDING, linked_groups, required_similarity

LOW_SIMILARITY = "low_identity_similarity"
SMALL_CLUSTER = "small_cluster"
SINGLE_FACE = "single_face"
CONFIRMED_FACES = 2
"""Embedded faces of a cluster that confirm each other. One crop alone cannot be told from a blurred hand that the
detector took for a face once: nothing else says that it is somebody."""


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


class Tracks(NamedTuple):
    """What is known of the tracks that are clustered.

    Attributes:
        vectors: (N, D) float32, unit rows.
        faces: (N,) number of faces behind each vector, at least 1.
        cannot_link: (P, 2) rows of tracks that are two people.
    """

    vectors: NDArray[np.float32]
    faces: NDArray[np.int64]
    cannot_link: NDArray[np.int64]


def cluster_tracks(
    tracks: Tracks, *, tight_thresh: float, cluster_thresh: float, min_identity_sim: float, min_cluster_size: int
) -> list[Cluster]:
    """Group track vectors; every row is in exactly one cluster, and no cluster holds a cannot-link pair.

    `linked_groups` says which clusters are merged. A track that is then on average less similar than
    ``min_identity_sim`` to the rest of its cluster, and each track of a cluster below ``min_cluster_size``, stands
    alone, with the reason; a cluster of a single face has one too.

    The order of the rows changes nothing: everything is computed in an order of the vectors' own.

    Args:
        tracks: The vectors, and what is known of them.
        tight_thresh: Mean cosine similarity at which clusters are merged however few faces they have.
        cluster_thresh: Mean cosine similarity at which clusters of many faces are merged.
        min_identity_sim: Least mean cosine similarity of a track to the others of its cluster.
        min_cluster_size: Least number of tracks of a cluster.

    Returns:
        Clusters in the order of their first row.
    """
    vectors = tracks.vectors
    clusters: list[Cluster] = []
    for members in _linked(tracks, tight_thresh, cluster_thresh):
        similar = similarity_to_rest(vectors[members]) >= min_identity_sim
        kept, outliers = members[similar], members[~similar]
        small = len(kept) < min_cluster_size
        if len(kept) and not small:
            unconfirmed = tracks.faces[kept].sum() < CONFIRMED_FACES
            clusters.append(cluster_of(vectors, kept)._replace(reason=SINGLE_FACE if unconfirmed else None))
        alone = [(row, SMALL_CLUSTER) for row in kept] if small else []
        alone += [(row, LOW_SIMILARITY) for row in outliers]
        clusters += [Cluster(np.array([row]), 1.0, 1.0, reason) for row, reason in alone]
    return [
        cluster._replace(members=np.sort(cluster.members))
        for cluster in sorted(clusters, key=lambda cluster: int(cluster.members.min()))
    ]


def blocked_merges(tracks: Tracks, clusters: Sequence[Cluster], *, tight_thresh: float, cluster_thresh: float) -> int:
    """How many pairs of clusters would be merged but for a cannot-link between them."""
    cluster_of = np.zeros(len(tracks.vectors), np.int64)
    for number, cluster in enumerate(clusters):
        cluster_of[cluster.members] = number
    between = np.unique(np.sort(cluster_of[tracks.cannot_link], axis=1), axis=0)
    means = np.array([tracks.vectors[cluster.members].mean(0) for cluster in clusters])
    faces = np.array([tracks.faces[cluster.members].sum() for cluster in clusters], np.float64)
    if not len(between):
        return 0
    first, second = between.T
    similarity = np.einsum("ij,ij->i", means[first], means[second])
    required = required_similarity(
        faces[first], faces[second], tight_thresh=tight_thresh, cluster_thresh=cluster_thresh
    )
    return int((similarity >= required - ROUNDING).sum())


def similarity_to_rest(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean cosine similarity of each unit row to the other rows, (N,); 1.0 for a single row."""
    if len(vectors) == 1:
        return np.ones(1, np.float32)
    rest = (vectors.sum(0, keepdims=True) - vectors) / (len(vectors) - 1)
    return np.einsum("ij,ij->i", vectors, rest)


def _linked(tracks: Tracks, tight_thresh: float, cluster_thresh: float) -> list[NDArray[np.int64]]:
    """Members of each group, in an order that depends on the vectors only."""
    order = np.array(sorted(range(len(tracks.vectors)), key=lambda row: tracks.vectors[row].tobytes()), np.int64)
    own = tracks.vectors[order].astype(np.float64)
    similarity = own @ own.T
    first, second = np.argsort(order)[tracks.cannot_link].T
    similarity[first, second] = similarity[second, first] = -np.inf
    groups = linked_groups(similarity, tracks.faces[order], tight_thresh=tight_thresh, cluster_thresh=cluster_thresh)
    return [order[groups == group] for group in np.unique(groups)]


def cluster_of(vectors: NDArray[np.float32], members: NDArray[np.int64]) -> Cluster:
    """These rows as one cluster, whatever they resemble."""
    own = vectors[members]
    count = len(own)
    cohesion = float(((own @ own.T).sum() - count) / (count * (count - 1))) if count > 1 else 1.0
    return Cluster(members, cohesion, float(similarity_to_rest(own).min()))
