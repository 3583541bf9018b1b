"""Tracks that are alone, joined to whom they most probably show."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.link_probability import SimilarityStatistics
from screenalytics_assets.core.identity.track_evidence import TrackEvidence
from screenalytics_assets.core.people.track_joining import (
    ComparedTrack,
    Link,
    join_lone_tracks,
    people_probabilities,
)

STATISTICS = SimilarityStatistics(0.67, 0.11, 0.01, 0.09)
LEFT, RIGHT = (0.1, 0.1, 0.3, 0.4), (0.6, 0.1, 0.8, 0.4)
POOR = 0.4


class Cast:
    """Anna (a1, a2), Ben (b1, b2) and others, in shots of ten seconds; ``lone`` tracks are poor faces.

    Args:
        lone: Similarity of each lone track to the tracks of Anna and Ben.
        shots: The shot of each lone track.
    """

    def __init__(self, lone: Sequence[tuple[float, float]], shots: Sequence[int] | None = None) -> None:
        self.people = [["a1", "a2"], ["b1", "b2"]]
        self.lone = [f"lone{i}" for i in range(len(lone))]
        shots = [0, 1, 0, 1, *(shots or [10] * len(lone))]
        vectors = np.zeros((4 + len(lone), 3 + len(lone)))
        vectors[[0, 1], 0] = vectors[[2, 3], 1] = 1.0
        for i, (anna, ben) in enumerate(lone):
            vectors[4 + i, [0, 1, 3 + i]] = anna, ben, np.sqrt(1 - anna**2 - ben**2)
        boxes = np.array([[LEFT, LEFT]] * 2 + [[RIGHT, RIGHT]] * 2 + [[LEFT, LEFT]] * len(lone), np.float32)
        names = [*self.people[0], *self.people[1], *self.lone]
        starts_s = 10.0 * np.array(shots)
        self.evidence = TrackEvidence(
            {name: row for row, name in enumerate(names)},
            vectors,
            np.array([0.9] * 4 + [POOR] * len(lone)),
            np.column_stack([starts_s, starts_s + 5]),
            np.array(shots),
            np.full(len(names), 5),
            boxes,
        )

    def join(
        self,
        *,
        people: Sequence[Sequence[str]] | None = None,
        own: Sequence[int | None] | None = None,
        not_these: frozenset[int] = frozenset(),
        cannot_link: Sequence[TrackPair] = (),
        evidence: TrackEvidence | None = None,
        join_probability: float = 0.9,
    ) -> list[Link]:
        owners = own or [None] * len(self.lone)
        return join_lone_tracks(
            people or self.people,
            [ComparedTrack(name, owner, not_these) for name, owner in zip(self.lone, owners, strict=True)],
            evidence or self.evidence,
            cannot_link,
            STATISTICS,
            join_probability=join_probability,
        )


def shown(links: Sequence[Link]) -> list[tuple[str, int, bool]]:
    return [(link.track_id, link.person, link.is_joined) for link in links]


def test_a_track_of_poor_faces_joins_the_only_person_who_fits() -> None:
    (link,) = Cast([(0.35, 0.0)]).join()
    assert shown([link]) == [("lone0", 0, True)]
    assert link.probability > 0.98
    assert link.similarity == pytest.approx(0.35)
    assert link.expected_similarity == pytest.approx(0.67 * POOR * 0.9)


def test_a_track_of_good_faces_does_not_join_somebody_as_similar_as_a_brother() -> None:
    cast = Cast([(0.35, 0.0)])
    good = cast.evidence._replace(reliability=np.full(5, 0.9))
    assert not [link for link in cast.join(evidence=good) if link.is_joined]


def test_two_people_who_fit_equally_are_left_open() -> None:
    assert Cast([(0.3, 0.3)]).join() == []


def test_the_more_probable_of_two_is_a_suggestion_if_it_is_not_probable_enough() -> None:
    (link,) = Cast([(0.3, 0.22)]).join()
    assert shown([link]) == [("lone0", 0, False)]
    assert 0.5 < link.probability < 0.9
    assert shown(Cast([(0.3, 0.22)]).join(join_probability=0.6)) == [("lone0", 0, True)]


def test_whoever_is_on_screen_at_the_same_time_is_not_meant() -> None:
    assert shown(Cast([(0.4, 0.35)]).join(cannot_link=[("a1", "lone0")])) == [("lone0", 1, True)]


def test_whoever_a_correction_excludes_is_not_meant() -> None:
    assert shown(Cast([(0.4, 0.35)]).join(not_these=frozenset({0}))) == [("lone0", 1, True)]


def test_a_track_joins_nobody_for_whom_its_own_face_does_not_speak_however_few_others_there_are() -> None:
    assert Cast([(0.02, 0.0)]).join(people=[["a1", "a2"]]) == []


def test_evidence_that_is_not_strong_makes_a_suggestion_and_no_join_even_with_a_single_person_around() -> None:
    (link,) = Cast([(0.22, 0.0)], shots=[6]).join(people=[["a1", "a2"]])
    assert shown([link]) == [("lone0", 0, False)]
    assert link.probability > 0.9


def test_poor_faces_do_not_join_a_person_all_of_whose_faces_are_poor() -> None:
    cast = Cast([(0.5, 0.0)])
    assert cast.join(evidence=cast.evidence._replace(reliability=np.full(5, 0.45))) == []


def test_of_two_tracks_seen_together_only_the_more_probable_one_joins_a_person() -> None:
    links = Cast([(0.3, 0.0), (0.4, 0.0)]).join(cannot_link=[("lone0", "lone1")])
    assert shown(links) == [("lone1", 0, True)]


def test_a_track_that_joins_leaves_the_identity_that_it_was_alone_in() -> None:
    cast = Cast([(0.45, 0.0), (0.4, 0.0)])
    links = cast.join(people=[*cast.people, ["lone0"]], own=[2, None])
    assert shown(links) == [("lone0", 0, True), ("lone1", 0, True)]


def test_a_track_whose_identity_another_one_joined_stays_there() -> None:
    cast = Cast([(0.0, 0.0), (0.3, 0.0)])
    cast.evidence.vectors[5] = [0.0, 0.0, 0.0, 0.6, 0.8]
    good = cast.evidence._replace(reliability=np.array([0.9] * 5 + [POOR]))
    assert shown(cast.join(people=[*cast.people, ["lone0"]], own=[2, None], evidence=good)) == [("lone1", 2, True)]


def test_the_place_in_a_dialogue_cut_to_and_fro_decides_between_two_who_fit_equally() -> None:
    assert shown(Cast([(0.25, 0.25)], shots=[3]).join()) == [("lone0", 0, True)]
    assert Cast([(0.25, 0.25)], shots=[10]).join() == []


def test_nobody_to_join_and_nothing_to_join_give_nothing() -> None:
    assert Cast([]).join() == []
    assert Cast([(0.35, 0.0)]).join(people=[[]]) == []


def probabilities(cast: Cast, own: int | None) -> dict[str, dict[int, float]]:
    tracks = [ComparedTrack(name, own) for name in cast.lone]
    people = [list(tracks) for tracks in cast.people]
    if own is not None:
        people[own].append(cast.lone[0])
    return people_probabilities(people, tracks, cast.evidence, [], STATISTICS)


def test_a_track_is_not_compared_with_itself() -> None:
    alone, member = probabilities(Cast([(0.3, 0.05)]), None), probabilities(Cast([(0.3, 0.05)]), 0)
    assert alone["lone0"][0] == pytest.approx(member["lone0"][0], abs=0.01)


def test_what_is_left_to_one_is_the_probability_of_the_identity_that_a_track_is_alone_in() -> None:
    cast = Cast([(0.2, 0.0)])
    found = people_probabilities([*cast.people, ["lone0"]], [ComparedTrack("lone0", 2)], cast.evidence, [], STATISTICS)[
        "lone0"
    ]
    assert sum(found.values()) == pytest.approx(1.0, abs=0.03)
    assert found[2] == pytest.approx(1 - found[0], abs=0.03)


@pytest.mark.parametrize("rows", [np.arange(7), np.arange(7)[::-1]])
def test_the_order_of_the_tracks_decides_nothing(rows: NDArray[np.int64]) -> None:
    cast = Cast([(0.4, 0.0), (0.45, 0.0), (0.0, 0.4)])
    cast.lone = [f"lone{i}" for i in np.argsort(rows[4:] if rows[0] == 0 else rows[:3])]
    assert sorted(shown(cast.join())) == [("lone0", 0, True), ("lone1", 0, True), ("lone2", 1, True)]


def test_nobody_joins_an_identity_whose_only_track_has_left() -> None:
    cast = Cast([(0.6, 0.0), (0.0, 0.0)])
    cast.evidence.vectors[5] = [0.0, 0.0, 0.0, 0.38, np.sqrt(1 - 0.38**2)]
    evidence = cast.evidence._replace(reliability=np.array([0.9] * 4 + [0.6, POOR]))
    links = cast.join(people=[*cast.people, ["lone0"]], own=[2, None], evidence=evidence)
    assert shown(links) == [("lone0", 0, True)]


def test_the_expected_similarity_is_that_to_all_tracks_of_a_person_and_not_to_the_best_one() -> None:
    cast = Cast([(0.4, 0.0)])
    mixed = cast.evidence._replace(reliability=np.array([0.9, 0.3, 0.9, 0.9, POOR]))
    (link,) = cast.join(evidence=mixed)
    assert link.expected_similarity == pytest.approx(0.67 * POOR * (0.9 + 0.3) / 2)


def test_a_place_minutes_later_says_nothing() -> None:
    cast = Cast([(0.25, 0.25)], shots=[3])
    later = cast.evidence.spans_s.copy()
    later[4] += 3000
    assert cast.join(evidence=cast.evidence._replace(spans_s=later)) == []


def test_a_probability_of_one_joins_none() -> None:
    (link,) = Cast([(0.9, 0.0)]).join(join_probability=1.0)
    assert not link.is_joined
    assert link.probability == pytest.approx(1.0)


@pytest.mark.parametrize("shots", [[3], [-1]])
def test_the_last_box_of_the_earlier_track_is_compared_with_the_first_of_the_later(shots: list[int]) -> None:
    cast = Cast([(0.25, 0.25)], shots=shots)
    boxes = cast.evidence.end_boxes.copy()
    away, later = (0, 1) if shots[0] > 0 else (1, 0)
    boxes[:4, away] = boxes[4, later] = (0.9, 0.9, 1.0, 1.0)
    assert shown(cast.join(evidence=cast.evidence._replace(end_boxes=boxes))) == [("lone0", 0, True)]
