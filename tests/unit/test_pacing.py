from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.pacing import PATCH_PX, Scene, is_unchanged, paced_looks

REST, STRIDE = 9, 3


class SimulatedFrame(NamedTuple):
    number: int
    position: int
    is_last: bool
    is_usable: bool
    faces: int


def shot(states: Sequence[int], *, start: int = 0, broken: frozenset[int] = frozenset()) -> list[SimulatedFrame]:
    """A shot in which so many faces are there on each frame."""
    return [
        SimulatedFrame(start + i, i, i == len(states) - 1, i not in broken, faces) for i, faces in enumerate(states)
    ]


def scene_of(frame: SimulatedFrame) -> Scene:
    return scene([[200.0 * i, 0.0, 200.0 * i + 100, 100.0] for i in range(frame.faces)])


def scene(boxes_px: list[list[float]], gray: int | NDArray[np.uint8] = 100) -> Scene:
    boxes = np.array(boxes_px, np.float32).reshape(-1, 4)
    patch = np.broadcast_to(np.asarray(gray, np.uint8), (PATCH_PX, PATCH_PX))
    return Scene(boxes, np.repeat(patch[None], len(boxes), axis=0))


def looks(frames: list[SimulatedFrame], *, stride: int = STRIDE, rest: int = REST) -> list[int]:
    return [frame.number for frame in paced_looks(frames, lambda frame: frame, scene_of, stride=stride, rest=rest)]


def test_where_nothing_changes_few_frames_are_looked_at() -> None:
    assert looks(shot([1] * 40)) == [0, 9, 18, 27, 36, 39]


def test_a_face_that_comes_is_found_to_the_stride() -> None:
    found = looks(shot([1] * 20 + [2] * 20))
    assert found == [0, 9, 18, 21, 24, 27, 36, 39] or found == [0, 9, 18, 21, 27, 36, 39]


def test_with_rest_equal_to_stride_every_frame_of_the_stride_is_looked_at() -> None:
    assert looks(shot([1] * 20), rest=STRIDE) == [*range(0, 20, 3), 19]


def test_looks_of_two_shots_are_not_compared() -> None:
    frames = [*shot([1] * 10), *shot([2] * 10, start=10)]
    assert looks(frames) == [0, 9, 10, 19]


def test_an_unusable_frame_is_passed_over_for_the_next() -> None:
    assert looks(shot([1] * 20, broken=frozenset({0, 1, 10}))) == [2, 11, 19]
    assert looks(shot([1] * 4, broken=frozenset(range(4)))) == []


def test_a_face_that_moves_on_or_grows_is_another_place() -> None:
    here = scene([[0, 0, 100, 100]])
    assert is_unchanged(here, scene([[20, 0, 120, 100]]))
    assert not is_unchanged(here, scene([[60, 0, 160, 100]]))
    assert not is_unchanged(here, scene([[0, 0, 200, 200]]))


def test_another_face_in_the_same_place_is_a_change() -> None:
    light = np.zeros((PATCH_PX, PATCH_PX), np.uint8)
    light[:8] = 220
    assert not is_unchanged(scene([[0, 0, 100, 100]], light), scene([[0, 0, 100, 100]], light[::-1]))
    assert is_unchanged(scene([[0, 0, 100, 100]], light), scene([[0, 0, 100, 100]], light - light // 12))


def test_the_order_of_the_faces_changes_nothing() -> None:
    boxes = [[0.0, 0, 100, 100], [300.0, 0, 400, 100], [600.0, 0, 700, 100]]
    assert is_unchanged(scene(boxes), scene(boxes[::-1]))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40)), min_size=1, max_size=6),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_whatever_lasts_as_long_as_the_rest_is_seen_and_its_ends_are_known_to_the_stride(
    pieces: list[tuple[int, int]], stride: int, steps: int
) -> None:
    states = [faces for faces, length in pieces for _ in range(length)]
    rest = stride * steps
    found = looks(shot(states), stride=stride, rest=rest)
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (0, len(states) - 1)
    assert max(np.diff(found), default=0) <= rest
    for before, after in pairwise(found):
        assert states[before] == states[after] or after - before < 2 * stride


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.sets(st.integers(0, 59)))
def test_no_frame_is_looked_at_twice_and_none_that_is_broken(states: list[int], broken: set[int]) -> None:
    frames = shot(states, broken=frozenset(broken))
    found = looks(frames)
    assert len(found) == len(set(found))
    assert not set(found) & broken
    assert found == sorted(found)
