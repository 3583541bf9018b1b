"""Constrained average linkage: first where the evidence is beyond doubt, then bridging what remains."""

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-6
"""Cosines of float32 vectors are not more exact than that; a mean similarity of exactly the threshold merges."""


def required_similarity(
    faces: NDArray[np.float64], others: NDArray[np.float64], *, tight_thresh: float, cluster_thresh: float
) -> NDArray[np.float64]:
    """Least mean similarity at which two clusters are bridged, by the number of faces that each consists of.

    ``cluster_thresh + (tight_thresh - cluster_thresh) / sqrt(faces · others)``: two clusters are a mean over that many
    comparisons of two faces, and a mean over n strays by 1/sqrt(n) of what a single one does (the standard error of
    a mean, here at its best: faces of one track are alike). So two single faces must reach ``tight_thresh``, and the
    more faces there are on either side, the nearer the limit comes to ``cluster_thresh``.
    """
    extra = tight_thresh - cluster_thresh
    if extra <= 0:
        return np.full(np.broadcast(faces, others).shape, cluster_thresh)
    return cluster_thresh + extra / np.sqrt(faces * others)


def linked_groups(
    similarity: NDArray[np.float64], faces: NDArray[np.int64], *, tight_thresh: float, cluster_thresh: float
) -> NDArray[np.int64]:
    """Group rows by average linkage, two clusters at a time, never across a forbidden pair.

    Tight: the two clusters with the highest mean similarity are merged while it is at least ``tight_thresh``. Every
    track meets every other here, so the limit must hold for the most similar of very many pairs of strangers.

    Bridged: among the few clusters that are left, the two that exceed their `required_similarity` by most are merged
    while any do. Where ``tight_thresh`` is not above ``cluster_thresh``, both are plain average linkage down to
    ``cluster_thresh``.

    Args:
        similarity: (N, N) symmetric, minus infinity for pairs that may not be in one group; is overwritten.
        faces: (N,) number of faces behind each row, at least 1.
        tight_thresh: Limit of the first part.
        cluster_thresh: Limit of the second part for clusters of many faces.

    Returns:
        (N,) for each row the least row of its group. Of equally good merges that of the lowest rows is made first.
    """
    linkage = _Linkage(similarity, faces)
    tight = max(tight_thresh, cluster_thresh)
    linkage.merge(tight, tight)
    linkage.merge(tight, cluster_thresh)
    return linkage.group


class _Linkage:
    """Clusters, each standing in the matrix at its least row, and for each a partner that it fits.

    The best pair of all is always noted at one of its two: a merged cluster looks for its best partner anew, and so
    does who had one of the two that were merged; no other pair changes. N rows therefore take little more than N²
    steps (compare the generic algorithm of Müllner, arXiv:1109.2378).
    """

    def __init__(self, similarity: NDArray[np.float64], faces: NDArray[np.int64]) -> None:
        count = len(similarity)
        self.group = np.arange(count)
        self._similarity = similarity
        np.fill_diagonal(similarity, -np.inf)
        self._size = np.ones(count)
        self._faces = faces.astype(np.float64)
        self._partner = np.zeros(count, np.int64)
        self._margin = np.full(count, -np.inf)
        self._limits = (1.0, 1.0)

    def merge(self, tight_thresh: float, cluster_thresh: float) -> None:
        """Merge while two clusters reach the similarity that is required of them."""
        self._limits = tight_thresh, cluster_thresh
        for row in np.unique(self.group).tolist():
            self._find_partner(row)
        while len(self._margin) and self._margin.max() >= -ROUNDING:
            row = int(self._margin.argmax())
            self._join(*sorted((row, int(self._partner[row]))))

    def _margins(self, row: int) -> NDArray[np.float64]:
        tight_thresh, cluster_thresh = self._limits
        return self._similarity[row] - required_similarity(
            self._faces[row], self._faces, tight_thresh=tight_thresh, cluster_thresh=cluster_thresh
        )

    def _find_partner(self, row: int) -> None:
        margins = self._margins(row)
        self._partner[row] = margins.argmax()
        self._margin[row] = margins[self._partner[row]]

    def _join(self, kept: int, gone: int) -> None:
        """Lance and Williams' update for average linkage, in which minus infinity stays: constraints are inherited."""
        size = self._size[kept], self._size[gone]
        merged = (size[0] * self._similarity[kept] + size[1] * self._similarity[gone]) / sum(size)
        self._similarity[kept] = self._similarity[:, kept] = merged
        self._similarity[gone] = self._similarity[:, gone] = -np.inf
        self._size[kept] = sum(size)
        self._faces[kept] += self._faces[gone]
        self.group[self.group == gone] = kept
        self._margin[gone] = -np.inf
        orphaned = np.isin(self._partner, (kept, gone)) & np.isfinite(self._margin)
        orphaned[kept] = True
        for row in np.flatnonzero(orphaned).tolist():
            self._find_partner(row)
