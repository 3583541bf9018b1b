"""Average linkage with cannot-link constraints and a threshold that depends on the number of faces."""

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-6
"""Precision of cosines of float32 vectors. Two clusters whose similarity equals the threshold are merged."""


def required_similarity(
    faces: NDArray[np.float64], others: NDArray[np.float64], *, tight_thresh: float, cluster_thresh: float
) -> NDArray[np.float64]:
    """Minimum mean similarity at which two clusters are merged in the second pass, by their numbers of faces.

    ``cluster_thresh + (tight_thresh - cluster_thresh) / sqrt(faces · others)``: the similarity of two clusters is a
    mean over ``faces · others`` comparisons, and the standard error of a mean over n is 1/sqrt(n) of that of a single
    comparison (at best: the faces of a track are correlated). Two single faces must reach ``tight_thresh``; the more
    faces there are on either side, the closer the limit is to ``cluster_thresh``.
    """
    extra = tight_thresh - cluster_thresh
    if extra <= 0:
        return np.full(np.broadcast(faces, others).shape, cluster_thresh)
    return cluster_thresh + extra / np.sqrt(faces * others)


def linked_groups(
    similarity: NDArray[np.float64], faces: NDArray[np.int64], *, tight_thresh: float, cluster_thresh: float
) -> NDArray[np.int64]:
    """Group rows by average linkage without ever merging a cannot-link pair.

    First pass: the two clusters with the highest mean similarity are merged while it is at least ``tight_thresh``. All
    pairs of tracks are compared here, so the threshold must exclude the most similar of very many pairs of different
    people.

    Second pass: of the few clusters left, the two that exceed their `required_similarity` by most are merged while any
    two exceed it. Where ``tight_thresh`` is not above ``cluster_thresh``, both passes together are plain average
    linkage down to ``cluster_thresh``.

    Args:
        similarity: (N, N) symmetric, minus infinity for cannot-link pairs; overwritten, since it is large.
        faces: (N,) number of faces behind each row, at least 1.
        tight_thresh: Threshold of the first pass.
        cluster_thresh: Threshold of the second pass for clusters of many faces.

    Returns:
        (N,) for each row the lowest row of its group. Of equally good merges that of the lowest rows is made first.
    """
    linkage = _Linkage(similarity, faces)
    tight = max(tight_thresh, cluster_thresh)
    linkage.merge(tight, tight)
    linkage.merge(tight, cluster_thresh)
    return linkage.group


class _Linkage:
    """Clusters, each kept in the matrix at its lowest row, with a candidate for its best merge.

    The best pair of all is always the candidate of one of its two clusters: after a merge the new cluster searches its
    best partner again, and so does each cluster whose partner was one of the two; no other pair changes. So N rows take
    little more than N² steps (see the generic algorithm of Müllner, arXiv:1109.2378).
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
        """Merge the best pair while its similarity is at least the required one."""
        self._limits = tight_thresh, cluster_thresh
        for row in np.unique(self.group).tolist():
            self._find_partner(row)
        while len(self._margin) and self._margin.max() >= -ROUNDING:
            row = int(self._margin.argmax())
            self._merge_pair(*sorted((row, int(self._partner[row]))))

    def _margins(self, row: int) -> NDArray[np.float64]:
        tight_thresh, cluster_thresh = self._limits
        return self._similarity[row] - required_similarity(
            self._faces[row], self._faces, tight_thresh=tight_thresh, cluster_thresh=cluster_thresh
        )

    def _find_partner(self, row: int) -> None:
        margins = self._margins(row)
        self._partner[row] = margins.argmax()
        self._margin[row] = margins[self._partner[row]]

    def _merge_pair(self, kept: int, gone: int) -> None:
        """Lance-Williams update for average linkage; minus infinity stays, so clusters inherit cannot-link pairs."""
        size = self._size[kept], self._size[gone]
        merged = (size[0] * self._similarity[kept] + size[1] * self._similarity[gone]) / sum(size)
        self._similarity[kept] = self._similarity[:, kept] = merged
        self._similarity[gone] = self._similarity[:, gone] = -np.inf
        self._size[kept] = sum(size)
        self._faces[kept] += self._faces[gone]
        self.group[self.group == gone] = kept
        self._margin[gone] = -np.inf
        outdated = np.isin(self._partner, (kept, gone)) & np.isfinite(self._margin)
        outdated[kept] = True
        for row in np.flatnonzero(outdated).tolist():
            self._find_partner(row)
