"""Review candidates: identities that may be one person, and tracks that may show another person."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.documents.identities import Identity
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.people.corrections.corrections import Corrections, TrackPlaces
from screenalytics_assets.core.people.review_candidates import (
    EarlierDecisions,
    MergeLimits,
    earlier_decisions,
    identity_similarity,
    merge_candidates,
    split_candidates,
)
from tests.unit.builders import Seen, faces_table, track_id, tracks_table

LIMITS = MergeLimits(tight_thresh=0.47, cluster_thresh=0.38)
PEOPLE = np.eye(8, 64)


def tracks_of(people: str, *, faces: int | Sequence[int] = 16, alike: float = 0.7) -> EpisodeTracks:
    """A track for each letter; two tracks of one letter have the similarity ``alike``, of two letters none."""
    counts = [faces] * len(people) if isinstance(faces, int) else faces
    track_of_face = [track for track, count in enumerate(counts) for _ in range(count)]
    noise = np.eye(len(people), 56)
    rows = [
        np.sqrt(alike) * PEOPLE["ABCDEFGH".index(person)] + np.sqrt(1 - alike) * np.concatenate([np.zeros(8), own])
        for person, own in zip(people, noise, strict=True)
    ]
    return EpisodeTracks(
        tracks_table([[Seen(24 * i)] for i in range(len(people))]),
        faces_table(track_of_face, [0.8] * len(track_of_face)),
        [track_id(i) for i in range(len(people))],
        np.array(rows, np.float32).reshape(-1, 64),
    )


def identities_of(*groups: Sequence[int], names: dict[int, str] | None = None) -> list[Identity]:
    """Identities of tracks by their numbers."""
    return [
        Identity(
            identity_id=f"ident_{i:03d}",
            track_ids=tuple(f"track-{t:05d}" for t in group),
            outlier=False,
            low_cohesion=False,
            cohesion_score=1.0,
            min_identity_sim=1.0,
            num_faces=16,
            representative_face_id="face-00001",
            person_id=(names or {}).get(i),
        )
        for i, group in enumerate(groups, start=1)
    ]


ALL = identities_of([1, 2, 3, 4])


def test_a_track_that_joined_because_nobody_else_fits_is_neither_a_mixture_nor_a_reason_to_merge() -> None:
    tracks, (mixed, other) = tracks_of("AABB"), identities_of([1, 2, 3], [4])
    assert split_candidates([mixed], tracks, LIMITS)[0].is_likely
    joined = mixed.model_copy(update={"joined_tracks": {"track-00003": 0.95}})
    assert not [one for one in split_candidates([joined], tracks, LIMITS) if one.is_likely]
    assert not [one for one in merge_candidates([joined, other], tracks, LIMITS) if one.is_likely]


def test_a_person_in_two_identities_comes_first_and_is_likely_one() -> None:
    candidates = merge_candidates(identities_of([1, 2], [3], [4]), tracks_of("AABA"), LIMITS)
    assert candidates[0].identities == ("ident_001", "ident_003")
    assert candidates[0].similarity == pytest.approx(0.7)
    assert [candidate.is_likely for candidate in candidates] == [True, False, False]


def test_identities_that_cannot_be_linked_are_no_candidates() -> None:
    candidates = merge_candidates(
        identities_of([1], [2]), tracks_of("AA"), LIMITS, cannot_link=[("track-00001", "track-00002")]
    )
    assert candidates == []


def test_identities_that_a_correction_split_are_no_candidates() -> None:
    decisions = EarlierDecisions(cannot_link=[("track-00002", "track-00001")])
    assert merge_candidates(identities_of([1], [2]), tracks_of("AA"), LIMITS, decisions=decisions) == []


def test_two_people_with_names_are_no_candidate_but_one_with_and_one_without_are() -> None:
    identities = identities_of([1], [2], [3], names={1: "amy", 2: "bob"})
    asked = [set(candidate.identities) for candidate in merge_candidates(identities, tracks_of("AAA"), LIMITS)]
    assert asked == [{"ident_001", "ident_003"}, {"ident_002", "ident_003"}]


def test_few_faces_must_be_more_similar() -> None:
    (few,) = merge_candidates(identities_of([1], [2]), tracks_of("AA", faces=1), LIMITS)
    (many,) = merge_candidates(identities_of([1], [2]), tracks_of("AA", faces=16), LIMITS)
    assert few.required == pytest.approx(0.47)
    assert many.required == pytest.approx(0.38 + 0.09 / 16)


def test_each_pair_is_compared_with_the_limit_of_its_own_faces() -> None:
    tracks = tracks_of("ABC", faces=[1, 4, 25])
    candidates = merge_candidates(identities_of([1], [2], [3]), tracks, LIMITS)
    faces = {"ident_001": 1, "ident_002": 4, "ident_003": 25}
    assert len(candidates) == 3
    for candidate in candidates:
        counts = [np.array([faces[name]], np.float64) for name in candidate.identities]
        assert candidate.required == float(LIMITS.required(*counts)[0])


def test_the_tracks_of_another_person_are_one_part_and_the_most_likely_candidate() -> None:
    candidates = split_candidates(identities_of([1, 2, 3], [4, 5, 6, 7, 8]), tracks_of("CCCAAABB"), LIMITS)
    assert (candidates[0].identity_id, candidates[0].track_ids) == ("ident_002", ("track-00007", "track-00008"))
    assert [candidate.is_likely for candidate in candidates] == [True, False]


def test_an_identity_of_three_people_gives_two_candidates() -> None:
    candidates = split_candidates(identities_of([1, 2, 3, 4, 5, 6]), tracks_of("AAABBC"), LIMITS)
    assert len(candidates) == 2
    assert all(candidate.is_likely for candidate in candidates)


def test_tracks_that_a_correction_merged_are_no_candidates() -> None:
    decisions = EarlierDecisions(same_person=[frozenset({"track-00001", "track-00003"})])
    assert split_candidates(identities_of([1, 2, 3]), tracks_of("AAB"), LIMITS, decisions=decisions) == []


def test_what_a_person_confirmed_is_not_asked_again_but_what_joined_later_is() -> None:
    named = [identity.model_copy(update={"confirmed_track_ids": ("track-00001", "track-00003")}) for identity in ALL]
    tracks = tracks_of("AABC")
    nothing = Corrections(ep_id="show-s01e02")
    asked = [
        [candidate.track_ids for candidate in split_candidates(identities, tracks, LIMITS, decisions=decisions)]
        for identities in (ALL, named)
        for decisions in [earlier_decisions(nothing, TrackPlaces(tracks.table), identities)]
    ]
    assert asked == [[("track-00003",), ("track-00004",)], [("track-00004",)]]


def test_an_identity_of_one_track_cannot_be_divided() -> None:
    assert split_candidates(identities_of([1]), tracks_of("A"), LIMITS) == []


def test_the_similarity_has_the_cohesion_on_its_diagonal() -> None:
    similarity = identity_similarity(identities_of([1, 2], [3]), tracks_of("AAB"))
    assert similarity.values == pytest.approx(np.array([[0.7, 0], [0, 1]]), abs=1e-6)


def test_similar_identities_are_next_to_each_other() -> None:
    ordered = identity_similarity(identities_of([1], [2], [3], [4]), tracks_of("ABAB")).ordered()
    places = {name: i for i, name in enumerate(ordered.identity_ids)}
    assert abs(places["ident_001"] - places["ident_003"]) == 1
    assert abs(places["ident_002"] - places["ident_004"]) == 1


def test_an_episode_without_people_has_no_candidates() -> None:
    none = tracks_of("")
    assert merge_candidates([], none, LIMITS) == []
    assert split_candidates([], none, LIMITS) == []
    assert identity_similarity([], none).ordered().identity_ids == ()


@given(st.lists(st.sampled_from("ABCD"), min_size=2, max_size=14), st.randoms(use_true_random=False))
def test_every_part_and_its_rest_are_tracks_of_the_identity_each_once(people: list[str], random: Any) -> None:
    numbers = list(range(1, len(people) + 1))
    random.shuffle(numbers)
    half = len(numbers) // 2
    identities = identities_of(numbers[:half], numbers[half:])
    for candidate in split_candidates(identities, tracks_of("".join(people)), LIMITS):
        own = next(i.track_ids for i in identities if i.identity_id == candidate.identity_id)
        assert not set(candidate.track_ids) & set(candidate.rest)
        assert set(candidate.track_ids) | set(candidate.rest) <= set(own)
