import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from screenalytics_assets.core.common.errors import TruthError
from screenalytics_assets.core.evaluation.labelled_intervals import (
    IntervalScores,
    NameSeconds,
    PersonSeconds,
    parse_labels,
    score_intervals,
)
from tests.unit.document_builders import person_time, screen_time_with


def scores_of(
    labels: dict[str, list[list[float]]],
    published: dict[str, list[list[float]]],
    names: Mapping[str, str] = MappingProxyType({}),
) -> IntervalScores:
    people = [person_time(key, intervals, name=names.get(key)) for key, intervals in published.items()]
    return score_intervals(parse_labels({"people": labels}), screen_time_with(*people))


def test_each_person_gets_the_identity_with_the_largest_iou_and_the_others_are_nobody() -> None:
    scores = scores_of(
        {"Ann": [[0, 10]], "Bob": [[20, 24]]},
        # IoU with Ann: 8 of 10 s, 2 of 10 s; with Bob: 3 of 5 s.
        {"ident_001": [[0, 8]], "ident_002": [[8, 10]], "ident_003": [[21, 25]], "ident_004": [[30, 30.5]]},
    )
    ann, bob = scores.per_person
    assert ann == PersonSeconds("Ann", 10, "ident_001", 8, shared_s=8, error=0.2, least_s=8, most_s=8)
    assert bob == PersonSeconds("Bob", 4, "ident_003", 4, shared_s=3, error=0, least_s=4, most_s=4, in_range=True)
    assert scores.people_in_range == 1
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


def test_a_name_of_the_labels_that_another_person_has_is_wrong() -> None:
    labels = {"Ann Lee": [[0.0, 10.0]], "Bob": [[20.0, 24.0]]}
    shown = {"ann-lee": [[20.0, 24.0]], "bob": [[0.0, 10.0]]}
    scores = scores_of(labels, shown, {"ann-lee": "Ann Lee", "bob": "Bob"})
    assert [(person.identity, person.named) for person in scores.per_person] == [("Bob", "wrong"), ("Ann Lee", "wrong")]
    assert (scores.people_named_right, scores.people_named_wrong, scores.people_unnamed) == (0, 2, 0)
    assert scores.named_right_s == 0
    assert scores.named_wrong_s == pytest.approx(14)
    exchanged = NameSeconds("Bob", in_labels=True, stands_for="Ann Lee", right=False, right_s=0, wrong_s=10)
    assert scores.names[1] == exchanged


def test_a_right_name_is_wrong_in_the_seconds_in_which_its_person_is_not_there() -> None:
    scores = scores_of({"Ann": [[0.0, 10.0]], "Bob": [[10.0, 14.0]]}, {"ann": [[0.0, 14.0]]}, {"ann": "Ann"})
    assert (scores.people_named_right, scores.people_named_wrong, scores.people_unnamed) == (1, 0, 1)
    assert scores.named_right_s == pytest.approx(10)
    assert scores.named_wrong_s == pytest.approx(4)


def test_a_name_that_nobody_in_the_labels_has_is_wrong_and_an_identity_without_a_name_is_neither() -> None:
    scores = scores_of(
        {"Ann": [[0.0, 10.0]], "Bob": [[20.0, 24.0]]},
        {"carl": [[0.0, 10.0]], "ident_002": [[20.0, 24.0]]},
        {"carl": "Carl"},
    )
    assert [person.named for person in scores.per_person] == ["wrong", None]
    assert (scores.named_right_s, scores.people_unnamed) == (0, 1)
    assert scores.named_wrong_s == pytest.approx(10)
    assert scores.names[0].in_labels is False


def test_names_decide_between_people_whose_intervals_differ_by_the_error_of_a_label() -> None:
    scores = scores_of(
        {"Ann": [[0.0, 10.0]], "Bob": [[0.0, 9.95]]},
        {"bob": [[0.0, 10.0]], "ann": [[0.0, 9.95]]},
        {"ann": "Ann", "bob": "Bob"},
    )
    assert [person.named for person in scores.per_person] == ["right", "right"]


def test_labels_beyond_the_end_of_the_video_are_refused_and_those_up_to_a_second_later_are_cut_off() -> None:
    with pytest.raises(
        TruthError, match=r"^people\.Ann: \[70\.0, 75\.0\] is beyond the end of show-s01e02 at 60\.000 s"
    ):
        scores_of({"Ann": [[0.0, 4.0], [70.0, 75.0]]}, {})
    with pytest.raises(TruthError, match=r"^people\.Ann: the labels begin at the end"):
        scores_of({"Ann": [[60.2, 60.9]]}, {})
    assert scores_of({"Ann": [[50.0, 60.5]]}, {}).per_person[0].true_s == pytest.approx(10)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ({}, "people: this is missing"),
        ({"people": []}, "people: expected keys with values"),
        ({"people": {"Ann": 3}}, "people.Ann: expected a list"),
        ({"people": {"Ann": []}}, "people.Ann: expected a list with 1 or more, found 0"),
        ({"people": {"Ann": [[0, 1, 2]]}}, "people.Ann[0]: expected a list with 2 or fewer, found 3"),
        ({"people": {"Ann": [["a", 1]]}}, "people.Ann[0][0]: expected a number"),
    ],
)
def test_a_malformed_label_is_refused_in_a_plain_sentence(labels: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TruthError) as refused:
        parse_labels(labels)
    assert str(refused.value).startswith(sentence)


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
