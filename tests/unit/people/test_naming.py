"""Who a cluster is, by the photos of the facebank."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.documents.grouping import NameLimits
from screenalytics_assets.core.people.naming import NameMatch, PersonSimilarities, match_name, one_holder_per_name

LIMITS = NameLimits(similarity=0.42, tight=0.47, margin=0.10)
FACES = {"t1": 16, "t2": 16, "t3": 1}
WEIGHTS = {"t1": 12.0, "t2": 4.0, "t3": 0.5}


def compared(rows: dict[tuple[str, str], list[float]]) -> PersonSimilarities:
    """Similarities of (track, person) to each of the person's photos."""
    tracks = list(dict.fromkeys(track for track, _ in rows))
    photos = {person: len(values) for (_, person), values in rows.items()}
    similarities = [[value for person in photos for value in rows[track, person]] for track in tracks]
    return PersonSimilarities(tracks, [p for p, count in photos.items() for _ in range(count)], np.array(similarities))


def decide(
    rows: dict[tuple[str, str], list[float]],
    tracks: tuple[str, ...] = ("t1",),
    *,
    strict: bool = False,
    excluded: tuple[str, ...] = (),
) -> NameMatch:
    weights, faces = [WEIGHTS[track] for track in tracks], sum(FACES[track] for track in tracks)
    return match_name(compared(rows), tracks, weights, faces, LIMITS, strict=strict, excluded=excluded)


def test_a_cluster_that_is_similar_to_one_person_has_that_name_with_all_its_figures() -> None:
    match = decide({("t1", "ann"): [0.7, 0.6], ("t1", "bob"): [0.1, 0.2]})
    assert (match.person_id, match.reason, match.second) == ("ann", "named", "bob")
    assert match.best_similarity == pytest.approx(0.65)
    assert match.second_similarity == pytest.approx(0.15)
    assert match.margin == pytest.approx(0.5)
    assert (match.photos, match.tracks, match.faces) == (2, 1, 16)
    assert match.required_similarity == pytest.approx(0.42 + 0.05 / np.sqrt(32))


def test_a_cluster_that_is_not_similar_enough_to_anyone_has_no_name() -> None:
    match = decide({("t1", "ann"): [0.41, 0.41], ("t1", "bob"): [0.0, 0.0]})
    assert (match.person_id, match.reason, match.best) == (None, "below_threshold", "ann")


def test_a_cluster_that_is_equally_similar_to_two_people_is_ambiguous() -> None:
    match = decide({("t1", "ann"): [0.6, 0.6], ("t1", "bob"): [0.55, 0.51]})
    assert (match.person_id, match.reason) == (None, "ambiguous")


def test_one_photo_that_happens_to_fit_is_not_enough() -> None:
    assert decide({("t1", "ann"): [0.62, 0.05]}).person_id is None


def test_a_single_face_and_a_single_photo_must_fit_better_than_many() -> None:
    assert decide({("t3", "ann"): [0.46]}, ("t3",)).person_id is None
    assert decide({("t1", "ann"): [0.46, 0.46]}).person_id == "ann"


def test_a_doubtful_cluster_needs_one_margin_more_of_both() -> None:
    clear_enough = {("t1", "ann"): [0.50, 0.50], ("t1", "bob"): [0.0]}
    assert decide(clear_enough).person_id == "ann"
    assert decide(clear_enough, strict=True).reason == "below_threshold"
    narrow = {("t1", "ann"): [0.70, 0.70], ("t1", "bob"): [0.55]}
    assert decide(narrow).person_id == "ann"
    assert decide(narrow, strict=True).reason == "ambiguous"


def test_tracks_count_by_their_weight() -> None:
    match = decide({("t1", "ann"): [0.8], ("t2", "ann"): [0.0]}, ("t1", "t2"))
    assert match.best_similarity == pytest.approx(0.8 * 12 / 16)


def test_people_whom_a_correction_excludes_are_not_considered() -> None:
    rows = {("t1", "ann"): [0.7], ("t1", "bob"): [0.65], ("t1", "cid"): [0.1]}
    assert decide(rows).reason == "ambiguous"
    match = decide(rows, excluded=("ann",))
    assert (match.person_id, match.second) == ("bob", "cid")
    assert decide({("t1", "ann"): [0.7]}, excluded=("ann",)).reason == "not_compared"


def test_without_a_facebank_no_cluster_has_a_name() -> None:
    match = match_name(None, ["t1"], [12.0], 16, LIMITS, strict=False)
    assert (match.person_id, match.reason, match.faces) == (None, "not_compared", 16)
    assert match_name(compared({("t1", "ann"): [0.9]}), [], [], 0, LIMITS, strict=False).reason == "not_compared"


def matches(*similarities: float | None) -> list[NameMatch]:
    """Clusters with these similarities to ann; None is not similar."""
    return [decide({("t1", "ann"): [value or 0.0, value or 0.0]}) for value in similarities]


def cannot_link(size: int, *pairs: tuple[int, int]) -> np.ndarray:
    matrix = np.zeros((size, size), bool)
    for a, b in pairs:
        matrix[a, b] = matrix[b, a] = True
    return matrix


def test_of_two_clusters_seen_together_the_more_similar_one_keeps_the_name() -> None:
    found, refused = one_holder_per_name(matches(0.6, 0.7), cannot_link(2, (0, 1)))
    assert (found[0].person_id, found[0].reason) == (None, "seen_together")
    assert found[1].person_id == "ann"
    assert refused == {0: 1}


def test_clusters_that_are_not_seen_together_may_have_one_name() -> None:
    found, refused = one_holder_per_name(matches(0.6, 0.7, 0.65), cannot_link(3))
    assert [match.person_id for match in found] == ["ann"] * 3
    assert refused == {}


def test_a_corrected_name_wins_over_a_more_similar_cluster() -> None:
    found, refused = one_holder_per_name(matches(0.6, 0.7), cannot_link(2, (0, 1)), corrected=[0])
    assert found[0].person_id == "ann"
    assert refused == {1: 0}


@given(
    st.lists(st.one_of(st.none(), st.floats(0.5, 0.9)), min_size=1, max_size=6),
    st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] < pair[1])),
)
def test_no_two_clusters_seen_together_ever_share_a_name(
    similarities: list[float | None], pairs: set[tuple[int, int]]
) -> None:
    size = len(similarities)
    pairs_inside = {pair for pair in pairs if pair[1] < size}
    before = matches(*similarities)
    found, refused = one_holder_per_name(before, cannot_link(size, *pairs_inside))
    for a, b in pairs_inside:
        assert found[a].person_id is None or found[b].person_id is None
    for number, holder in refused.items():
        assert found[holder].person_id == "ann"
        assert (before[holder].best_similarity or 0) >= (before[number].best_similarity or 0)
