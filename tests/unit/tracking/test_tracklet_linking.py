import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.tracking.tracklet_linking import link_tracklets
from tests.unit.builders import at_cosine, people

Times = list[NDArray[np.float64]]


def times(*spans_s: tuple[float, float]) -> Times:
    """Detections every quarter of a second."""
    return [np.arange(start, end + 0.01, 0.25) for start, end in spans_s]


def link(times_s: Times, vectors: NDArray[np.float32], *, min_sim: float = 0.4, max_gap_s: float = 2.0) -> list[int]:
    return link_tracklets(times_s, vectors, min_sim=min_sim, max_gap_s=max_gap_s).tolist()


def test_two_faces_that_swapped_tracks_are_linked_across_the_swap() -> None:
    swapped = times((0, 2), (2.25, 5), (0, 2), (2.25, 5))
    penny, amy = people([2, 2])[:2], people([2, 2])[2:]
    assert link(swapped, np.stack([penny[0], amy[0], amy[1], penny[1]])) == [0, 1, 1, 0]


def test_a_face_that_returns_after_another_is_linked_across_it() -> None:
    vectors = people([2, 1])
    assert link(times((0, 1), (2.5, 4), (1.25, 2.25)), vectors) == [0, 0, 2]


@pytest.mark.parametrize(("gap_s", "groups"), [(0.25, [0, 0]), (2.0, [0, 0]), (2.25, [0, 1])])
def test_a_gap_up_to_the_limit_is_bridged(gap_s: float, groups: list[int]) -> None:
    assert link(times((0, 1), (1 + gap_s, 4)), people([2])) == groups
    assert link(times((0, 1), (1 + gap_s, 4)), people([2]), max_gap_s=10) == [0, 0]


def test_two_faces_in_one_frame_are_never_linked() -> None:
    twins = people([3], spread=0)
    assert link(times((0, 1), (1, 2)), twins[:2]) == [0, 1]
    groups = link(times((0, 1), (1.25, 2), (1, 1.5)), twins)
    assert groups[1] != groups[2]


@pytest.mark.parametrize(("similarity", "groups"), [(0.41, [0, 0]), (0.39, [0, 1])])
def test_only_similar_tracklets_are_linked(similarity: float, groups: list[int]) -> None:
    assert link(times((0, 1), (1.5, 2)), at_cosine(similarity)) == groups


def test_a_tracklet_without_a_vector_stays_alone() -> None:
    vectors = people([3])
    vectors[1] = 0
    assert link(times((0, 1), (1.25, 2), (2.25, 3)), vectors) == [0, 1, 0]


def test_the_length_of_the_sums_does_not_matter_to_the_first_pair() -> None:
    vectors = people([2]) * np.array([[0.01], [90]], np.float32)
    assert link(times((0, 1), (1.5, 2)), vectors) == [0, 0]


@given(st.permutations(range(7)), st.integers(0, 100))
def test_the_order_of_the_tracklets_changes_nothing(order: list[int], seed: int) -> None:
    spans = times((0, 1), (0, 2), (1.25, 3), (2.25, 4), (3.5, 5), (4.25, 6), (9, 10))
    vectors = people([3, 2, 2], seed=seed)[[0, 3, 5, 1, 4, 2, 6]]

    def parts(groups: list[int], names: list[int]) -> set[frozenset[int]]:
        return {frozenset(n for n, g in zip(names, groups, strict=True) if g == group) for group in groups}

    plain = link(spans, vectors)
    shuffled = link([spans[i] for i in order], vectors[order])
    assert parts(shuffled, order) == parts(plain, list(range(7)))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 8), st.integers(0, 2)), min_size=1, max_size=12))
def test_no_group_has_two_faces_in_one_frame_or_two_people(tracklets: list[tuple[int, int, int]]) -> None:
    spans = times(*((start / 4, (start + length) / 4) for start, length, _ in tracklets))
    vectors = people([1, 1, 1])[[person for _, _, person in tracklets]]
    groups = link(spans, vectors)
    for group in set(groups):
        members = [i for i, own in enumerate(groups) if own == group]
        seen_at = np.concatenate([spans[i] for i in members])
        assert len(seen_at) == len(np.unique(seen_at))
        assert len({tracklets[i][2] for i in members}) == 1
