"""How probable it is that a track shows a person."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.identity.link_probability import (
    SimilarityStatistics,
    likelihood_ratios,
    link_probabilities,
    reliability,
    thread_ratios,
    unseen_share,
)

STATISTICS = SimilarityStatistics(0.67, 0.11, 0.01, 0.09)
SIMILARITIES = st.floats(-1, 1)
EXPECTED = st.floats(0, 0.67)


def ratio(similarity: float, expected: float) -> float:
    return float(likelihood_ratios(np.array([similarity]), np.array([expected]), STATISTICS)[0])


def probabilities(
    ratios: list[float], *, nearby: list[bool] | None = None, possible: list[bool] | None = None
) -> list[float]:
    every = [True] * len(ratios)
    found = link_probabilities(
        np.array([ratios]), np.array([nearby or every]), np.array([possible or every]), unseen=0.05
    )
    return found[0].tolist()


@pytest.mark.parametrize(("sharpness", "measured"), [(7, 0.26), (15, 0.40), (30, 0.53), (60, 0.69), (110, 0.88)])
def test_the_reliability_of_a_blurred_face_is_what_was_measured(sharpness: float, measured: float) -> None:
    assert reliability(sharpness, 0.0) == pytest.approx(measured, abs=0.07)


def test_a_face_turned_to_either_side_is_less_reliable_and_a_profile_is_not_at_all() -> None:
    frontal, left, right, profile = reliability([120.0] * 4, [0.0, -45.0, 45.0, 90.0])
    assert frontal == pytest.approx(0.9)
    assert left == right == pytest.approx(0.9 * 0.5**0.25)
    assert profile == pytest.approx(0.0, abs=1e-7)


def test_a_face_whose_pose_is_not_known_counts_as_frontal() -> None:
    assert reliability(120.0, np.nan) == reliability(120.0, 0.0)


def test_a_similarity_speaks_for_one_person_where_the_faces_are_poor_and_against_it_where_they_are_good() -> None:
    assert ratio(0.35, expected=0.2) > 100
    assert ratio(0.3, expected=0.65) < 1


def test_a_similarity_over_the_expected_one_speaks_for_one_person_no_less() -> None:
    assert ratio(0.6, expected=0.3) > ratio(0.3, expected=0.3) > 1


@given(low=SIMILARITIES, high=SIMILARITIES, expected=EXPECTED)
def test_a_higher_similarity_never_speaks_less_for_one_person(low: float, high: float, expected: float) -> None:
    low, high = sorted((low, high))
    assert ratio(low, expected) <= ratio(high, expected) * (1 + 1e-9)


def test_faces_that_cannot_be_relied_on_decide_nothing() -> None:
    assert ratio(0.0, expected=0.01) == pytest.approx(0.8, abs=0.1)


def test_somebody_nearby_is_more_probable_than_somebody_elsewhere() -> None:
    here, there = probabilities([5.0, 5.0], nearby=[True, False])
    assert here == pytest.approx(0.95 * 0.98 * 5 / (0.95 * 5 + 0.05))
    assert there == pytest.approx(0.95 * 0.02 * 5 / (0.95 * 5 + 0.05))


def test_people_who_fit_equally_share_the_probability() -> None:
    assert probabilities([50.0, 50.0]) == pytest.approx([0.499, 0.499], abs=0.001)


def test_somebody_who_is_not_possible_has_no_probability_and_takes_none() -> None:
    assert probabilities([50.0, 50.0], possible=[True, False]) == pytest.approx(
        [0.95 * 0.98 * 50 / (0.95 * 0.98 * 50 + 0.05), 0.0]
    )


def test_without_anybody_possible_it_is_nobody() -> None:
    assert probabilities([50.0], possible=[False]) == [0.0]
    assert link_probabilities(np.zeros((2, 0)), np.zeros((2, 0), bool), np.zeros((2, 0), bool), unseen=0.05).shape == (
        2,
        0,
    )


@given(
    ratios=st.lists(st.floats(0, 1e9), min_size=1, max_size=6), nearby=st.lists(st.booleans(), min_size=6, max_size=6)
)
def test_probabilities_add_up_to_less_than_one(ratios: list[float], nearby: list[bool]) -> None:
    found = probabilities(ratios, nearby=nearby[: len(ratios)])
    assert min(found) >= 0
    assert sum(found) <= 1


def test_the_more_people_have_a_single_track_the_more_probably_a_track_shows_somebody_new() -> None:
    assert unseen_share([10, 8, 1, 1]) == pytest.approx(0.1)
    assert unseen_share([100, 50]) == 0.05
    assert unseen_share([1, 1, 1]) == 0.95
    assert unseen_share([]) == 0.05
    few, many = (
        float(link_probabilities(np.array([[5.0]]), np.array([[True]]), np.array([[True]]), unseen=share)[0, 0])
        for share in (0.05, 0.5)
    )
    assert few == pytest.approx(0.9894, abs=1e-4)
    assert many == pytest.approx(0.8305, abs=1e-4)


@pytest.mark.parametrize(("shots_apart", "measured"), [(2, (0.90, 0.37)), (-2, (0.90, 0.37)), (4, (0.79, 0.32))])
def test_the_same_place_two_or_four_shots_later_speaks_for_one_person_as_measured(
    shots_apart: int, measured: tuple[float, float]
) -> None:
    there, chance = measured
    odds = there / (1 - there) / (chance / (1 - chance))
    assert float(thread_ratios(np.array([0.55]), np.array([shots_apart]))[0]) == pytest.approx(odds, rel=0.1)


@pytest.mark.parametrize("shots_apart", [0, 1, 3, 5, 6])
def test_the_same_place_after_another_number_of_shots_says_nothing(shots_apart: int) -> None:
    assert thread_ratios(np.array([1.0]), np.array([shots_apart])).tolist() == [1.0]


def test_another_place_two_shots_later_says_nothing() -> None:
    assert thread_ratios(np.array([0.0]), np.array([2])).tolist() == [1.0]
