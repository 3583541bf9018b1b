"""One vector for each track."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.tables import column_of


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to length 1; (N, D) float32 in and out."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)


def pool_tracks(faces: pa.Table, vectors: NDArray[np.float32]) -> tuple[list[str], NDArray[np.float32]]:
    """The quality-weighted mean of the face vectors of each track, scaled to length 1.

    Args:
        faces: Rows of the faces table.
        vectors: (N, 512) float32, row i belongs to face i.

    Returns:
        The tracks that have at least one face, in the order of their ids, and their (T, 512) vectors.
    """
    track_ids, track_of_face = np.unique(
        faces["track_id"].to_numpy().astype(str) if len(faces) else np.empty(0, str), return_inverse=True
    )
    weights = np.maximum(column_of(faces, "quality_score"), np.finfo(np.float32).eps)
    sums = np.zeros((len(track_ids), vectors.shape[1]), np.float64)
    np.add.at(sums, track_of_face, vectors * weights[:, None])
    return track_ids.tolist(), unit_rows(sums.astype(np.float32))
