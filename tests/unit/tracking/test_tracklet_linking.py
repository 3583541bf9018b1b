from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.tracking.track_table import TrackBoxes
from screenalytics_assets.core.tracking.tracklet_linking import link_tracklets
from tests.unit.builders import at_cosine, people

Paths = list[TrackBoxes]
WIDTH = 0.05
"""Of a box, as a fraction of the frame; it is twice as high."""


def path(times_s: NDArray[np.float64], centre: float) -> TrackBoxes:
    """A face that does not move; its centre is across, as a fraction of the frame."""
    box = [centre - WIDTH / 2, 0.4, centre + WIDTH / 2, 0.4 + 2 * WIDTH]
    return TrackBoxes(times_s, np.tile(np.array(box, np.float32), (len(times_s), 1)))


def times(*spans_s: tuple[float, float], centres: Sequence[float] = ()) -> Paths:
    """Detections every quarter of a second, in one place unless their centres are given."""
    places = centres or [0.5] * len(spans_s)
    spans = [np.arange(start, end + 0.01, 0.25) for start, end in spans_s]
    return [path(span, centre) for span, centre in zip(spans, places, strict=True)]


def link(paths: Paths, vectors: NDArray[np.float32], *, min_sim: float = 0.4, max_gap_s: float = 2.0) -> list[int]:
    return link_tracklets(paths, vectors, min_sim=min_sim, max_gap_s=max_gap_s).tolist()


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


@pytest.mark.parametrize(("gap_s", "widths", "groups"), [(0.25, 3.0, [0, 0]), (0.25, 3.1, [0, 1]), (1.0, 10.5, [0, 0])])
def test_a_face_is_linked_to_where_it_can_have_got_in_the_gap(gap_s: float, widths: float, groups: list[int]) -> None:
    paths = times((0, 1), (1 + gap_s, 4), centres=(0.1, 0.1 + widths * WIDTH))
    assert link(paths, people([2], spread=0)) == groups


def test_a_distance_is_measured_in_the_smaller_face() -> None:
    near, far = path(np.array([0.0, 0.25]), 0.1), path(np.array([0.5, 0.75]), 0.1 + 2.9 * WIDTH)
    assert link([near, far], people([2], spread=0)) == [0, 0]
    centre = (far.boxes[:, :2] + far.boxes[:, 2:]) / 2
    smaller = np.concatenate([centre - WIDTH / 4, centre + WIDTH / 4], axis=1).astype(np.float32)
    assert link([near, far._replace(boxes=smaller)], people([2], spread=0)) == [0, 1]


def test_a_face_that_alternates_between_two_far_places_is_two() -> None:
    even, odd = path(np.arange(0, 4, 0.5), 0.2), path(np.arange(0.25, 4, 0.5), 0.8)
    assert link([even, odd], people([2], spread=0)) == [0, 1]
    assert link([even, path(odd.ts_s, 0.2)], people([2], spread=0)) == [0, 0]


def test_a_face_is_linked_to_a_far_place_if_it_was_seen_on_the_way() -> None:
    ends = times((0, 1), (2, 3), centres=(0.1, 0.1 + 16 * WIDTH))
    on_the_way = times((1.25, 1.75), centres=(0.1 + 3 * WIDTH,))[0]
    near_the_end = times((1.25, 1.75), centres=(0.1 + 13.5 * WIDTH,))[0]
    walking = TrackBoxes(on_the_way.ts_s, np.linspace(on_the_way.boxes[0], near_the_end.boxes[0], 3))
    vectors = people([3], spread=0)
    assert link(ends, vectors[:2]) == [0, 1]
    assert link([*ends, walking], vectors) == [0, 0, 0]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4), st.integers(0, 9)), min_size=2, max_size=8))
def test_no_group_moves_faster_than_a_face_can(tracklets: list[tuple[int, int, int]]) -> None:
    spans = [(start / 4, (start + length) / 4) for start, length, _ in tracklets]
    paths = times(*spans, centres=[0.05 + place / 10 for _, _, place in tracklets])
    groups = link(paths, people([len(paths)], spread=0))
    for group in set(groups):
        seen = sorted(
            (ts_s, float(box[0]))
            for own, face in zip(groups, paths, strict=True)
            if own == group
            for ts_s, box in zip(face.ts_s.tolist(), face.boxes, strict=True)
        )
        for (before_s, before), (after_s, after) in pairwise(seen):
            assert abs(after - before) / WIDTH <= 0.5 + 10 * (after_s - before_s) + 0.01


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
        seen_at = np.concatenate([spans[i].ts_s for i in members])
        assert len(seen_at) == len(np.unique(seen_at))
        assert len({tracklets[i][2] for i in members}) == 1
