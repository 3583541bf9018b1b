import math
from typing import Any

import pytest

from screenalytics_assets.core.common.errors import TruthError
from screenalytics_assets.core.evaluation.labelled_intervals import (
    IntervalScores,
    PersonSeconds,
    parse_labels,
    score_intervals,
)
from tests.unit.document_builders import person_time, screen_time_with


def scores_of(labels: dict[str, list[list[float]]], published: dict[str, list[list[float]]]) -> IntervalScores:
    people = [person_time(person_id, intervals) for person_id, intervals in published.items()]
    return score_intervals(parse_labels({"people": labels}), screen_time_with(*people))


def test_each_person_gets_the_identity_with_the_largest_iou_and_the_others_are_nobody() -> None:
    scores = scores_of(
        {"Ann": [[0, 10]], "Bob": [[20, 24]]},
        # IoU with Ann: 8 of 10 s, 2 of 10 s; with Bob: 3 of 5 s.
        {"ident_001": [[0, 8]], "ident_002": [[8, 10]], "ident_003": [[21, 25]], "ident_004": [[30, 30.5]]},
    )
    ann, bob = scores.per_person
    assert ann == PersonSeconds("Ann", true_s=10, identity="ident_001", predicted_s=8, shared_s=8, error=0.2)
    assert bob == PersonSeconds("Bob", true_s=4, identity="ident_003", predicted_s=4, shared_s=3, error=0)
    assert (scores.people, scores.identities, scores.identities_over_1s) == (2, 4, 3)
    assert scores.error_mean == pytest.approx(0.1)
    assert scores.error_max == pytest.approx(0.2)
    assert scores.false_people_s == pytest.approx(2.5)


def test_two_people_who_were_joined_share_one_identity_and_the_other_of_them_is_missed() -> None:
    scores = scores_of({"Ann": [[0, 6]], "Bob": [[6, 10]]}, {"ident_001": [[0, 10]]})
    ann, bob = scores.per_person
    assert ann.identity == "ident_001"
    assert ann.error == pytest.approx(4 / 6)
    assert (bob.identity, bob.predicted_s, bob.error) == (None, 0, 1)
    assert scores.false_people_s == 0


def test_the_sum_of_the_iou_decides_and_not_the_best_pair_alone() -> None:
    # Ann with 001: 5/10, with 002: 4/10. Bob with 001: 4/5, with 002: none. 4/5 + 4/10 is more than 5/10.
    scores = scores_of({"Ann": [[0, 9]], "Bob": [[5, 9]]}, {"ident_001": [[4, 9]], "ident_002": [[0, 4]]})
    assert [person.identity for person in scores.per_person] == ["ident_002", "ident_001"]


def test_an_identity_that_never_overlaps_a_person_stands_for_nobody() -> None:
    scores = scores_of({"Ann": [[0, 2]]}, {"ident_001": [[5, 8]]})
    assert scores.per_person[0].identity is None
    assert scores.false_people_s == pytest.approx(3)


def test_labels_that_touch_or_overlap_count_once() -> None:
    scores = scores_of({"Ann": [[4, 6], [0, 4], [5, 7]]}, {"ident_001": [[0, 7]]})
    assert scores.per_person[0].true_s == pytest.approx(7)
    assert scores.error_max == pytest.approx(0)


def test_an_episode_without_people_has_no_error() -> None:
    scores = scores_of({}, {"ident_001": [[0, 3]]})
    assert math.isnan(scores.error_mean)
    assert scores.false_people_s == pytest.approx(3)
    assert scores.to_dict()["error_max"] is None


def test_a_person_without_any_published_one_is_wholly_missing() -> None:
    scores = scores_of({"Ann": [[0, 2]]}, {})
    assert (scores.identities, scores.error_mean, scores.error_max) == (0, 1, 1)


@pytest.mark.parametrize(
    ("labels", "place"),
    [
        ({}, "people"),
        ({"people": []}, "people"),
        ({"people": {"Ann": []}}, "people.Ann"),
        ({"people": {"Ann": [[0, 1], [3]]}}, r"people.Ann\[1\]"),
        ({"people": {"Ann": [[0, -1]]}}, r"people.Ann\[0\]\[1\]"),
        ({"people": {"Ann": [[0, math.inf]]}}, r"people.Ann\[0\]\[1\]"),
        ({"people": {"Ann": [[False, True]]}}, r"people.Ann\[0\]\[0\]"),
        ({"people": {"\x1b[31mAnn": [[0, 1]]}}, "people"),
        ({"people": {"Ann": [[2, 2]]}}, r"people.Ann\[0\]: \[2.0, 2.0\] is empty"),
    ],
)
def test_malformed_labels_are_refused_and_the_place_is_named(labels: dict[str, Any], place: str) -> None:
    with pytest.raises(TruthError, match=f"^{place}"):
        parse_labels(labels)
