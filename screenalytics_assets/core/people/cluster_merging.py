"""Clusters of one episode that are one person: merged on similarity, cohesion and who is seen with whom."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.identity.constrained_linkage import ROUNDING, required_similarity
from screenalytics_assets.core.people.naming import NameLimits


class Related(NamedTuple):
    """A merge of two clusters, and what spoke for it.

    Attributes:
        kept: Number of the cluster that stays.
        gone: Number of the one that became part of it.
        similarity: Mean cosine similarity between their tracks.
        required_similarity: What that had to reach.
        rival_similarity: The most that either resembles somebody who is seen together with the other; None where
            neither is seen with anybody.
        cohesion: Lower one of the mean similarities within each, None where both are single tracks.
    """

    kept: int
    gone: int
    similarity: float
    required_similarity: float
    rival_similarity: float | None
    cohesion: float | None

    def figures(self) -> dict[str, Any]:
        """What spoke for it, with four decimals."""
        return {
            key: None if value is None else round(value, 4)
            for key, value in self._asdict().items()
            if key not in ("kept", "gone")
        }


class Clusters(NamedTuple):
    """What is known of the clusters; row i is cluster i.

    Attributes:
        means: (N, D) float64, the mean of the unit vectors of each cluster's tracks, not scaled.
        tracks: (N,) number of tracks.
        faces: (N,) number of faces.
        doubtful: (N,) whether it is an outlier or of low cohesion.
        apart: (N, N) whether two of them are two people.
    """

    means: NDArray[np.float64]
    tracks: NDArray[np.int64]
    faces: NDArray[np.int64]
    doubtful: NDArray[np.bool_]
    apart: NDArray[np.bool_]


def related_clusters(clusters: Clusters, limits: NameLimits) -> list[Related]:
    """Merge clusters two at a time, the pair that exceeds its limit by most first, until none does.

    The limit is that of a name, for the same reason: two sets of faces are compared, and a wrong answer costs as much.
    It rises where there are few faces (`required_similarity`) and, by one margin, where a cluster is doubtful. A pair
    must also lead, by the margin, over what either of them has in common with people who are seen together with the
    other: who resembles two people that are not the same is neither for certain.

    Returns:
        The merges in the order in which they were made.
    """
    state = _State(clusters, limits)
    merges = []
    while (pair := state.best_pair()) is not None:
        merges.append(state.merge(*pair))
    return merges


class _State:
    def __init__(self, clusters: Clusters, limits: NameLimits) -> None:
        self._limits = limits
        self._means = clusters.means.copy()
        self._tracks = clusters.tracks.astype(np.float64)
        self._faces = clusters.faces.astype(np.float64)
        self._doubtful = clusters.doubtful.copy()
        self._apart = clusters.apart.copy()
        self._similarity = self._means @ self._means.T
        count = len(self._means)
        self._excess = np.full((count, count), -np.inf)
        self._gone = np.zeros(count, bool)
        for row in range(count):
            self._refresh(row)

    def best_pair(self) -> tuple[int, int] | None:
        """The next two to merge; pairs without the lead are struck out until one of the two changes."""
        while self._excess.size:
            kept, gone = sorted(map(int, np.unravel_index(int(self._excess.argmax()), self._excess.shape)))
            if self._excess[kept, gone] < -ROUNDING:
                return None
            rival = self._rival(kept, gone)
            if rival is None or self._similarity[kept, gone] - rival >= self._limits.margin - ROUNDING:
                return kept, gone
            self._excess[kept, gone] = self._excess[gone, kept] = -np.inf
        return None

    def merge(self, kept: int, gone: int) -> Related:
        """Put the second into the first."""
        merged = Related(
            kept,
            gone,
            float(self._similarity[kept, gone]),
            float(self._required(kept)[gone]),
            self._rival(kept, gone),
            self._cohesion(kept, gone),
        )
        sizes = self._tracks[[kept, gone]]
        self._means[kept] = np.average(self._means[[kept, gone]], axis=0, weights=sizes)
        self._tracks[kept] += self._tracks[gone]
        self._faces[kept] += self._faces[gone]
        self._doubtful[kept] &= self._doubtful[gone]
        self._apart[kept] |= self._apart[gone]
        self._apart[:, kept] = self._apart[kept]
        self._gone[gone] = True
        self._apart[gone] = self._apart[:, gone] = False
        self._excess[gone] = self._excess[:, gone] = -np.inf
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
        excess[self._apart[row] | self._gone] = -np.inf
        excess[row] = -np.inf
        self._excess[row] = self._excess[:, row] = excess

    def _rival(self, a: int, b: int) -> float | None:
        with_b, with_a = self._similarity[a, self._apart[b]], self._similarity[b, self._apart[a]]
        rivals = np.concatenate([with_b, with_a])
        return float(rivals.max()) if len(rivals) else None

    def _cohesion(self, *rows: int) -> float | None:
        within = [
            (self._tracks[row] * self._similarity[row, row] - 1) / (self._tracks[row] - 1)
            for row in rows
            if self._tracks[row] > 1
        ]
        return float(min(within)) if within else None
