"""Clusters of one episode that are one person, merged by similarity, cohesion and cannot-link constraints."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.documents.grouping import NameLimits
from screenalytics_assets.core.identity.constrained_linkage import ROUNDING, required_similarity


class ClusterMerge(NamedTuple):
    """A merge of two clusters, and the figures that decided it.

    Attributes:
        kept: Row of the cluster that stays.
        absorbed: Row of the cluster that became part of it.
        similarity: Mean cosine similarity between their tracks.
        required_similarity: What that had to reach.
        rival_similarity: Highest similarity of either to a cluster that cannot be linked to the other; None without
            one.
        cohesion: The lower of the mean similarities within each, None if both are single tracks.
    """

    kept: int
    absorbed: int
    similarity: float
    required_similarity: float
    rival_similarity: float | None
    cohesion: float | None


class ClusterFeatures(NamedTuple):
    """What clusters are merged by; row i is cluster i.

    Attributes:
        means: (N, D) float64, the mean of the unit vectors of each cluster's tracks, not scaled.
        tracks: (N,) number of tracks.
        faces: (N,) number of faces.
        doubtful: (N,) whether it is an outlier or of low cohesion.
        cannot_link: (N, N) whether two of them cannot be one person.
    """

    means: NDArray[np.float64]
    tracks: NDArray[np.int64]
    faces: NDArray[np.int64]
    doubtful: NDArray[np.bool_]
    cannot_link: NDArray[np.bool_]


def merge_clusters(clusters: ClusterFeatures, limits: NameLimits) -> list[ClusterMerge]:
    """Merge clusters two at a time, the pair that exceeds its limit by most first, until none does.

    The limit is that of a name: here as there two sets of faces are compared, and a mistake costs as much. It is higher
    for few faces (`required_similarity`) and, by one margin, where a cluster is doubtful. The similarity of a pair must
    also exceed, by the margin, the similarity of either cluster to those that cannot be linked to the other: a cluster
    that is similar to two different people is not certainly either.

    Returns:
        The merges in the order in which they were made.
    """
    state = _MergeState(clusters, limits)
    merges = []
    while (pair := state.best_pair()) is not None:
        merges.append(state.merge(*pair))
    return merges


class _MergeState:
    def __init__(self, clusters: ClusterFeatures, limits: NameLimits) -> None:
        self._limits = limits
        self._means = clusters.means.copy()
        self._tracks = clusters.tracks.astype(np.float64)
        self._faces = clusters.faces.astype(np.float64)
        self._doubtful = clusters.doubtful.copy()
        self._cannot_link = clusters.cannot_link.copy()
        self._similarity = self._means @ self._means.T
        count = len(self._means)
        self._excess = np.full((count, count), -np.inf)
        self._absorbed = np.zeros(count, bool)
        for row in range(count):
            self._refresh(row)

    def best_pair(self) -> tuple[int, int] | None:
        """The next two to merge; a pair that does not lead its rivals is left out until one of the two changes."""
        while self._excess.size:
            kept, absorbed = sorted(map(int, np.unravel_index(int(self._excess.argmax()), self._excess.shape)))
            if self._excess[kept, absorbed] < -ROUNDING:
                return None
            rival = self._rival(kept, absorbed)
            if rival is None or self._similarity[kept, absorbed] - rival >= self._limits.margin - ROUNDING:
                return kept, absorbed
            self._excess[kept, absorbed] = self._excess[absorbed, kept] = -np.inf
        return None

    def merge(self, kept: int, absorbed: int) -> ClusterMerge:
        """Merge the second cluster into the first."""
        merged = ClusterMerge(
            kept,
            absorbed,
            float(self._similarity[kept, absorbed]),
            float(self._required(kept)[absorbed]),
            self._rival(kept, absorbed),
            self._cohesion(kept, absorbed),
        )
        sizes = self._tracks[[kept, absorbed]]
        self._means[kept] = np.average(self._means[[kept, absorbed]], axis=0, weights=sizes)
        self._tracks[kept] += self._tracks[absorbed]
        self._faces[kept] += self._faces[absorbed]
        self._doubtful[kept] &= self._doubtful[absorbed]
        self._cannot_link[kept] |= self._cannot_link[absorbed]
        self._cannot_link[:, kept] = self._cannot_link[kept]
        self._absorbed[absorbed] = True
        self._cannot_link[absorbed] = self._cannot_link[:, absorbed] = False
        self._excess[absorbed] = self._excess[:, absorbed] = -np.inf
        self._similarity[kept] = self._similarity[:, kept] = self._means @ self._means[kept]
        self._refresh(kept)
        return merged

    def _required(self, row: int) -> NDArray[np.float64]:
        plain = required_similarity(
            self._faces[row],
            np.maximum(self._faces, 1),
            tight_thresh=self._limits.tight,
            cluster_thresh=self._limits.similarity,
        )
        return plain + self._limits.margin * (self._doubtful | self._doubtful[row])

    def _refresh(self, row: int) -> None:
        excess = self._similarity[row] - self._required(row)
        excess[self._cannot_link[row] | self._absorbed] = -np.inf
        excess[row] = -np.inf
        self._excess[row] = self._excess[:, row] = excess

    def _rival(self, a: int, b: int) -> float | None:
        with_b, with_a = self._similarity[a, self._cannot_link[b]], self._similarity[b, self._cannot_link[a]]
        rivals = np.concatenate([with_b, with_a])
        return float(rivals.max()) if len(rivals) else None

    def _cohesion(self, *rows: int) -> float | None:
        within = [
            (self._tracks[row] * self._similarity[row, row] - 1) / (self._tracks[row] - 1)
            for row in rows
            if self._tracks[row] > 1
        ]
        return float(min(within)) if within else None
