import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from screenalytics_assets.core.pooling import pool_tracks, unit_rows
from tests.unit.builders import faces_table, people


def test_rows_are_scaled_to_length_one() -> None:
    rows = unit_rows(np.array([[3, 4], [0, 0.001], [1e-10, 0]], np.float32))
    np.testing.assert_allclose(rows, np.array([[0.6, 0.8], [0, 1], [1, 0]]), rtol=1e-6)
    assert rows.dtype == np.float32


def test_a_row_of_zeros_stays_what_it_is() -> None:
    assert unit_rows(np.zeros((1, 4), np.float32)).tolist() == [[0, 0, 0, 0]]


def test_a_single_face_stands_for_its_track() -> None:
    vectors = people([1, 1])
    track_ids, pooled = pool_tracks(faces_table([4, 2], [0.9, 0.1]), vectors)
    assert track_ids == ["track-00003", "track-00005"]
    np.testing.assert_allclose(pooled, vectors[[1, 0]], atol=1e-6)


def test_better_faces_count_more() -> None:
    one_and_other = np.eye(2, 512, dtype=np.float32)
    _, pooled = pool_tracks(faces_table([0, 0], [0.9, 0.3]), one_and_other)
    np.testing.assert_allclose(pooled[0, 0] / pooled[0, 1], 3, rtol=1e-5)


def test_faces_of_no_quality_at_all_still_stand_for_their_track() -> None:
    _, pooled = pool_tracks(faces_table([0, 0], [0, 0]), np.eye(2, 512, dtype=np.float32))
    np.testing.assert_allclose(pooled[0, :2], [np.sqrt(0.5)] * 2, rtol=1e-5)


def test_a_face_of_no_quality_hardly_counts_beside_a_good_one() -> None:
    _, pooled = pool_tracks(faces_table([0, 0], [0, 0.8]), np.eye(2, 512, dtype=np.float32))
    np.testing.assert_allclose(pooled[0, :2], [0, 1], atol=1e-5)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.data())
@settings(max_examples=50)
def test_each_track_with_faces_has_one_unit_vector_whatever_the_order_of_the_faces(
    tracks: list[int], data: st.DataObject
) -> None:
    quality = data.draw(st.lists(st.floats(0, 1, width=32), min_size=len(tracks), max_size=len(tracks)))
    order = data.draw(st.permutations(range(len(tracks))))
    vectors = people([len(tracks)])
    track_ids, pooled = pool_tracks(faces_table(tracks, quality), vectors)
    assert track_ids == [f"track-{track + 1:05d}" for track in sorted(set(tracks))]
    np.testing.assert_allclose(np.linalg.norm(pooled, axis=1), 1, atol=1e-5)
    shuffled_ids, shuffled = pool_tracks(
        faces_table([tracks[i] for i in order], [quality[i] for i in order]), vectors[list(order)]
    )
    assert shuffled_ids == track_ids
    np.testing.assert_allclose(shuffled, pooled, atol=1e-6)


def test_no_faces_give_no_vectors_of_the_right_width() -> None:
    track_ids, pooled = pool_tracks(faces_table([], []), np.zeros((0, 512), np.float32))
    assert track_ids == []
    assert pooled.shape == (0, 512)
