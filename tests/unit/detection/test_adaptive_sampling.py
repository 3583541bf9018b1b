from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from resources.system.parallel import parallel_map
from screenalytics_assets.core.detection.adaptive_sampling import OrderedMap, sample_adaptively
from screenalytics_assets.core.detection.frame_comparison import (
    MAX_FACE_CHANGE,
    THUMBNAIL_PX,
    FaceSnapshot,
    is_unchanged,
    snapshot_of,
    thumbnail_distance,
)
from screenalytics_assets.core.video.shot_stream import ShotFrame

MAX_STEP, STRIDE = 9, 3
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


class SimulatedAnalysis(NamedTuple):
    number: int
    ts_s: float
    high_resolution: bool
    snapshot: FaceSnapshot


def shot(
    states: Sequence[int],
    *,
    start: int = 0,
    corrupt: Collection[int] = (),
    bright: Collection[int] = (),
) -> list[ShotFrame]:
    """A shot with this many faces in each frame, and something bright in the corner of some frames."""
    found = []
    for i, faces in enumerate(states):
        small_bgr = np.full((36, 64, 3), 60, np.uint8)
        small_bgr[0, 0] = 200 if i in bright else 60
        frame = SimulatedFrame(start + i, i in corrupt, faces)
        found.append(ShotFrame(frame, small_bgr, int(start > 0), i, is_last=i == len(states) - 1))
    return found


def snapshot(boxes_px: list[list[float]], grey: int | NDArray[np.uint8] = 100, *, strong: bool = True) -> FaceSnapshot:
    boxes = np.array(boxes_px, np.float32).reshape(-1, 4)
    thumbnail = np.broadcast_to(np.asarray(grey, np.uint8), (THUMBNAIL_PX, THUMBNAIL_PX))
    return FaceSnapshot(boxes, np.full(len(boxes), strong), np.repeat(thumbnail[None], len(boxes), axis=0))


def analyse(shot_frame: ShotFrame, high_resolution: bool) -> SimulatedAnalysis:
    frame = shot_frame.frame
    assert isinstance(frame, SimulatedFrame)
    assert not frame.is_corrupt
    faces = snapshot([[200.0 * i, 0.0, 200.0 * i + 100, 100.0] for i in range(frame.faces)])
    return SimulatedAnalysis(frame.index, frame.ts_s, high_resolution, faces)


def sampled(
    frames: list[ShotFrame],
    *,
    stride: int = STRIDE,
    max_step: int = MAX_STEP,
    bisections: int = 0,
    high_resolution_interval_s: float = 4.0,
    ordered_map: OrderedMap = map,
) -> list[SimulatedAnalysis]:
    return list(
        sample_adaptively(
            frames,
            analyse,
            stride=stride,
            max_step=max_step,
            bisections=bisections,
            high_resolution_interval_s=high_resolution_interval_s,
            ordered_map=ordered_map,
        )
    )


def analysed(
    frames: list[ShotFrame], *, stride: int = STRIDE, max_step: int = MAX_STEP, bisections: int = 0
) -> list[int]:
    return [found.number for found in sampled(frames, stride=stride, max_step=max_step, bisections=bisections)]


def test_where_nothing_changes_few_frames_are_analysed() -> None:
    assert analysed(shot([1] * 40)) == [0, 9, 18, 27, 36, 39]


def test_around_a_face_that_appears_or_disappears_every_frame_of_the_stride_is_analysed() -> None:
    assert analysed(shot([1] * 20 + [2] * 40)) == [0, 9, 12, 15, 18, 21, 24, 27, 36, 45, 54, 59]
    assert analysed(shot([1] * 20 + [0] * 40)) == [0, 9, 18, 21, 24, 27, 30, 33, 36, 45, 54, 59]


def test_a_long_segment_is_bisected_and_only_the_changed_half_is_analysed_densely() -> None:
    bright = {30}
    assert analysed(shot([1] * 97, bright=bright), max_step=24) == [0, *range(24, 49, 3), 72, 96]
    assert analysed(shot([1] * 97, bright=bright), max_step=24, bisections=1) == [0, 24, 27, 30, 33, 36, 48, 72, 96]
    assert analysed(shot([1] * 97, bright=bright), max_step=24, bisections=2) == [0, 24, 30, 36, 48, 72, 96]


