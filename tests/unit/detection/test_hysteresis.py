import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.detection.hysteresis import (
    MAX_GAP_S,
    MAX_STRONG_GAP_S,
    FrameBoxes,
    confirmed_boxes,
    contained_boxes,
)

STEP_S = 0.125


def shot(*frames: list[tuple[float, bool]], certain: bool = True) -> list[FrameBoxes]:
    """Frames an eighth of a second apart; each face is 100 px wide, given by its left edge and whether it is strong.

    Strong boxes are certain by default.
    """
    return [
        FrameBoxes(
            i * STEP_S,
            np.array([[x, 0, x + 100, 100] for x, _ in faces], np.float32).reshape(-1, 4),
            np.array([strong for _, strong in faces], bool),
            np.array([strong and certain for _, strong in faces], bool),
        )
        for i, faces in enumerate(frames)
    ]


def kept(*frames: list[tuple[float, bool]], certain: bool = True) -> list[list[bool]]:
    return [row.tolist() for row in confirmed_boxes(shot(*frames, certain=certain))]


def test_a_weak_box_after_a_strong_one_is_kept() -> None:
    assert kept([(0, True)], [(10, False)]) == [[True], [True]]


def test_a_chain_of_weak_boxes_before_a_strong_one_is_kept() -> None:
    assert kept([(0, False)], [(40, False)], [(80, True)]) == [[True], [True], [True]]


def test_weak_boxes_alone_are_not_a_face_however_many_there_are() -> None:
    assert kept(*[[(0.0, False)]] * 20) == [[False]] * 20


def test_a_single_uncertain_strong_box_is_a_face_but_confirms_no_weak_box() -> None:
    assert kept([(0, False)], [(0, True)], [(0, False)], certain=False) == [[False], [True], [False]]


def test_two_strong_boxes_confirm_weak_boxes_before_between_and_after_them() -> None:
    found = kept([(0, False)], [(20, True)], [(40, False)], [(60, True)], [(80, False)], certain=False)
    assert found == [[True]] * 5


def test_strong_boxes_in_different_places_do_not_support_each_other() -> None:
    assert kept([(0, True), (300, True)], [(0, False), (300, False)], certain=False) == [[True, True], [False, False]]


def test_strong_boxes_too_far_apart_in_time_are_not_linked() -> None:
    gap: list[list[tuple[float, bool]]] = [[] for _ in range(int(MAX_STRONG_GAP_S / STEP_S) - 1)]
    assert kept([(0, True)], *gap, [(0, True)], [(0, False)], certain=False)[-1] == [True]
    assert kept([(0, True)], *gap, [], [(0, True)], [(0, False)], certain=False)[-1] == [False]


def test_a_weak_box_in_another_place_is_not_kept() -> None:
    assert kept([(0, True)], [(60, False)]) == [[True], [False]]


def test_a_face_is_linked_to_its_strong_box_before_a_weak_one_beside_it() -> None:
    assert kept([(0, True)], [(0, True), (30, False)]) == [[True], [True, False]]


def test_of_two_weak_boxes_the_one_with_more_overlap_is_linked() -> None:
    assert kept([(0, True)], [(40, False), (5, False)]) == [[True], [False, True]]


@pytest.mark.parametrize(("gap", "linked"), [(int(MAX_GAP_S / STEP_S), True), (int(MAX_GAP_S / STEP_S) + 1, False)])
def test_weak_boxes_are_linked_over_a_gap_in_seconds(gap: int, linked: bool) -> None:
    empty: list[list[tuple[float, bool]]] = [[] for _ in range(gap - 1)]
    assert kept([(0, True)], *empty, [(0, False)])[-1] == [linked]


@given(
    st.lists(st.lists(st.tuples(st.floats(0, 400, allow_nan=False), st.booleans()), max_size=4), max_size=6),
    st.booleans(),
)
def test_strong_boxes_are_kept_and_weak_boxes_need_one(frames: list[list[tuple[float, bool]]], certain: bool) -> None:
    forward = shot(*frames, certain=certain)
    for frame, row in zip(forward, confirmed_boxes(forward), strict=True):
        assert row[frame.strong].all()
        assert row.any() or not frame.strong.any()
    if not any(strong for frame in frames for _, strong in frame):
        assert not any(row.any() for row in confirmed_boxes(forward))


def contained(boxes: list[list[int]], scores: list[float]) -> list[bool]:
    rows: NDArray[np.float32] = np.array(boxes, np.float32).reshape(-1, 4)
    found = contained_boxes(rows, np.array(scores, np.float32), confidence_th=0.2, weak_fraction=0.5)
    return [bool(value) for value in found]


FACE = [100, 100, 200, 200]
INSIDE = [150, 150, 190, 190]
BESIDE = [180, 100, 280, 200]


def test_a_poor_box_inside_a_good_one_is_the_same_face() -> None:
    assert contained([FACE, INSIDE], [0.9, 0.3]) == [False, True]
    assert contained([FACE, INSIDE], [0.3, 0.9]) == [True, False]


def test_two_good_boxes_are_two_faces() -> None:
    assert contained([FACE, INSIDE], [0.9, 0.6]) == [False, False]


def test_a_poor_box_beside_a_good_one_is_a_face() -> None:
    assert contained([FACE, BESIDE], [0.9, 0.1]) == [False, False]


def test_of_two_boxes_with_equal_scores_neither_is_contained() -> None:
    assert contained([FACE, FACE], [0.1, 0.1]) == [False, False]


def test_no_boxes_contain_nothing() -> None:
    assert contained([], []) == []
