import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.detection.hysteresis import (
    MAX_GAP_S,
    SEEN_AGAIN_S,
    FrameBoxes,
    continued_faces,
    repeated_faces,
)

STEP_S = 0.125


def shot(*frames: list[tuple[float, bool]], sure: bool = True) -> list[FrameBoxes]:
    """Frames an eighth of a second apart; each face is 100 px wide and said by where it begins and if it is strong.

    Strong ones are sure unless said otherwise.
    """
    return [
        FrameBoxes(
            i * STEP_S,
            np.array([[x, 0, x + 100, 100] for x, _ in faces], np.float32).reshape(-1, 4),
            np.array([strong for _, strong in faces], bool),
            np.array([strong and sure for _, strong in faces], bool),
        )
        for i, faces in enumerate(frames)
    ]


def kept(*frames: list[tuple[float, bool]], sure: bool = True) -> list[list[bool]]:
    return [row.tolist() for row in continued_faces(shot(*frames, sure=sure))]


def test_a_weak_box_after_a_strong_one_is_kept() -> None:
    assert kept([(0, True)], [(10, False)]) == [[True], [True]]


def test_weak_boxes_before_a_strong_one_are_kept_one_by_one() -> None:
    assert kept([(0, False)], [(40, False)], [(80, True)]) == [[True], [True], [True]]


def test_weak_boxes_alone_are_no_face_however_many_there_are() -> None:
    assert kept(*[[(0.0, False)]] * 20) == [[False]] * 20


def test_what_is_strong_once_and_not_sure_continues_nothing_but_is_a_face_itself() -> None:
    assert kept([(0, False)], [(0, True)], [(0, False)], sure=False) == [[False], [True], [False]]


def test_what_is_strong_twice_is_continued_before_between_and_after() -> None:
    found = kept([(0, False)], [(20, True)], [(40, False)], [(60, True)], [(80, False)], sure=False)
    assert found == [[True]] * 5


def test_two_faces_in_different_places_do_not_vouch_for_each_other() -> None:
    assert kept([(0, True), (300, True)], [(0, False), (300, False)], sure=False) == [[True, True], [False, False]]


def test_a_face_that_is_away_for_too_long_is_another_one() -> None:
    away: list[list[tuple[float, bool]]] = [[] for _ in range(int(SEEN_AGAIN_S / STEP_S) - 1)]
    assert kept([(0, True)], *away, [(0, True)], [(0, False)], sure=False)[-1] == [True]
    assert kept([(0, True)], *away, [], [(0, True)], [(0, False)], sure=False)[-1] == [False]


def test_a_weak_box_elsewhere_is_not_kept() -> None:
    assert kept([(0, True)], [(60, False)]) == [[True], [False]]


def test_a_face_that_is_there_is_continued_by_its_strong_box_and_not_by_a_weak_one_beside_it() -> None:
    assert kept([(0, True)], [(0, True), (30, False)]) == [[True], [True, False]]


def test_of_two_weak_boxes_the_nearer_one_continues_the_face() -> None:
    assert kept([(0, True)], [(40, False), (5, False)]) == [[True], [False, True]]


@pytest.mark.parametrize(("gap", "goes_on"), [(int(MAX_GAP_S / STEP_S), True), (int(MAX_GAP_S / STEP_S) + 1, False)])
def test_a_face_is_continued_over_a_gap_in_seconds(gap: int, goes_on: bool) -> None:
    empty: list[list[tuple[float, bool]]] = [[] for _ in range(gap - 1)]
    assert kept([(0, True)], *empty, [(0, False)])[-1] == [goes_on]


@given(
    st.lists(st.lists(st.tuples(st.floats(0, 400, allow_nan=False), st.booleans()), max_size=4), max_size=6),
    st.booleans(),
)
def test_strong_boxes_are_kept_and_time_has_no_direction(frames: list[list[tuple[float, bool]]], sure: bool) -> None:
    forward = shot(*frames, sure=sure)
    for frame, row in zip(forward, continued_faces(forward), strict=True):
        assert row[frame.strong].all()
        assert row.any() or not frame.strong.any()
    if not any(strong for frame in frames for _, strong in frame):
        assert not any(row.any() for row in continued_faces(forward))


def repeated(boxes: list[list[int]], scores: list[float]) -> list[bool]:
    rows: NDArray[np.float32] = np.array(boxes, np.float32).reshape(-1, 4)
    found = repeated_faces(rows, np.array(scores, np.float32), confidence_th=0.2, weak_fraction=0.5)
    return [bool(value) for value in found]


FACE = [100, 100, 200, 200]
INSIDE = [150, 150, 190, 190]
BESIDE = [180, 100, 280, 200]


def test_a_poor_box_inside_a_good_one_is_the_same_face() -> None:
    assert repeated([FACE, INSIDE], [0.9, 0.3]) == [False, True]
    assert repeated([FACE, INSIDE], [0.3, 0.9]) == [True, False]


def test_two_good_boxes_are_two_faces() -> None:
    assert repeated([FACE, INSIDE], [0.9, 0.6]) == [False, False]


def test_a_poor_box_beside_a_good_one_is_a_face() -> None:
    assert repeated([FACE, BESIDE], [0.9, 0.1]) == [False, False]


def test_of_two_equally_poor_boxes_none_is_taken_for_the_other() -> None:
    assert repeated([FACE, FACE], [0.1, 0.1]) == [False, False]


def test_no_boxes_repeat_nothing() -> None:
    assert repeated([], []) == []
