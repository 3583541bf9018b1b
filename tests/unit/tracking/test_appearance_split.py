from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.tracking.appearance_split import (
    Observations,
    SplitLimits,
    Tracklet,
    sample_around_changes,
    sample_observations,
    split_track,
)

LIMITS = SplitLimits(hard_sim=0.2, soft_sim=0.38, streak=3, min_iou=0.1)
DIMENSION = 512
BOX = (100.0, 100.0, 200.0, 220.0)
BAD = -1
"""A crop that resembles no person."""


def faces(people: Sequence[int], *, spread: float = 0.6, seed: int = 0) -> NDArray[np.float32]:
    """Unit rows, one per detection, of the person with this number, or of no person.

    Args:
        people: Number of the person in each detection.
        spread: Length of the random part against the person's own direction of length 1; at 0.6 two detections of a
            person have a cosine of about 1 / (1 + 0.6²) = 0.74.
        seed: Seed of the random part.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(len(people), DIMENSION))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    # The random part avoids the axes of the people, so that a bad crop never resembles a person by chance.
    noise[:, :8] = 0
    own = np.array([np.eye(8, DIMENSION)[person] if person >= 0 else np.zeros(DIMENSION) for person in people])
    rows = own + np.where(np.array(people) >= 0, spread, 1.0)[:, None] * noise
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def between(first: int, second: int, share: float) -> NDArray[np.float32]:
    """A unit vector between two people."""
    vector = (1 - share) * np.eye(DIMENSION)[first] + share * np.eye(DIMENSION)[second]
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def observe(
    vectors: NDArray[np.float32],
    *,
    embedded: Sequence[int] | None = None,
    boxes: Sequence[Sequence[float]] | None = None,
    quality: Sequence[float] | None = None,
) -> Observations:
    """A track with vectors of all detections or of those at the given positions."""
    at = np.arange(len(vectors)) if embedded is None else np.array(embedded, np.int64)
    return Observations(
        np.array(boxes if boxes is not None else [BOX] * len(vectors), np.float32),
        at,
        vectors[at],
        np.ones(len(at), np.float32) if quality is None else np.array(quality, np.float32),
    )


def positions(tracklets: Sequence[Tracklet]) -> list[list[int]]:
    return [tracklet.positions.tolist() for tracklet in tracklets]


def with_parents(tracklets: Sequence[Tracklet]) -> list[list[int]]:
    """Positions by tracklet, those with a parent merged into it, as when they are linked to no other track."""
    merged: dict[int, list[int]] = {}
    for index, tracklet in enumerate(tracklets):
        parent = index if tracklet.parent is None else tracklet.parent
        merged.setdefault(parent, []).extend(tracklet.positions.tolist())
    return sorted(sorted(members) for members in merged.values())


# One person


@given(st.integers(0, 10_000), st.lists(st.booleans(), min_size=1, max_size=40), st.floats(0, 0.7))
@settings(max_examples=200)
def test_a_track_of_one_person_with_noise_and_bad_crops_is_never_divided(
    seed: int, is_bad: list[bool], spread: float
) -> None:
    seen = observe(faces([BAD if bad else 0 for bad in is_bad], spread=spread, seed=seed))
    assert with_parents(split_track(seen, LIMITS)) == [list(range(len(is_bad)))]


def test_a_single_crop_of_another_face_is_a_tracklet_with_a_parent() -> None:
    tracklets = split_track(observe(faces([0, 0, 0, 1, 0, 0])), LIMITS)
    assert positions(tracklets) == [[0, 1, 2, 4, 5], [3]]
    assert (tracklets[0].parent, tracklets[1].parent) == (None, 0)


def test_a_head_that_turns_slowly_is_one_face_although_its_ends_do_not_resemble_each_other() -> None:
    turning = np.stack([between(0, 1, share) for share in np.linspace(0, 1, 25)])
    assert turning[0] @ turning[-1] < LIMITS.hard_sim
    assert positions(split_track(observe(turning), LIMITS)) == [list(range(25))]


def test_bad_crops_that_do_not_resemble_each_other_are_no_other_face() -> None:
    seen = observe(faces([0, 0, 0, BAD, BAD, BAD, BAD, BAD]))
    assert with_parents(split_track(seen, LIMITS)) == [list(range(8))]


def test_a_bad_first_crop_does_not_split_the_track() -> None:
    assert with_parents(split_track(observe(faces([BAD, 0, 0, 0, 0])), LIMITS)) == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("vectors", [faces([0]), faces([0, 1])])
def test_one_crop_or_two_different_ones_do_not_split_a_track(vectors: NDArray[np.float32]) -> None:
    assert with_parents(split_track(observe(vectors), LIMITS)) == [list(range(len(vectors)))]


def test_a_track_without_a_vector_is_one_tracklet() -> None:
    tracklets = split_track(observe(faces([0, 0, 1, 1]), embedded=[]), LIMITS)
    assert positions(tracklets) == [[0, 1, 2, 3]]


# Another person


@given(st.integers(0, 10_000), st.integers(2, 20), st.integers(2, 20), st.floats(0, 0.6))
@settings(max_examples=200)
def test_two_people_in_one_track_are_split_within_one_detection_of_the_truth(
    seed: int, before: int, after: int, spread: float
) -> None:
    seen = observe(faces([0] * before + [1] * after, spread=spread, seed=seed))
    tracklets = with_parents(split_track(seen, LIMITS))
    assert len(tracklets) == 2
    assert tracklets[0] == list(range(len(tracklets[0])))
    assert abs(len(tracklets[0]) - before) <= 1


def test_two_crops_of_another_face_below_the_hard_limit_are_a_hard_split() -> None:
    tracklets = split_track(observe(faces([0, 0, 0, 1, 1])), LIMITS)
    assert positions(tracklets) == [[0, 1, 2], [3, 4]]
    assert [tracklet.reason for tracklet in tracklets] == [None, "hard"]
    assert [tracklet.parent for tracklet in tracklets] == [None, None]


def lookalikes(count: int) -> NDArray[np.float32]:
    """Three crops of one face, then some of another that resembles it by 0.3."""
    other = np.zeros(DIMENSION)
    other[:2] = 0.3, np.sqrt(1 - 0.3**2)
    return np.array([np.eye(DIMENSION)[0]] * 3 + [other] * count, np.float32)


def test_consecutive_doubtful_crops_are_a_streak_split_at_the_first_of_them() -> None:
    assert len(split_track(observe(lookalikes(2)), LIMITS)) == 1
    tracklets = split_track(observe(lookalikes(3)), LIMITS)
    assert positions(tracklets) == [[0, 1, 2], [3, 4, 5]]
    assert tracklets[1].reason == "streak"


def test_the_streak_counts_embedded_detections_only() -> None:
    many = np.concatenate([lookalikes(9)])
    assert len(split_track(observe(many, embedded=[0, 1, 2, 5, 11]), LIMITS)) == 1
    assert len(split_track(observe(many, embedded=[0, 1, 2, 5, 8, 11]), LIMITS)) == 2


@pytest.mark.parametrize(("streak", "tracklets"), [(2, 2), (4, 2), (5, 1)])
def test_the_streak_is_as_long_as_configured(streak: int, tracklets: int) -> None:
    assert len(split_track(observe(lookalikes(4)), LIMITS._replace(streak=streak))) == tracklets


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        (LIMITS, [None, "streak"]),
        (LIMITS._replace(hard_sim=0.31), [None, "hard"]),
        (LIMITS._replace(hard_sim=0.1, soft_sim=0.29), [None]),
    ],
)
def test_the_limits_decide_whether_and_why_a_track_is_split(limits: SplitLimits, reasons: list[str | None]) -> None:
    assert [tracklet.reason for tracklet in split_track(observe(lookalikes(3)), limits)] == reasons


def test_a_face_that_returns_after_another_is_a_third_tracklet() -> None:
    tracklets = split_track(observe(faces([0, 0, 0, 1, 1, 1, 0, 0, 0])), LIMITS)
    assert positions(tracklets) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_a_crop_of_poor_quality_counts_less_in_the_prototype() -> None:
    vectors = np.stack([between(0, 1, 0), between(0, 1, 0.6), *[between(0, 1, 1)] * 3])
    assert len(split_track(observe(vectors, quality=[1, 0.05, 1, 1, 1]), LIMITS)) == 2
    assert len(split_track(observe(vectors, quality=[0.05, 1, 1, 1, 1]), LIMITS)) == 1


# Where a track is split


def test_detections_without_a_vector_follow_their_embedded_neighbours() -> None:
    seen = observe(faces([0] * 5 + [1] * 5), embedded=[1, 2, 3, 4, 5, 7, 8])
    assert positions(split_track(seen, LIMITS)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


@pytest.mark.parametrize("jump", [3, 4, 5, 6])
def test_between_two_faces_the_track_is_split_where_boxes_overlap_least(jump: int) -> None:
    boxes = [BOX] * jump + [(140.0, 100.0, 240.0, 220.0)] * (10 - jump)
    seen = observe(faces([0] * 3 + [1] * 7), embedded=[0, 1, 2, 6, 7, 8], boxes=boxes)
    assert positions(split_track(seen, LIMITS)) == [list(range(jump)), list(range(jump, 10))]


def jumping(people: Sequence[int], jump: int, by: float = 300.0) -> Observations:
    moved = (BOX[0] + by, BOX[1], BOX[2] + by, BOX[3])
    return observe(faces(people), boxes=[BOX] * jump + [moved] * (len(people) - jump))


def test_a_jump_of_the_box_splits_a_track_unless_the_vectors_before_and_after_agree() -> None:
    assert len(split_track(jumping([0] * 6, 3), LIMITS)) == 1
    tracklets = split_track(jumping([0, 0, 0, 1], 3), LIMITS)
    assert positions(tracklets)[-1] == [3]
    unseen = jumping([0] * 6, 3)._replace(
        embedded=np.empty(0, np.int64), vectors=np.empty((0, DIMENSION), np.float32), quality=np.empty(0, np.float32)
    )
    tracklets = split_track(unseen, LIMITS)
    assert positions(tracklets) == [[0, 1, 2], [3, 4, 5]]
    assert [tracklet.reason for tracklet in tracklets] == [None, "iou"]
    assert len(split_track(unseen, LIMITS._replace(min_iou=0))) == 1


@pytest.mark.parametrize("scale", [1 / 1280, 0.1, 10])
def test_the_unit_of_the_boxes_changes_nothing(scale: float) -> None:
    for people, jump in (([0] * 3 + [1] * 4, 3), ([0] * 5, 2), ([0, 0, BAD, BAD, 2, 2], 4)):
        seen = jumping(people, jump)
        scaled = seen._replace(boxes=seen.boxes * np.float32(scale))
        assert positions(split_track(scaled, LIMITS)) == positions(split_track(seen, LIMITS))


@given(st.integers(0, 10_000), st.lists(st.sampled_from([BAD, 0, 1, 2]), min_size=1, max_size=30), st.data())
@settings(max_examples=100)
def test_every_detection_is_in_one_tracklet_and_no_tracklet_is_empty(
    seed: int, people: list[int], data: st.DataObject
) -> None:
    embedded = sorted(data.draw(st.sets(st.integers(0, len(people) - 1))))
    boxes = [(10.0 * x, 0.0, 10.0 * x + 30, 30.0) for x in data.draw(st.lists(st.integers(0, 9), min_size=30))]
    seen = observe(faces(people, seed=seed), embedded=embedded, boxes=boxes[: len(people)])
    tracklets = split_track(seen, LIMITS)
    assert sorted(position for tracklet in tracklets for position in tracklet.positions) == list(range(len(people)))
    assert all(len(tracklet.positions) for tracklet in tracklets)
    assert all(tracklet.parent != index for index, tracklet in enumerate(tracklets))


# Which detections are embedded


def sampled(count: int, *, usable: Sequence[int] | None = None, interval_s: float = 0.5, fps: float = 8) -> list[int]:
    is_usable = np.ones(count, np.bool_) if usable is None else np.isin(np.arange(count), usable)
    quality = np.random.default_rng(1).uniform(0.4, 0.9, count).astype(np.float32)
    boxes = np.array([BOX] * count, np.float32)
    ts_s = np.arange(count) / fps
    return sample_observations(ts_s, boxes, quality, is_usable, interval_s=interval_s, min_iou=0.1).tolist()


@pytest.mark.parametrize("fps", [8, 24, 5])
def test_the_rate_of_the_samples_is_in_seconds_whatever_the_frame_rate(fps: int) -> None:
    assert 20 <= len(sampled(10 * fps, fps=fps)) <= 22
    assert 10 <= len(sampled(10 * fps, fps=fps, interval_s=1.0)) <= 12


@given(st.integers(1, 60), st.sets(st.integers(0, 59)))
def test_only_usable_detections_are_sampled_always_the_first_and_the_last(count: int, usable: set[int]) -> None:
    inside = sorted(position for position in usable if position < count)
    chosen = sampled(count, usable=inside)
    assert set(chosen) <= set(inside)
    assert chosen == sorted(set(chosen))
    if inside:
        assert {inside[0], inside[-1]} <= set(chosen)


def test_the_best_detection_of_each_interval_is_sampled() -> None:
    quality = np.array([0.5, 0.9, 0.6, 0.5, 0.5, 0.5, 0.8, 0.5], np.float32)
    boxes = np.array([BOX] * 8, np.float32)
    chosen = sample_observations(np.arange(8) / 8, boxes, quality, np.ones(8, np.bool_), interval_s=0.5, min_iou=0.1)
    assert chosen.tolist() == [0, 1, 6, 7]


def test_detections_before_and_after_a_jump_and_a_time_gap_are_sampled() -> None:
    boxes = np.array([BOX] * 20, np.float32)
    boxes[7:] += 500
    ts_s = np.arange(20) / 8
    ts_s[13:] += 0.3
    chosen = sample_observations(
        ts_s, boxes, np.full(20, 0.5, np.float32), np.ones(20, np.bool_), interval_s=9.0, min_iou=0.1
    )
    assert chosen.tolist() == [0, 6, 7, 12, 13, 19]


def around_changes(
    people: Sequence[int], embedded: Sequence[int], representative: Sequence[int] | None = None
) -> list[int]:
    usable = np.arange(len(people)) != 5
    own = np.arange(len(people)) if representative is None else np.array(representative)
    return sample_around_changes(observe(faces(people), embedded=embedded), usable, own, LIMITS.soft_sim).tolist()


def test_usable_detections_between_different_neighbours_are_sampled() -> None:
    assert around_changes([0] * 6 + [1] * 6, embedded=[0, 3, 8, 11]) == [4, 6, 7]
    assert around_changes([0] * 12, embedded=[0, 3, 8, 11]) == []
    assert around_changes([0], embedded=[]) == []


def test_near_duplicates_of_different_neighbours_are_sampled() -> None:
    people, representative = [0] * 7 + [1] * 5, [0, 0, 3, 3, 3, 3, 8, 8, 8, 8, 8, 11]
    assert around_changes(people, embedded=[0, 3, 8, 11], representative=representative) == [2, 4, 6, 7, 9, 10]
    assert around_changes([0] * 12, embedded=[0, 3, 8, 11], representative=representative) == []
