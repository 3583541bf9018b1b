"""Who a cluster is, by the photos of the facebank."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.people.naming import NameLimits, PersonSimilarities, Verdict, judge, one_person_each

LIMITS = NameLimits(similarity=0.42, tight=0.47, margin=0.10)
FACES = {"t1": 16, "t2": 16, "t3": 1}
WEIGHTS = {"t1": 12.0, "t2": 4.0, "t3": 0.5}


def compared(rows: dict[tuple[str, str], list[float]]) -> PersonSimilarities:
    """Similarities of (track, person) to each of the person's photos."""
    flat = [
        {"track_id": track, "person_id": person, "photo_id": f"{person}/{i}", "similarity": value}
        for (track, person), values in rows.items()
        for i, value in enumerate(values)
    ]
    schema = pa.schema(
        [
            ("track_id", pa.string()),
            ("person_id", pa.string()),
            ("photo_id", pa.string()),
            ("similarity", pa.float64()),
        ]
    )
    return PersonSimilarities(pa.Table.from_pylist(flat, schema=schema))


def decide(
    rows: dict[tuple[str, str], list[float]],
    tracks: tuple[str, ...] = ("t1",),
    *,
    strict: bool = False,
    excluded: tuple[str, ...] = (),
) -> Verdict:
    return judge(compared(rows), tracks, WEIGHTS, FACES, LIMITS, strict=strict, excluded=excluded)


def test_a_cluster_that_resembles_one_person_has_that_name_with_all_its_figures() -> None:
    verdict = decide({("t1", "ann"): [0.7, 0.6], ("t1", "bob"): [0.1, 0.2]})
    assert (verdict.person_id, verdict.reason, verdict.second) == ("ann", "named", "bob")
    assert verdict.best_similarity == pytest.approx(0.65)
    assert verdict.second_similarity == pytest.approx(0.15)
    assert verdict.margin == pytest.approx(0.5)
    assert (verdict.photos, verdict.tracks, verdict.faces) == (2, 1, 16)
    assert verdict.required_similarity == pytest.approx(0.42 + 0.05 / np.sqrt(32))


def test_who_resembles_nobody_enough_stays_unknown() -> None:
    verdict = decide({("t1", "ann"): [0.41, 0.41], ("t1", "bob"): [0.0, 0.0]})
    assert (verdict.person_id, verdict.reason, verdict.best) == (None, "below_threshold", "ann")


def test_who_resembles_two_people_alike_is_neither() -> None:
    verdict = decide({("t1", "ann"): [0.6, 0.6], ("t1", "bob"): [0.55, 0.51]})
    assert (verdict.person_id, verdict.reason) == (None, "ambiguous")


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
    verdict = decide({("t1", "ann"): [0.8], ("t2", "ann"): [0.0]}, ("t1", "t2"))
    assert verdict.best_similarity == pytest.approx(0.8 * 12 / 16)


def test_who_it_is_not_is_left_out_of_first_and_second_place() -> None:
    rows = {("t1", "ann"): [0.7], ("t1", "bob"): [0.65], ("t1", "cid"): [0.1]}
    assert decide(rows).reason == "ambiguous"
    verdict = decide(rows, excluded=("ann",))
    assert (verdict.person_id, verdict.second) == ("bob", "cid")
    assert decide({("t1", "ann"): [0.7]}, excluded=("ann",)).reason == "not_compared"


def test_a_person_that_a_track_was_not_compared_with_cannot_be_it() -> None:
    assert decide({("t1", "ann"): [0.9], ("t2", "bob"): [0.9]}).person_id == "ann"


def test_without_a_facebank_nobody_has_a_name() -> None:
    verdict = judge(None, ["t1"], WEIGHTS, FACES, LIMITS, strict=False)
    assert (verdict.person_id, verdict.reason, verdict.faces) == (None, "not_compared", 16)
    assert judge(compared({}), [], WEIGHTS, FACES, LIMITS, strict=False).reason == "not_compared"


def claims(*similarities: float | None) -> dict[int, Verdict]:
    """Clusters 0, 1, ... that all resemble ann by so much; None does not."""
    return {
        i: decide({("t1", "ann"): [value if value is not None else 0.0, value if value is not None else 0.0]})
        for i, value in enumerate(similarities)
    }


def apart(size: int, *pairs: tuple[int, int]) -> np.ndarray:
    matrix = np.zeros((size, size), bool)
    for a, b in pairs:
        matrix[a, b] = matrix[b, a] = True
    return matrix


def test_of_two_clusters_seen_together_the_more_similar_one_keeps_the_name() -> None:
    verdicts, refused = one_person_each(claims(0.6, 0.7), apart(2, (0, 1)))
    assert (verdicts[0].person_id, verdicts[0].reason) == (None, "seen_together")
    assert verdicts[1].person_id == "ann"
    assert refused == {0: 1}


def test_clusters_that_are_not_seen_together_may_have_one_name() -> None:
    verdicts, refused = one_person_each(claims(0.6, 0.7, 0.65), apart(3))
    assert [verdict.person_id for verdict in verdicts.values()] == ["ann"] * 3
    assert refused == {}


def test_a_name_that_a_person_gave_wins_over_a_more_similar_cluster() -> None:
    verdicts, refused = one_person_each(claims(0.6, 0.7), apart(2, (0, 1)), fixed=[0])
    assert verdicts[0].person_id == "ann"
    assert refused == {1: 0}


@given(
    st.lists(st.one_of(st.none(), st.floats(0.5, 0.9)), min_size=1, max_size=6),
    st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] < pair[1])),
)
def test_no_two_clusters_seen_together_ever_share_a_name(
    similarities: list[float | None], pairs: set[tuple[int, int]]
) -> None:
    size = len(similarities)
    together = {pair for pair in pairs if pair[1] < size}
    before = claims(*similarities)
    verdicts, refused = one_person_each(before, apart(size, *together))
    for a, b in together:
        assert verdicts[a].person_id is None or verdicts[b].person_id is None
    for number, holder in refused.items():
        assert verdicts[holder].person_id == "ann"
        assert (before[holder].best_similarity or 0) >= (before[number].best_similarity or 0)
