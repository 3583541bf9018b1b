from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from resources.system.overlap import overlapping
from screenalytics_assets.core.detection.adaptive_sampling import (
    MAX_FACE_CHANGE,
    PATCH_PX,
    InOrder,
    Scene,
    is_unchanged,
    picture_change,
    sample_adaptively,
    scene_of,
)
from screenalytics_assets.core.video.shot_stream import ShotFrame

REST, STRIDE = 9, 3
FPS = 24


@dataclass(frozen=True)
class SimulatedFrame:
    index: int
    is_corrupt: bool
    faces: int

    @property
    def ts_s(self) -> float:
        return self.index / FPS

    def bgr(self) -> NDArray[np.uint8]:
        raise AssertionError("a simulated frame has no picture")

    def small_bgr(self, width: int, height: int) -> NDArray[np.uint8]:
        raise AssertionError(f"a simulated frame has no picture of {width} by {height}")


class SimulatedLook(NamedTuple):
    number: int
    ts_s: float
    closely: bool
    scene: Scene


def shot(
    states: Sequence[int], *, start: int = 0, broken: frozenset[int] = frozenset(), bright: frozenset[int] = frozenset()
) -> list[ShotFrame]:
    """A shot in which so many faces are there on each frame, and something bright in the corner of some."""
    found = []
    for i, faces in enumerate(states):
        small_bgr = np.full((36, 64, 3), 60, np.uint8)
        small_bgr[0, 0] = 200 if i in bright else 60
        found.append(
            ShotFrame(SimulatedFrame(start + i, i in broken, faces), small_bgr, int(start > 0), i, i == len(states) - 1)
        )
    return found


def scene(boxes_px: list[list[float]], gray: int | NDArray[np.uint8] = 100, *, strong: bool = True) -> Scene:
    boxes = np.array(boxes_px, np.float32).reshape(-1, 4)
    patch = np.broadcast_to(np.asarray(gray, np.uint8), (PATCH_PX, PATCH_PX))
    return Scene(boxes, np.full(len(boxes), strong), np.repeat(patch[None], len(boxes), axis=0))


def look(shot_frame: ShotFrame, closely: bool) -> SimulatedLook:
    frame = shot_frame.frame
    assert isinstance(frame, SimulatedFrame)
    assert not frame.is_corrupt
    faces = scene([[200.0 * i, 0.0, 200.0 * i + 100, 100.0] for i in range(frame.faces)])
    return SimulatedLook(frame.index, frame.ts_s, closely, faces)


def paced(
    frames: list[ShotFrame],
    *,
    stride: int = STRIDE,
    rest: int = REST,
    halvings: int = 0,
    close_s: float = 4.0,
    in_order: InOrder = map,
) -> list[SimulatedLook]:
    return list(
        sample_adaptively(
            frames,
            look,
            stride=stride,
            rest=rest,
            halvings=halvings,
            close_look_interval_s=close_s,
            in_order=in_order,
        )
    )


def looks(frames: list[ShotFrame], *, stride: int = STRIDE, rest: int = REST, halvings: int = 0) -> list[int]:
    return [found.number for found in paced(frames, stride=stride, rest=rest, halvings=halvings)]


def test_where_nothing_changes_few_frames_are_looked_at() -> None:
    assert looks(shot([1] * 40)) == [0, 9, 18, 27, 36, 39]


def test_around_a_face_that_comes_or_goes_each_frame_of_the_stride_is_looked_at() -> None:
    assert looks(shot([1] * 20 + [2] * 40)) == [0, 9, 12, 15, 18, 21, 24, 27, 36, 45, 54, 59]
    assert looks(shot([1] * 20 + [0] * 40)) == [0, 9, 18, 21, 24, 27, 30, 33, 36, 45, 54, 59]


def test_a_long_way_is_halved_and_only_its_changed_half_is_looked_at_densely() -> None:
    bright = frozenset({30})
    assert looks(shot([1] * 97, bright=bright), rest=24) == [0, *range(24, 49, 3), 72, 96]
    assert looks(shot([1] * 97, bright=bright), rest=24, halvings=1) == [0, 24, 27, 30, 33, 36, 48, 72, 96]
    assert looks(shot([1] * 97, bright=bright), rest=24, halvings=2) == [0, 24, 30, 36, 48, 72, 96]


def test_where_a_box_too_weak_to_be_sure_of_comes_or_goes_every_frame_is_looked_at() -> None:
    doubtful = {40, 44}

    def unsure(shot_frame: ShotFrame, closely: bool) -> SimulatedLook:
        seen = look(shot_frame, closely)
        weak = scene([[600.0, 0, 700, 100]], strong=False)
        return seen._replace(scene=weak) if seen.number in doubtful else seen

    def numbers(frames: list[ShotFrame]) -> list[int]:
        found = sample_adaptively(
            frames, unsure, stride=4, rest=24, halvings=1, close_look_interval_s=4.0, in_order=map
        )
        return [seen.number for seen in found]

    assert numbers(shot([0] * 97)) == [0, 24, 48, 72, 96], "what nobody looks at is not known"
    without = numbers(shot([0] * 97, bright=frozenset({30})))
    doubtful.add(36)
    with_doubt = numbers(shot([0] * 97, bright=frozenset({30})))
    assert not {33, 34, 35, 45, 46, 47} & set(without)
    assert {33, 34, 35, 45, 46, 47} < set(with_doubt), "where it comes and goes"
    assert not {37, 38, 39, 41, 42, 43} & set(with_doubt), "not where it stays"


