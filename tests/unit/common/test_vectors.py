import tracemalloc

import numpy as np

from screenalytics_assets.core.common.vectors import row_norms, unit_rows


def test_unit_rows_have_norm_one() -> None:
    rows = unit_rows(np.array([[3, 4], [0, 0.001], [1e-10, 0]], np.float32))
    np.testing.assert_allclose(rows, np.array([[0.6, 0.8], [0, 1], [1, 0]]), rtol=1e-6)
    assert rows.dtype == np.float32


def test_a_row_of_zeros_stays_zero() -> None:
    assert unit_rows(np.zeros((1, 4), np.float32)).tolist() == [[0, 0, 0, 0]]


def test_row_norms_are_exact_and_nan_for_rows_with_a_nan() -> None:
    norms = row_norms(np.array([[3, 4], [0, 0], [np.nan, 1]], np.float32))
    np.testing.assert_array_equal(norms, [5, 0, np.nan])


def test_row_norms_need_no_copy_of_the_vectors() -> None:
    vectors = np.ones((20_000, 512), np.float32)
    tracemalloc.start()
    row_norms(vectors)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < vectors.nbytes / 20
