"""Track templates: one vector for each track."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.common.vectors import unit_rows

TRIMMED_FRACTION = 0.25
"""Share of a track's faces that the mean leaves out, rounded down: none of fewer than four faces.

A trimmed mean tolerates as large a share of wrong values as it leaves out (its breakdown point: Huber, Robust
Statistics, 1981). A quarter also keeps enough poses and expressions that faces of other tracks may resemble.
"""


def pool_tracks(faces: pa.Table, vectors: NDArray[np.float32]) -> tuple[list[str], NDArray[np.float32]]:
    """The quality-weighted, trimmed mean of the face vectors of each track, scaled to length 1.

    Args:
        faces: Rows of the faces table, in any order.
        vectors: (N, 512) float32, row i belongs to face i.

    Returns:
        The tracks that have at least one face, in the order of their ids, and their (T, 512) vectors.
    """
    face_ids = faces["face_id"].to_numpy().astype(str) if len(faces) else np.empty(0, str)
    track_of_face = faces["track_id"].to_numpy().astype(str) if len(faces) else np.empty(0, str)
    order = np.lexsort((face_ids, track_of_face))
    track_ids, firsts = np.unique(track_of_face[order], return_index=True)
    weights = np.maximum(column_of(faces, "quality_score"), np.finfo(np.float32).eps)
    rows_of_tracks = np.split(order, firsts[1:]) if len(track_ids) else []
    pooled = np.zeros((len(track_ids), vectors.shape[1]), np.float64)
    for track, rows in enumerate(rows_of_tracks):
        kept = rows[~least_similar(vectors[rows], weights[rows])]
        pooled[track] = weights[kept].astype(np.float64) @ vectors[kept]
    return track_ids.tolist(), unit_rows(pooled.astype(np.float32))


def least_similar(vectors: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Faces that the mean leaves out: the `TRIMMED_FRACTION` that is least similar to the other faces of the track.

    A face is compared with the quality-weighted sum of the others. All vectors have length 1, so a single face does not
    move that sum far: it is a robust centre as long as most faces show one person.

    Args:
        vectors: (N, D) float32, unit rows.
        weights: (N,), positive.

    Returns:
        (N,) bool; of equally similar faces the one of lower quality is left out, then the later one.
    """
    weighted = vectors.astype(np.float64) * weights[:, None]
    others = weighted.sum(0) - weighted
    similarity = np.einsum("ij,ij->i", vectors, others) / np.maximum(
        np.linalg.norm(others, axis=1), np.finfo(np.float64).tiny
    )
    left_out = np.zeros(len(vectors), bool)
    worst_first = np.lexsort((-np.arange(len(vectors)), weights, similarity))
    left_out[worst_first[: int(TRIMMED_FRACTION * len(vectors))]] = True
    return left_out
