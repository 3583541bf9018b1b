"""Norms and normalisation of embedding vectors: (N, D) float32, one row a vector."""

import numpy as np
from numpy.typing import NDArray


def row_norms(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Euclidean norm of each row, (N,), without a float64 copy of the vectors."""
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)))


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to norm 1, (N, D) float32; a row of zeros stays as it is."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)
