import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.identity.track_templates import least_similar, pool_tracks
from tests.unit.builders import faces_table, people


def test_the_template_of_a_single_face_is_its_vector() -> None:
    vectors = people([1, 1])
    track_ids, pooled = pool_tracks(faces_table([4, 2], [0.9, 0.1]), vectors)
    assert track_ids == ["track-00003", "track-00005"]
    np.testing.assert_allclose(pooled, vectors[[1, 0]], atol=1e-6)


def test_better_faces_count_more() -> None:
    one_and_other = np.eye(2, 512, dtype=np.float32)
    _, pooled = pool_tracks(faces_table([0, 0], [0.9, 0.3]), one_and_other)
    np.testing.assert_allclose(pooled[0, 0] / pooled[0, 1], 3, rtol=1e-5)


def test_faces_of_quality_0_still_make_a_template() -> None:
    _, pooled = pool_tracks(faces_table([0, 0], [0, 0]), np.eye(2, 512, dtype=np.float32))
    np.testing.assert_allclose(pooled[0, :2], [np.sqrt(0.5)] * 2, rtol=1e-5)


def test_a_face_of_quality_0_hardly_counts_beside_a_good_one() -> None:
    _, pooled = pool_tracks(faces_table([0, 0], [0, 0.8]), np.eye(2, 512, dtype=np.float32))
    np.testing.assert_allclose(pooled[0, :2], [0, 1], atol=1e-5)


def with_a_face_of_another_person(faces: int) -> NDArray[np.float32]:
    """Faces of one person; only the second is of another."""
    return people([faces - 1, 1])[[0, faces - 1, *range(1, faces - 1)]]


@pytest.mark.parametrize(("faces", "pure"), [(3, False), (4, True), (16, True)])
def test_the_least_similar_quarter_is_left_out_of_four_or_more_faces(faces: int, pure: bool) -> None:
    _, pooled = pool_tracks(faces_table([0] * faces, [0.8] * faces), with_a_face_of_another_person(faces))
    assert (pooled[0, 1] < 0.05) == pure


def test_a_quarter_of_another_person_is_left_out_whatever_its_quality() -> None:
    quality = [0.6] * 12 + [0.9] * 4
    _, pooled = pool_tracks(faces_table([0] * 16, quality), people([12, 4]))
    assert pooled[0, 0] > 0.99
    assert pooled[0, 1] < 0.05


def test_of_equally_similar_faces_the_one_of_lowest_quality_is_left_out() -> None:
    _, pooled = pool_tracks(faces_table([0] * 4, [0.9, 0.8, 0.7, 0.9]), np.eye(4, 512, dtype=np.float32))
    assert np.flatnonzero(pooled[0]).tolist() == [0, 1, 3]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]])
def test_of_equally_similar_and_good_faces_the_last_is_left_out_whatever_the_order(order: list[int]) -> None:
    faces, vectors = faces_table([0] * 4, [0.8] * 4), np.eye(4, 512, dtype=np.float32)
    _, pooled = pool_tracks(faces.take(order), vectors[order])
    assert np.flatnonzero(pooled[0]).tolist() == [0, 1, 2]


@given(st.integers(1, 40), st.integers(0, 100))
def test_exactly_a_quarter_rounded_down_is_left_out(faces: int, seed: int) -> None:
    vectors = people([faces], spread=3, seed=seed)
    assert least_similar(vectors, np.ones(faces, np.float32)).sum() == faces // 4


@given(st.lists(st.integers(0, 3), min_size=1, max_size=24), st.integers(0, 9), st.data())
@settings(max_examples=50)
def test_each_track_with_faces_has_one_unit_vector_and_the_order_of_the_faces_changes_no_bit(
    tracks: list[int], seed: int, data: st.DataObject
) -> None:
    quality = data.draw(st.lists(st.floats(0, 1, width=32), min_size=len(tracks), max_size=len(tracks)))
    order = data.draw(st.permutations(range(len(tracks))))
    vectors = people([len(tracks)], seed=seed)
    faces = faces_table(tracks, quality)
    track_ids, pooled = pool_tracks(faces, vectors)
    assert track_ids == [f"track-{track + 1:05d}" for track in sorted(set(tracks))]
    np.testing.assert_allclose(np.linalg.norm(pooled, axis=1), 1, atol=1e-5)
    shuffled_ids, shuffled = pool_tracks(faces.take(order), vectors[list(order)])
    assert shuffled_ids == track_ids
    np.testing.assert_array_equal(shuffled, pooled)


def test_no_faces_give_an_empty_array_of_the_right_width() -> None:
    track_ids, pooled = pool_tracks(faces_table([], []), np.zeros((0, 512), np.float32))
    assert track_ids == []
    assert pooled.shape == (0, 512)