def test_looks_are_as_many_where_the_decoder_leaves_frames_out() -> None:
    frames = shot([1] * 97)
    every_second = [frame for frame in frames if frame.frame.index % 2 == 0]
    assert looks(every_second, rest=3) == [*(i + i % 2 for i in range(0, 96, 3)), 96]
    assert looks(every_second, rest=9) == [*(i + i % 2 for i in range(0, 96, 9)), 96]


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
    assert is_unchanged(here, scene([[20, 0, 120, 100]]), gap_s=0.5)
    assert not is_unchanged(here, scene([[60, 0, 160, 100]]), gap_s=0.5)
    assert not is_unchanged(here, scene([[0, 0, 200, 200]]), gap_s=0.5)


def test_another_face_in_the_same_place_is_a_change() -> None:
    light = np.zeros((PATCH_PX, PATCH_PX), np.uint8)
    light[:8] = 220
    assert not is_unchanged(scene([[0, 0, 100, 100]], light), scene([[0, 0, 100, 100]], light[::-1]), gap_s=0.5)
    assert is_unchanged(scene([[0, 0, 100, 100]], light), scene([[0, 0, 100, 100]], light - light // 12), gap_s=0.5)


@given(arrays(np.uint8, (2, 3, 8, 8)), st.integers(0, 60))
def test_the_change_of_a_picture_is_none_to_itself_the_same_both_ways_and_at_most_one(
    pictures: NDArray[np.uint8], brighter: int
) -> None:
    before, after = pictures
    change = picture_change(before, after)
    assert ((change >= 0) & (change <= 1)).all()
    assert np.allclose(change, picture_change(after, before), atol=1e-5)
    assert np.allclose(picture_change(before, before), 0)
    assert np.allclose(picture_change(before // 4, before // 4 + np.uint8(brighter)), 0, atol=1e-5)


def test_half_the_light_changes_a_picture_less_than_another_face_does() -> None:
    rng = np.random.default_rng(3)
    faces = rng.integers(20, 220, (2, 1, PATCH_PX, PATCH_PX), dtype=np.uint8)
    assert picture_change(faces[0], faces[0] // 2)[0] < 0.05
    assert picture_change(*faces)[0] > 2 * MAX_FACE_CHANGE
    dim = faces // 12
    assert picture_change(*dim)[0] > MAX_FACE_CHANGE, "two faces in the dark are two faces"


def test_the_order_of_the_faces_changes_nothing() -> None:
    boxes = [[0.0, 0, 100, 100], [300.0, 0, 400, 100], [600.0, 0, 700, 100]]
    assert is_unchanged(scene(boxes), scene(boxes[::-1]), gap_s=0.5)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40)), min_size=1, max_size=6),
    st.integers(1, 4),
    st.integers(1, 8),
    st.integers(0, 2),
)
def test_whatever_lasts_as_long_as_the_rest_is_seen_and_its_ends_are_known_to_the_stride(
    pieces: list[tuple[int, int]], stride: int, steps: int, halvings: int
) -> None:
    states = [faces for faces, length in pieces for _ in range(length)]
    rest = stride * steps
    found = looks(shot(states), stride=stride, rest=rest, halvings=halvings)
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (0, len(states) - 1)
    assert max(np.diff(found), default=0) <= rest
    for before, after in pairwise(found):
        assert states[before] == states[after] or after - before < 2 * stride


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.sets(st.integers(0, 59)), st.integers(0, 2))
def test_no_frame_is_looked_at_twice_and_none_that_is_broken(
    states: list[int], broken: set[int], halvings: int
) -> None:
    frames = shot(states, broken=frozenset(broken))
    found = looks(frames, halvings=halvings)
    assert len(found) == len(set(found))
    assert not set(found) & broken
    assert found == sorted(found)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 4), st.integers(1, 8), st.integers(0, 2))
def test_looks_are_the_same_when_several_are_taken_at_once(
    states: list[int], stride: int, steps: int, halvings: int
) -> None:
    frames = [*shot(states), *shot(states[::-1], start=len(states))]
    with overlapping(3) as in_order:
        at_once = paced(frames, stride=stride, rest=stride * steps, halvings=halvings, in_order=in_order)
    one_by_one = paced(frames, stride=stride, rest=stride * steps, halvings=halvings)
    assert [(found.number, found.closely) for found in at_once] == [
        (found.number, found.closely) for found in one_by_one
    ]


def test_close_looks_are_the_first_of_a_shot_and_one_each_interval() -> None:
    frames = [*shot([1] * 60), *shot([1] * 20, start=60)]
    assert [found.number for found in paced(frames, close_s=1.0) if found.closely] == [0, 24, 48, 60]


def test_a_box_too_weak_to_be_a_face_explains_one_that_fades_and_alone_may_be_one() -> None:
    box = [[0.0, 0, 100, 100]]
    assert is_unchanged(scene(box), scene(box, strong=False), gap_s=0.5)
    assert is_unchanged(scene(box, strong=False), scene(box), gap_s=0.5)
    assert not is_unchanged(scene(box, strong=False), scene(box, strong=False), gap_s=0.5)
    assert not is_unchanged(scene([]), scene(box, strong=False), gap_s=0.5)
    assert not is_unchanged(scene(box), scene([]), gap_s=0.5)


def test_a_scene_holds_the_gray_picture_of_each_face() -> None:
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[10:50, 20:60] = 200
    boxes = np.array([[20, 10, 60, 50], [100, 10, 140, 50], [159.9, 89.9, 160, 90]], np.float32)
    found = scene_of(picture, boxes, np.array([True, True, False]))
    assert found.patches.mean((1, 2)).tolist() == [200, 0, 0]
    assert found.strong.tolist() == [True, True, False]


def test_what_only_the_frames_between_two_looks_show_is_looked_at() -> None:
    assert looks(shot([1] * 19, bright=frozenset({5, 6}))) == [0, 3, 6, 9, 18]
    assert looks(shot([1] * 19, bright=frozenset(range(3, 19)))) == [0, 9, 18]