def test_where_a_weak_box_appears_or_disappears_every_frame_is_analysed() -> None:
    weak_at = {40, 44}

    def with_weak_box(shot_frame: ShotFrame, high_resolution: bool) -> SimulatedAnalysis:
        seen = analyse(shot_frame, high_resolution)
        weak = snapshot([[600.0, 0, 700, 100]], strong=False)
        return seen._replace(snapshot=weak) if seen.number in weak_at else seen

    def numbers(frames: list[ShotFrame]) -> list[int]:
        found = sample_adaptively(
            frames, with_weak_box, stride=4, max_step=24, bisections=1, high_resolution_interval_s=4.0, ordered_map=map
        )
        return [seen.number for seen in found]

    assert numbers(shot([0] * 97)) == [0, 24, 48, 72, 96], "a frame that is not analysed has no effect"
    before = numbers(shot([0] * 97, bright={30}))
    weak_at.add(36)
    after = numbers(shot([0] * 97, bright={30}))
    assert not {33, 34, 35, 45, 46, 47} & set(before)
    assert {33, 34, 35, 45, 46, 47} < set(after), "where it appears and disappears"
    assert not {37, 38, 39, 41, 42, 43} & set(after), "not where it stays"


def test_as_many_frames_are_analysed_when_the_decoder_skips_some() -> None:
    frames = shot([1] * 97)
    every_second = [frame for frame in frames if frame.frame.index % 2 == 0]
    assert analysed(every_second, max_step=3) == [*(i + i % 2 for i in range(0, 96, 3)), 96]
    assert analysed(every_second, max_step=9) == [*(i + i % 2 for i in range(0, 96, 9)), 96]


def test_with_max_step_equal_to_stride_every_frame_of_the_stride_is_analysed() -> None:
    assert analysed(shot([1] * 20), max_step=STRIDE) == [*range(0, 20, 3), 19]


def test_frames_of_two_shots_are_not_compared() -> None:
    frames = [*shot([1] * 10), *shot([2] * 10, start=10)]
    assert analysed(frames) == [0, 9, 10, 19]


def test_a_corrupt_frame_is_replaced_by_the_next() -> None:
    assert analysed(shot([1] * 20, corrupt={0, 1, 10})) == [2, 11, 19]
    assert analysed(shot([1] * 4, corrupt=range(4))) == []


def test_a_face_that_moves_or_grows_is_a_change() -> None:
    here = snapshot([[0, 0, 100, 100]])
    assert is_unchanged(here, snapshot([[20, 0, 120, 100]]), gap_s=0.5)
    assert not is_unchanged(here, snapshot([[60, 0, 160, 100]]), gap_s=0.5)
    assert not is_unchanged(here, snapshot([[0, 0, 200, 200]]), gap_s=0.5)


