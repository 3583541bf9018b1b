"""HOTA, IDF1, switches and screen time on episodes small enough to count by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.evaluation.mot_scores import Boxes, score_mot
from tests.unit.evaluation.test_episode_scores import FPS, Episode, episodes, perfect, presences, score, slot, together

MOT_FIGURES = [
    f"{kind}_{figure}" for kind in ("track", "identity") for figure in ("hota", "hota_0", "idf1", "switches")
]


@given(presences)
def test_following_everybody_without_an_error_scores_one(presence: list[list[bool]]) -> None:
    scores = score(perfect(presence))
    assert scores.track_hota == scores.track_hota_0 == scores.track_idf1 == pytest.approx(1.0)
    assert scores.identity_hota == scores.identity_idf1 == pytest.approx(1.0)
    assert scores.track_switches == scores.identity_switches == 0
    assert scores.character_precision == scores.character_recall == 1.0
    assert scores.screen_time_error_max == pytest.approx(0.0)


def test_two_tracks_that_change_places_are_two_switches() -> None:
    swapped = replace(
        together(2, frames=4),
        tracks={"t0": ["d0-0", "d1-0", "d2-0", "d3-1"], "t1": ["d0-1", "d1-1", "d2-1", "d3-0"]},
    )
    scores = score(swapped)
    assert scores.track_idf1 == pytest.approx(6 / 8)
    assert scores.track_switches == scores.identity_switches == 2
    # 6 pairs follow 3 of 3 + 1 + 1 boxes, 2 pairs 1 of 1 + 3 + 3.
    assert scores.track_hota_0 == pytest.approx(math.sqrt((6 * 3 / 5 + 2 * 1 / 7) / 8))


def test_half_of_the_faces_missed_is_two_thirds_of_idf1() -> None:
    episode = together(1, frames=4)
    half = replace(episode, detections={key: episode.detections[key] for key in ("d0-0", "d1-0")})
    scores = score(replace(half, tracks={"t0": ["d0-0", "d1-0"]}))
    assert scores.track_idf1 == scores.identity_idf1 == pytest.approx(2 * 2 / (4 + 2))
    assert scores.track_hota_0 == pytest.approx(math.sqrt(2 / 4 * 2 / 4))
    assert scores.character_recall == scores.screen_time_error_max == pytest.approx(0.5)
    assert scores.character_precision == 1.0


def test_a_box_of_another_size_lowers_hota_and_nothing_else() -> None:
    x1, y1, x2, y2 = slot(0)
    larger = {f"d{i}-0": (i, (x1 - 10, y1 - 12, x2 + 10, y2 + 12)) for i in range(4)}
    scores = score(replace(together(1, frames=4), detections=larger))
    iou = 1 / 1.44
    assert scores.track_hota == pytest.approx(np.mean(np.arange(0.05, 0.99, 0.05) <= iou))
    assert scores.track_hota_0 == scores.track_idf1 == scores.identity_idf1 == 1.0


def test_a_person_in_two_shots_counts_twice_for_tracks_and_once_for_identities() -> None:
    cut = replace(together(1, frames=6), true_cuts=(3,))
    halves = {"t1": ["d0-0", "d1-0", "d2-0"], "t2": ["d3-0", "d4-0", "d5-0"]}
    across = score(cut)
    assert across.track_idf1 == pytest.approx(2 * 3 / (6 + 6))
    assert across.identity_idf1 == 1.0
    split = score(replace(cut, tracks=halves, identities={"i1": ["t1", "t2"]}))
    assert split.track_idf1 == split.identity_idf1 == 1.0
    apart = score(replace(cut, tracks=halves, identities={"i1": ["t1"], "i2": ["t2"]}))
    assert apart.track_idf1 == 1.0
    assert apart.identity_idf1 == pytest.approx(2 * 3 / (6 + 6))
    assert (apart.track_switches, apart.identity_switches) == (0, 1)


def test_what_has_no_track_or_no_identity_counts_as_missed() -> None:
    loose = replace(
        together(1, frames=6),
        tracks={"t0": ["d0-0", "d1-0", "d2-0"], "t1": ["d3-0", "d4-0"]},  # d5-0 has no track
        identities={"i0": ["t0"]},  # t1 has no identity
    )
    scores = score(loose)
    assert scores.detection_recall == 1.0
    assert scores.track_idf1 == pytest.approx(2 * 3 / (6 + 5))
    assert scores.identity_idf1 == pytest.approx(2 * 3 / (6 + 3))
    assert scores.character_recall == scores.screen_time_error_max == pytest.approx(3 / 6)


def test_a_track_that_matches_no_person_is_false_and_lengthens_its_identity() -> None:
    episode = perfect([[True]] * 4 + [[False]] * 4)
    unmatched = {f"x{i}": (i, slot(3)) for i in range(4, 8)}
    scores = score(
        replace(
            episode,
            detections=episode.detections | unmatched,
            tracks=episode.tracks | {"t9": list(unmatched)},
            identities={"i0": ["t0", "t9"]},
        )
    )
    assert scores.track_idf1 == scores.identity_idf1 == pytest.approx(2 * 4 / (4 + 8))
    assert scores.character_precision == pytest.approx(0.5)
    assert scores.screen_time_error_max == pytest.approx(1.0)


def test_following_a_face_that_is_hardly_in_view_costs_nothing() -> None:
    episode = together(1, frames=6)
    faces = [(i, person, box, 1.0 if i < 3 else 0.59) for i, person, box, _ in episode.faces]
    followed = score(replace(episode, faces=faces))
    for scores in (followed, score(replace(episode, faces=faces, tracks={"t0": ["d0-0", "d1-0", "d2-0"]}))):
        assert scores.track_hota == scores.track_idf1 == scores.identity_idf1 == pytest.approx(1.0)
        assert scores.screen_time_error_max == pytest.approx(0.0)
        assert scores.character_precision == 1.0


def test_an_analysed_frame_stands_for_the_time_until_the_next_one() -> None:
    # Nine frames of which three are analysed; on the last of them no face is found.
    episode = replace(together(1, frames=9), analysed=(0, 3, 6))
    found = {key: episode.detections[key] for key in ("d0-0", "d3-0")}
    person = score(replace(episode, detections=found, tracks={"t0": list(found)})).per_person[0]
    assert person.presence_s == pytest.approx(9 / FPS)
    assert person.predicted_s == pytest.approx(6 / FPS)
    assert person.screen_time_error == pytest.approx(3 / 9)
    assert person.character_recall == pytest.approx(6 / 9)


def test_the_last_analysed_frame_stands_for_the_rest_of_the_video() -> None:
    person = score(replace(together(1, frames=9), analysed=(0, 3, 6))).per_person[0]
    assert person.screen_time_error == pytest.approx(0.0)


def test_of_a_person_in_pieces_the_longest_counts() -> None:
    pieces = replace(
        together(1, frames=10),
        tracks={"t0": [f"d{i}-0" for i in range(3)], "t1": [f"d{i}-0" for i in range(3, 10)]},
        identities={"i0": ["t0"], "i1": ["t1"]},
    )
    person = score(pieces).per_person[0]
    assert person.identity_id == "i1"
    assert person.screen_time_error == pytest.approx(3 / 10)
    assert person.character_recall == pytest.approx(7 / 10)


def test_of_two_people_in_one_identity_only_one_has_it() -> None:
    merged = score(replace(together(2), identities={"i0": ["t0", "t1"]}))
    assert sorted(person.identity_id or "" for person in merged.per_person) == ["", "i0"]
    assert merged.character_precision == pytest.approx((0.5 + 0.0) / 2)
    assert merged.character_recall == pytest.approx((1.0 + 0.0) / 2)
    assert sorted(person.screen_time_error for person in merged.per_person) == pytest.approx([0.0, 1.0])


def test_the_assignment_is_best_for_all_and_not_for_the_first() -> None:
    # i0 holds 5 frames of person-0 and 4 of person-1; i1 holds 4 of person-0.
    episode = perfect([[True, False]] * 9 + [[False, True]] * 4)
    tracks = {
        "t0": [f"d{i}-0" for i in range(5)],
        "t1": [f"d{i}-0" for i in range(5, 9)],
        "t2": [f"d{i}-1" for i in range(9, 13)],
    }
    scores = score(replace(episode, tracks=tracks, identities={"i0": ["t0", "t2"], "i1": ["t1"]}))
    assert [person.identity_id for person in scores.per_person] == ["i1", "i0"]


@given(episodes(), st.permutations("ABC"))
def test_the_names_of_the_people_do_not_change_how_well_they_are_followed(episode: Episode, names: list[str]) -> None:
    new_name = dict(zip("ABC", names, strict=True))
    renamed = replace(episode, faces=[(i, new_name[person], box, seen) for i, person, box, seen in episode.faces])
    before, after = score(episode).to_dict(), score(renamed).to_dict()
    assert {name: after[name] for name in MOT_FIGURES} == {name: before[name] for name in MOT_FIGURES}


@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=3), min_size=1, max_size=6))
def test_other_numbers_for_the_same_ids_change_nothing(rows: list[list[tuple[int, int]]]) -> None:
    frames = np.arange(len(rows))
    flat = [(t, place, *ids) for t, row in enumerate(rows) for place, ids in enumerate(row)]
    frame_idx, place, truth, found = np.array(flat, np.int64).reshape(-1, 4).T
    boxes = np.array([slot(int(i)) for i in place], np.float32).reshape(-1, 4)

    def scored(truth_ids: np.ndarray, found_ids: np.ndarray) -> tuple[float, ...]:
        return score_mot(frames, Boxes(frame_idx, truth_ids, boxes), Boxes(frame_idx, found_ids, boxes))

    assert scored(90 - 7 * truth, found * 5 + 2) == pytest.approx(scored(truth, found), nan_ok=True)


def test_without_people_and_detections_there_is_nothing_to_measure() -> None:
    scores = score(Episode(frames=2, faces=[])).to_dict()
    for name in ("track_hota", "track_idf1", "identity_idf1", "character_recall", "screen_time_error_max"):
        assert scores[name] is None
