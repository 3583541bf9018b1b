"""What a person should look at first: identities that may be one, and tracks that may be somebody else."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.people.review_candidates import (
    Decided,
    Limits,
    Tracks,
    identity_similarity,
    merge_doubts,
    split_doubts,
)

LIMITS = Limits(tight_thresh=0.47, cluster_thresh=0.38)
PEOPLE = np.eye(8, 64)


def tracks_of(people: str, *, faces: int = 16, alike: float = 0.7) -> Tracks:
    """A track for each letter; two tracks of one letter have the similarity ``alike``, of two letters none."""
    noise = np.eye(len(people), 56)
    rows = [
        np.sqrt(alike) * PEOPLE["ABCDEFGH".index(person)] + np.sqrt(1 - alike) * np.concatenate([np.zeros(8), own])
        for person, own in zip(people, noise, strict=True)
    ]
    ids = [f"track-{i:05d}" for i in range(1, len(people) + 1)]
    return Tracks(ids, np.array(rows, np.float32).reshape(-1, 64), np.full(len(people), faces, np.int64))


def identities_of(*groups: Sequence[int], names: dict[int, str] | None = None) -> list[dict[str, Any]]:
    """Identities of tracks by their numbers."""
    return [
        {
            "identity_id": f"ident_{i:03d}",
            "track_ids": [f"track-{t:05d}" for t in group],
            "person_id": (names or {}).get(i),
        }
        for i, group in enumerate(groups, start=1)
    ]


def test_a_person_in_two_identities_comes_first_and_is_likely_one() -> None:
    doubts = merge_doubts(identities_of([1, 2], [3], [4]), tracks_of("AABA"), LIMITS)
    assert doubts[0].identities == ("ident_001", "ident_003")
    assert doubts[0].similarity == pytest.approx(0.7)
    assert [doubt.is_likely for doubt in doubts] == [True, False, False]


def test_identities_that_are_seen_together_are_not_asked_about() -> None:
    doubts = merge_doubts(
        identities_of([1], [2]), tracks_of("AA"), LIMITS, seen_together=[("track-00001", "track-00002")]
    )
    assert doubts == []


def test_who_was_told_apart_by_a_person_is_not_asked_about_again() -> None:
    decided = Decided(apart=[("track-00002", "track-00001")])
    assert merge_doubts(identities_of([1], [2]), tracks_of("AA"), LIMITS, decided=decided) == []


def test_two_people_with_names_are_not_asked_about_but_one_with_and_one_without_is() -> None:
    identities = identities_of([1], [2], [3], names={1: "amy", 2: "bob"})
    asked = [set(doubt.identities) for doubt in merge_doubts(identities, tracks_of("AAA"), LIMITS)]
    assert asked == [{"ident_001", "ident_003"}, {"ident_002", "ident_003"}]


def test_few_faces_must_be_more_alike() -> None:
    (few,) = merge_doubts(identities_of([1], [2]), tracks_of("AA", faces=1), LIMITS)
    (many,) = merge_doubts(identities_of([1], [2]), tracks_of("AA", faces=16), LIMITS)
    assert few.required == pytest.approx(0.47)
    assert many.required == pytest.approx(0.38 + 0.09 / 16)


def test_each_pair_is_held_against_the_limit_of_its_own_faces() -> None:
    tracks = tracks_of("ABC")._replace(faces=np.array([1, 4, 25]))
    doubts = merge_doubts(identities_of([1], [2], [3]), tracks, LIMITS)
    faces = {"ident_001": 1, "ident_002": 4, "ident_003": 25}
    assert len(doubts) == 3
    for doubt in doubts:
        assert doubt.required == LIMITS.required(*(faces[name] for name in doubt.identities))


def test_the_tracks_of_a_stranger_are_one_part_and_the_likeliest_to_take_out() -> None:
    doubts = split_doubts(identities_of([1, 2, 3], [4, 5, 6, 7, 8]), tracks_of("CCCAAABB"), LIMITS)
    assert (doubts[0].identity_id, doubts[0].track_ids) == ("ident_002", ("track-00007", "track-00008"))
    assert [doubt.is_likely for doubt in doubts] == [True, False]


def test_an_identity_of_three_people_gives_two_entries() -> None:
    doubts = split_doubts(identities_of([1, 2, 3, 4, 5, 6]), tracks_of("AAABBC"), LIMITS)
    assert len(doubts) == 2
    assert all(doubt.is_likely for doubt in doubts)


def test_what_a_person_merged_is_not_asked_about() -> None:
    decided = Decided(together=[frozenset({"track-00001", "track-00003"})])
    assert split_doubts(identities_of([1, 2, 3]), tracks_of("AAB"), LIMITS, decided=decided) == []


def test_an_identity_of_one_track_cannot_be_divided() -> None:
    assert split_doubts(identities_of([1]), tracks_of("A"), LIMITS) == []


def test_the_similarity_has_the_cohesion_on_its_diagonal() -> None:
    similarity = identity_similarity(identities_of([1, 2], [3]), tracks_of("AAB"))
    assert similarity.values == pytest.approx(np.array([[0.7, 0], [0, 1]]), abs=1e-6)


def test_those_that_resemble_each_other_stand_side_by_side() -> None:
    ordered = identity_similarity(identities_of([1], [2], [3], [4]), tracks_of("ABAB")).ordered()
    places = {name: i for i, name in enumerate(ordered.identity_ids)}
    assert abs(places["ident_001"] - places["ident_003"]) == 1
    assert abs(places["ident_002"] - places["ident_004"]) == 1


def test_nobody_gives_no_doubts() -> None:
    none = tracks_of("")
    assert merge_doubts([], none, LIMITS) == []
    assert split_doubts([], none, LIMITS) == []
    assert identity_similarity([], none).ordered().identity_ids == ()


@given(st.lists(st.sampled_from("ABCD"), min_size=2, max_size=14), st.randoms(use_true_random=False))
def test_every_part_and_its_rest_are_tracks_of_the_identity_each_once(people: list[str], random: Any) -> None:
    numbers = list(range(1, len(people) + 1))
    random.shuffle(numbers)
    half = len(numbers) // 2
    identities = identities_of(numbers[:half], numbers[half:])
    for doubt in split_doubts(identities, tracks_of("".join(people)), LIMITS):
        own = next(i["track_ids"] for i in identities if i["identity_id"] == doubt.identity_id)
        assert not set(doubt.track_ids) & set(doubt.rest)
        assert set(doubt.track_ids) | set(doubt.rest) <= set(own)