def test_another_face_in_the_same_place_is_a_change() -> None:
    light = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
    light[:8] = 220
    assert not is_unchanged(snapshot([[0, 0, 100, 100]], light), snapshot([[0, 0, 100, 100]], light[::-1]), gap_s=0.5)
    assert is_unchanged(
        snapshot([[0, 0, 100, 100]], light), snapshot([[0, 0, 100, 100]], light - light // 12), gap_s=0.5
    )


@given(arrays(np.uint8, (2, 3, 8, 8)), st.integers(0, 60))
def test_thumbnail_distance_is_zero_to_itself_symmetric_and_at_most_one(
    pictures: NDArray[np.uint8], brighter: int
) -> None:
    before, after = pictures
    change = thumbnail_distance(before, after)
    assert ((change >= 0) & (change <= 1)).all()
    assert np.allclose(change, thumbnail_distance(after, before), atol=1e-5)
    assert np.allclose(thumbnail_distance(before, before), 0)
    assert np.allclose(thumbnail_distance(before // 4, before // 4 + np.uint8(brighter)), 0, atol=1e-5)


def test_half_the_light_changes_a_thumbnail_less_than_another_face_does() -> None:
    rng = np.random.default_rng(3)
    faces = rng.integers(20, 220, (2, 1, THUMBNAIL_PX, THUMBNAIL_PX), dtype=np.uint8)
    assert thumbnail_distance(faces[0], faces[0] // 2)[0] < 0.05
    assert thumbnail_distance(*faces)[0] > 2 * MAX_FACE_CHANGE
    dim = faces // 12
    assert thumbnail_distance(*dim)[0] > MAX_FACE_CHANGE, "two faces in the dark are two faces"


def test_the_order_of_the_faces_changes_nothing() -> None:
    boxes = [[0.0, 0, 100, 100], [300.0, 0, 400, 100], [600.0, 0, 700, 100]]
    assert is_unchanged(snapshot(boxes), snapshot(boxes[::-1]), gap_s=0.5)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40)), min_size=1, max_size=6),
    st.integers(1, 4),
    st.integers(1, 8),
    st.integers(0, 2),
)
def test_a_face_visible_for_the_max_step_is_seen_and_its_ends_are_known_to_the_stride(
    pieces: list[tuple[int, int]], stride: int, steps: int, bisections: int
) -> None:
    states = [faces for faces, length in pieces for _ in range(length)]
    max_step = stride * steps
    found = [a.number for a in sampled(shot(states), stride=stride, max_step=max_step, bisections=bisections)]
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (0, len(states) - 1)
    assert max(np.diff(found), default=0) <= max_step
    for before, after in pairwise(found):
        assert states[before] == states[after] or after - before < 2 * stride


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.sets(st.integers(0, 59)), st.integers(0, 2))
def test_no_frame_is_analysed_twice_and_no_corrupt_one(states: list[int], corrupt: set[int], bisections: int) -> None:
    frames = shot(states, corrupt=corrupt)
    found = analysed(frames, bisections=bisections)
    assert len(found) == len(set(found))
    assert not set(found) & corrupt
    assert found == sorted(found)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 4), st.integers(1, 8), st.integers(0, 2))
def test_the_same_frames_are_analysed_when_several_are_analysed_at_once(
    states: list[int], stride: int, steps: int, bisections: int
) -> None:
    frames = [*shot(states), *shot(states[::-1], start=len(states))]
    with parallel_map(3) as ordered_map:
        parallel = sampled(
            frames, stride=stride, max_step=stride * steps, bisections=bisections, ordered_map=ordered_map
        )
    sequential = sampled(frames, stride=stride, max_step=stride * steps, bisections=bisections)
    assert [(a.number, a.high_resolution) for a in parallel] == [(a.number, a.high_resolution) for a in sequential]


def test_high_resolution_passes_are_the_first_of_a_shot_and_one_each_interval() -> None:
    frames = [*shot([1] * 60), *shot([1] * 20, start=60)]
    assert [found.number for found in sampled(frames, high_resolution_interval_s=1.0) if found.high_resolution] == [
        0,
        24,
        48,
        60,
    ]


def test_a_weak_box_matches_a_strong_one_but_two_weak_boxes_are_a_change() -> None:
    box = [[0.0, 0, 100, 100]]
    assert is_unchanged(snapshot(box), snapshot(box, strong=False), gap_s=0.5)
    assert is_unchanged(snapshot(box, strong=False), snapshot(box), gap_s=0.5)
    assert not is_unchanged(snapshot(box, strong=False), snapshot(box, strong=False), gap_s=0.5)
    assert not is_unchanged(snapshot([]), snapshot(box, strong=False), gap_s=0.5)
    assert not is_unchanged(snapshot(box), snapshot([]), gap_s=0.5)


def test_a_snapshot_holds_the_thumbnail_of_each_face() -> None:
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[10:50, 20:60] = 200
    boxes = np.array([[20, 10, 60, 50], [100, 10, 140, 50], [159.9, 89.9, 160, 90]], np.float32)
    found = snapshot_of(picture, boxes, np.array([True, True, False]))
    assert found.thumbnails.mean((1, 2)).tolist() == [200, 0, 0]
    assert found.strong.tolist() == [True, True, False]


def test_a_transient_between_two_analysed_frames_is_analysed() -> None:
    assert analysed(shot([1] * 19, bright={5, 6})) == [0, 3, 6, 9, 18]
    assert analysed(shot([1] * 19, bright=range(3, 19))) == [0, 9, 18]
