from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.tracking.appearance_split import (
    GateLimits,
    Observations,
    Piece,
    around_unlike,
    find_pieces,
    sample_observations,
)

LIMITS = GateLimits(hard_sim=0.2, soft_sim=0.38, streak=3, iou=0.1)
DIMENSION = 512
BOX = (100.0, 100.0, 200.0, 220.0)
BAD = -1
"""A crop that resembles nobody."""


def faces(people: Sequence[int], *, spread: float = 0.6, seed: int = 0) -> NDArray[np.float32]:
    """Unit rows, one a detection, of the person with this number or of nobody.

    Args:
        people: Who is seen.
        spread: Length of the random part against the person's own direction of length 1; at 0.6 two detections of a
            person have a cosine of about 1 / (1 + 0.6²) = 0.74.
        seed: Of the random part.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(len(people), DIMENSION))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    # People are axes that random directions avoid, so that what is nobody is never somebody by chance.
    noise[:, :8] = 0
    own = np.array([np.eye(8, DIMENSION)[person] if person >= 0 else np.zeros(DIMENSION) for person in people])
    rows = own + np.where(np.array(people) >= 0, spread, 1.0)[:, None] * noise
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def between(first: int, second: int, share: float) -> NDArray[np.float32]:
    """A unit vector on the way from one person to another."""
    vector = (1 - share) * np.eye(DIMENSION)[first] + share * np.eye(DIMENSION)[second]
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def observe(
    vectors: NDArray[np.float32],
    *,
    embedded: Sequence[int] | None = None,
    boxes: Sequence[Sequence[float]] | None = None,
    quality: Sequence[float] | None = None,
) -> Observations:
    """A track with a vector for every detection or for those at the given positions."""
    at = np.arange(len(vectors)) if embedded is None else np.array(embedded, np.int64)
    return Observations(
        np.array(boxes if boxes is not None else [BOX] * len(vectors), np.float32),
        at,
        vectors[at],
        np.ones(len(at), np.float32) if quality is None else np.array(quality, np.float32),
    )


def positions(pieces: Sequence[Piece]) -> list[list[int]]:
    return [piece.positions.tolist() for piece in pieces]


def settled(pieces: Sequence[Piece]) -> list[list[int]]:
    """The pieces as they stay when no other track claims any."""
    merged: dict[int, list[int]] = {}
    for index, piece in enumerate(pieces):
        host = index if piece.host is None else piece.host
        merged.setdefault(host, []).extend(piece.positions.tolist())
    return sorted(sorted(members) for members in merged.values())


# One person


@given(st.integers(0, 10_000), st.lists(st.booleans(), min_size=1, max_size=40), st.floats(0, 0.7))
@settings(max_examples=200)
def test_a_track_of_one_person_with_noise_and_bad_crops_is_never_divided(
    seed: int, is_bad: list[bool], spread: float
) -> None:
    seen = observe(faces([BAD if bad else 0 for bad in is_bad], spread=spread, seed=seed))
    assert settled(find_pieces(seen, LIMITS)) == [list(range(len(is_bad)))]


def test_one_good_crop_of_another_face_is_set_apart_but_goes_back_unless_it_is_claimed() -> None:
    pieces = find_pieces(observe(faces([0, 0, 0, 1, 0, 0])), LIMITS)
    assert positions(pieces) == [[0, 1, 2, 4, 5], [3]]
    assert (pieces[0].host, pieces[1].host) == (None, 0)


def test_a_head_that_turns_slowly_is_one_face_although_its_ends_do_not_resemble_each_other() -> None:
    turning = np.stack([between(0, 1, share) for share in np.linspace(0, 1, 25)])
    assert turning[0] @ turning[-1] < LIMITS.hard_sim
    assert positions(find_pieces(observe(turning), LIMITS)) == [list(range(25))]


def test_crops_that_resemble_nothing_not_even_each_other_are_nobody() -> None:
    seen = observe(faces([0, 0, 0, BAD, BAD, BAD, BAD, BAD]))
    assert settled(find_pieces(seen, LIMITS)) == [list(range(8))]


def test_a_bad_first_crop_does_not_stand_for_the_track() -> None:
    assert settled(find_pieces(observe(faces([BAD, 0, 0, 0, 0])), LIMITS)) == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("vectors", [faces([0]), faces([0, 1])])
def test_one_or_two_unlike_crops_alone_divide_nothing(vectors: NDArray[np.float32]) -> None:
    assert settled(find_pieces(observe(vectors), LIMITS)) == [list(range(len(vectors)))]


def test_a_track_without_any_vector_is_one_piece() -> None:
    pieces = find_pieces(observe(faces([0, 0, 1, 1]), embedded=[]), LIMITS)
    assert positions(pieces) == [[0, 1, 2, 3]]
    assert len(pieces[0].embedded) == 0


# Another person


@given(st.integers(0, 10_000), st.integers(2, 20), st.integers(2, 20), st.floats(0, 0.6))
@settings(max_examples=200)
def test_two_people_in_one_track_are_divided_within_one_detection_of_the_truth(
    seed: int, before: int, after: int, spread: float
) -> None:
    seen = observe(faces([0] * before + [1] * after, spread=spread, seed=seed))
    pieces = settled(find_pieces(seen, LIMITS))
    assert len(pieces) == 2
    assert pieces[0] == list(range(len(pieces[0])))
    assert abs(len(pieces[0]) - before) <= 1


def test_another_face_from_the_second_crop_below_the_hard_limit_on_is_a_hard_split() -> None:
    pieces = find_pieces(observe(faces([0, 0, 0, 1, 1])), LIMITS)
    assert positions(pieces) == [[0, 1, 2], [3, 4]]
    assert [piece.reason for piece in pieces] == [None, "hard"]
    assert [piece.host for piece in pieces] == [None, None]


def lookalikes(count: int) -> NDArray[np.float32]:
    """Three crops of one face, then some of another that resembles it by 0.3."""
    other = np.zeros(DIMENSION)
    other[:2] = 0.3, np.sqrt(1 - 0.3**2)
    return np.array([np.eye(DIMENSION)[0]] * 3 + [other] * count, np.float32)


def test_doubtful_crops_in_a_row_are_a_streak_split_at_their_first_one() -> None:
    assert len(find_pieces(observe(lookalikes(2)), LIMITS)) == 1
    pieces = find_pieces(observe(lookalikes(3)), LIMITS)
    assert positions(pieces) == [[0, 1, 2], [3, 4, 5]]
    assert pieces[1].reason == "streak"


def test_the_streak_counts_embedded_detections_only() -> None:
    many = np.concatenate([lookalikes(9)])
    assert len(find_pieces(observe(many, embedded=[0, 1, 2, 5, 11]), LIMITS)) == 1
    assert len(find_pieces(observe(many, embedded=[0, 1, 2, 5, 8, 11]), LIMITS)) == 2


@pytest.mark.parametrize(("streak", "pieces"), [(2, 2), (4, 2), (5, 1)])
def test_the_streak_is_as_long_as_configured(streak: int, pieces: int) -> None:
    assert len(find_pieces(observe(lookalikes(4)), LIMITS._replace(streak=streak))) == pieces


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        (LIMITS, [None, "streak"]),
        (LIMITS._replace(hard_sim=0.31), [None, "hard"]),
        (LIMITS._replace(hard_sim=0.1, soft_sim=0.29), [None]),
    ],
)
def test_both_limits_decide(limits: GateLimits, reasons: list[str | None]) -> None:
    assert [piece.reason for piece in find_pieces(observe(lookalikes(3)), limits)] == reasons


def test_a_face_that_comes_back_after_another_one_is_told_from_it() -> None:
    pieces = find_pieces(observe(faces([0, 0, 0, 1, 1, 1, 0, 0, 0])), LIMITS)
    assert positions(pieces) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_a_crop_of_poor_quality_counts_less_in_the_prototype() -> None:
    vectors = np.stack([between(0, 1, 0), between(0, 1, 0.6), *[between(0, 1, 1)] * 3])
    assert len(find_pieces(observe(vectors, quality=[1, 0.05, 1, 1, 1]), LIMITS)) == 2
    assert len(find_pieces(observe(vectors, quality=[0.05, 1, 1, 1, 1]), LIMITS)) == 1


# Where a track is divided


def test_detections_without_a_vector_go_with_their_neighbours() -> None:
    seen = observe(faces([0] * 5 + [1] * 5), embedded=[1, 2, 3, 4, 5, 7, 8])
    assert positions(find_pieces(seen, LIMITS)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


@pytest.mark.parametrize("jump", [3, 4, 5, 6])
def test_between_two_faces_the_track_is_divided_where_boxes_overlap_least(jump: int) -> None:
    boxes = [BOX] * jump + [(140.0, 100.0, 240.0, 220.0)] * (10 - jump)
    seen = observe(faces([0] * 3 + [1] * 7), embedded=[0, 1, 2, 6, 7, 8], boxes=boxes)
    assert positions(find_pieces(seen, LIMITS)) == [list(range(jump)), list(range(jump, 10))]


def jumping(people: Sequence[int], jump: int, by: float = 300.0) -> Observations:
    moved = (BOX[0] + by, BOX[1], BOX[2] + by, BOX[3])
    return observe(faces(people), boxes=[BOX] * jump + [moved] * (len(people) - jump))


def test_boxes_that_jump_divide_a_track_unless_the_appearance_vouches_for_it() -> None:
    assert len(find_pieces(jumping([0] * 6, 3), LIMITS)) == 1
    pieces = find_pieces(jumping([0, 0, 0, 1], 3), LIMITS)
    assert positions(pieces)[-1] == [3]
    unseen = jumping([0] * 6, 3)._replace(
        embedded=np.empty(0, np.int64), vectors=np.empty((0, DIMENSION), np.float32), quality=np.empty(0, np.float32)
    )
    pieces = find_pieces(unseen, LIMITS)
    assert positions(pieces) == [[0, 1, 2], [3, 4, 5]]
    assert [piece.reason for piece in pieces] == [None, "iou"]
    assert len(find_pieces(unseen, LIMITS._replace(iou=0))) == 1


@pytest.mark.parametrize("scale", [1 / 1280, 0.1, 10])
def test_the_unit_of_the_boxes_changes_nothing(scale: float) -> None:
    for people, jump in (([0] * 3 + [1] * 4, 3), ([0] * 5, 2), ([0, 0, BAD, BAD, 2, 2], 4)):
        seen = jumping(people, jump)
        scaled = seen._replace(boxes=seen.boxes * np.float32(scale))
        assert positions(find_pieces(scaled, LIMITS)) == positions(find_pieces(seen, LIMITS))


@given(st.integers(0, 10_000), st.lists(st.sampled_from([BAD, 0, 1, 2]), min_size=1, max_size=30), st.data())
@settings(max_examples=100)
def test_every_detection_is_in_one_piece_and_every_piece_has_some(
    seed: int, people: list[int], data: st.DataObject
) -> None:
    embedded = sorted(data.draw(st.sets(st.integers(0, len(people) - 1))))
    boxes = [(10.0 * x, 0.0, 10.0 * x + 30, 30.0) for x in data.draw(st.lists(st.integers(0, 9), min_size=30))]
    seen = observe(faces(people, seed=seed), embedded=embedded, boxes=boxes[: len(people)])
    pieces = find_pieces(seen, LIMITS)
    assert sorted(position for piece in pieces for position in piece.positions) == list(range(len(people)))
    assert all(len(piece.positions) for piece in pieces)
    assert all(piece.host != index for index, piece in enumerate(pieces))
    for piece in pieces:
        assert set(seen.embedded[piece.embedded]) == set(piece.positions) & set(embedded)


# What is embedded


def sampled(count: int, *, trusted: Sequence[int] | None = None, interval_s: float = 0.5, fps: float = 8) -> list[int]:
    is_trusted = np.ones(count, np.bool_) if trusted is None else np.isin(np.arange(count), trusted)
    quality = np.random.default_rng(1).uniform(0.4, 0.9, count).astype(np.float32)
    boxes = np.array([BOX] * count, np.float32)
    ts_s = np.arange(count) / fps
    return sample_observations(ts_s, boxes, quality, is_trusted, interval_s=interval_s, min_iou=0.1).tolist()


@pytest.mark.parametrize("fps", [8, 24, 5])
def test_the_rate_of_the_samples_is_in_seconds_whatever_the_frame_rate(fps: int) -> None:
    assert 20 <= len(sampled(10 * fps, fps=fps)) <= 22
    assert 10 <= len(sampled(10 * fps, fps=fps, interval_s=1.0)) <= 12


@given(st.integers(1, 60), st.sets(st.integers(0, 59)))
def test_only_trusted_detections_are_sampled_the_first_and_the_last_always(count: int, trusted: set[int]) -> None:
    inside = sorted(position for position in trusted if position < count)
    chosen = sampled(count, trusted=inside)
    assert set(chosen) <= set(inside)
    assert chosen == sorted(set(chosen))
    if inside:
        assert {inside[0], inside[-1]} <= set(chosen)


def test_the_best_of_each_stretch_is_sampled() -> None:
    quality = np.array([0.5, 0.9, 0.6, 0.5, 0.5, 0.5, 0.8, 0.5], np.float32)
    boxes = np.array([BOX] * 8, np.float32)
    chosen = sample_observations(np.arange(8) / 8, boxes, quality, np.ones(8, np.bool_), interval_s=0.5, min_iou=0.1)
    assert chosen.tolist() == [0, 1, 6, 7]


def test_both_sides_of_a_jump_and_of_a_time_without_the_face_are_sampled() -> None:
    boxes = np.array([BOX] * 20, np.float32)
    boxes[7:] += 500
    ts_s = np.arange(20) / 8
    ts_s[13:] += 0.3
    chosen = sample_observations(
        ts_s, boxes, np.full(20, 0.5, np.float32), np.ones(20, np.bool_), interval_s=9.0, min_iou=0.1
    )
    assert chosen.tolist() == [0, 6, 7, 12, 13, 19]


def unlike(people: Sequence[int], embedded: Sequence[int], stand_in: Sequence[int] | None = None) -> list[int]:
    trusted = np.arange(len(people)) != 5
    standing = np.arange(len(people)) if stand_in is None else np.array(stand_in)
    return around_unlike(observe(faces(people), embedded=embedded), trusted, standing, LIMITS.soft_sim).tolist()


def test_what_lies_between_unlike_neighbours_is_embedded_too_if_it_means_something() -> None:
    assert unlike([0] * 6 + [1] * 6, embedded=[0, 3, 8, 11]) == [4, 6, 7]
    assert unlike([0] * 12, embedded=[0, 3, 8, 11]) == []
    assert unlike([0], embedded=[]) == []


def test_what_unlike_neighbours_stand_for_is_embedded_too() -> None:
    people, stand_in = [0] * 7 + [1] * 5, [0, 0, 3, 3, 3, 3, 8, 8, 8, 8, 8, 11]
    assert unlike(people, embedded=[0, 3, 8, 11], stand_in=stand_in) == [2, 4, 6, 7, 9, 10]
    assert unlike([0] * 12, embedded=[0, 3, 8, 11], stand_in=stand_in) == []
