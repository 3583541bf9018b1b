import csv
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import table_of
from screenalytics_assets.core.config.keys import ScreenTimeSettings
from screenalytics_assets.core.documents.damage import Damage
from screenalytics_assets.core.documents.screen_time import ScreenTime, ScreenTimeTotals, SharedTime
from screenalytics_assets.core.screen_time.episode import (
    link_similarities,
    picture_warning,
    screen_time,
)
from screenalytics_assets.core.screen_time.export import CSV_COLUMNS, screen_time_csv
from screenalytics_assets.core.screen_time.sightings import Sightings
from tests.unit.document_builders import identities_with, identity_with

FPS = 10
SHOT_FRAMES = 40
"""Four seconds; a cut after each."""
LEFT, RIGHT = [0.1, 0.1, 0.2, 0.3], [0.6, 0.1, 0.7, 0.3]


def footage(shots: int = 2, step: int = 1) -> tuple[pa.Table, pa.Table]:
    """Analysed frames and shots of a video with ten frames a second, each ``step``-th frame analysed."""
    starts = [shot * SHOT_FRAMES for shot in range(shots)]
    frames = sorted({start + offset for start in starts for offset in [*range(0, SHOT_FRAMES, step), SHOT_FRAMES - 1]})
    analysed = table_of(
        schemas.ANALYSED_FRAMES,
        {
            "ep_id": ["a-s01e01"] * len(frames),
            "frame_idx": frames,
            "ts_s": [frame / FPS for frame in frames],
            "shot_idx": [frame // SHOT_FRAMES for frame in frames],
        },
    )
    table = table_of(
        schemas.SHOTS,
        {
            "ep_id": ["a-s01e01"] * shots,
            "shot_idx": range(shots),
            "start_frame": starts,
            "end_frame": [start + SHOT_FRAMES - 1 for start in starts],
            "start_s": [start / FPS for start in starts],
            "end_s": [(start + SHOT_FRAMES) / FPS for start in starts],
        },
    )
    return analysed, table


def tracks_of(seen: dict[str, list[tuple[int, list[float]]]]) -> pa.Table:
    """Tracks by id, each a list of frame and box."""
    rows = [
        {
            "track_id": track_id,
            "boxes": [
                {"detection_id": f"{track_id}-{frame}", "frame_idx": frame, "ts_s": frame / FPS, "bbox": box}
                for frame, box in boxes
            ],
        }
        for track_id, boxes in seen.items()
    ]
    return pa.Table.from_pylist(
        rows, schema=pa.schema([schemas.TRACKS.field("track_id"), schemas.TRACKS.field("boxes")])
    )


def sightings(seen: dict[str, list[tuple[int, list[float]]]], *, shots: int = 2, step: int = 1) -> Sightings:
    return Sightings(tracks_of(seen), *footage(shots, step))


def on_frames(*frames: int, box: list[float] = LEFT) -> list[tuple[int, list[float]]]:
    return [(frame, box) for frame in frames]


def document_of(
    people: dict[str, list[str]], seen: Sightings, *, gap_s: float = 1.0, similarity: dict[str, float] | None = None
) -> ScreenTime:
    identities = identities_with(*(identity_with(name, track_ids, num_faces=5) for name, track_ids in people.items()))
    return screen_time(
        "a-s01e01",
        identities,
        seen,
        similarity or {},
        ScreenTimeSettings(gap_tolerance_s=gap_s),
        duration_s=8.0,
        weak_link_sim=0.4,
    )


def test_a_face_on_every_frame_of_a_shot_is_there_from_cut_to_cut() -> None:
    seen = sightings({"t": on_frames(*range(40, 80))})
    assert seen.intervals(["t"]).tolist() == [[4.0, 8.0]]


def test_between_two_looks_the_middle_is_where_a_face_comes_and_goes() -> None:
    seen = sightings({"t": on_frames(9, 12, 15)}, step=3)
    assert np.allclose(seen.intervals(["t"]), [[0.75, 1.65]])


def test_the_last_look_of_a_shot_reaches_to_the_cut_and_not_beyond() -> None:
    seen = sightings({"t": on_frames(36, 39)}, step=3)
    assert np.allclose(seen.intervals(["t"]), [[3.45, 4.0]])


def test_a_gap_is_bridged_within_a_shot_and_never_across_a_cut() -> None:
    seen = sightings({"t": on_frames(10, 15, 38, 42)})
    assert np.allclose(seen.intervals(["t"], gap_s=1.0), [[0.95, 1.55], [3.75, 3.85], [4.15, 4.25]])


def test_a_gap_longer_than_the_tolerance_stays() -> None:
    seen = sightings({"t": on_frames(10, 15)})
    assert len(seen.intervals(["t"], gap_s=0.3)) == 2
    assert len(seen.intervals(["t"], gap_s=0.4)) == 1


def test_a_person_hidden_by_another_face_is_not_on_screen() -> None:
    passing = on_frames(12, 13, box=LEFT)
    seen = sightings({"t": on_frames(10, 11, 14, 15), "passing": passing})
    assert np.allclose(seen.intervals(["t"], gap_s=1.0), [[0.95, 1.15], [1.35, 1.55]])


def test_a_face_elsewhere_in_the_frame_hides_no_one() -> None:
    seen = sightings({"t": on_frames(10, 11, 14, 15), "other": on_frames(12, 13, box=RIGHT)})
    assert np.allclose(seen.intervals(["t"], gap_s=1.0), [[0.95, 1.55]])


def test_a_hidden_place_is_looked_for_where_the_face_would_be_by_then() -> None:
    moving = [(10, [0.0, 0.0, 0.1, 0.1]), (14, [0.4, 0.0, 0.5, 0.1])]
    seen = sightings({"t": moving, "half way": [(12, [0.2, 0.0, 0.3, 0.1])]})
    assert np.allclose(seen.intervals(["t"], gap_s=1.0), [[0.95, 1.15], [1.25, 1.45]])


def test_padding_ends_at_the_cut() -> None:
    seen = sightings({"t": on_frames(1, 20, 39)})
    assert np.allclose(seen.intervals(["t"], padding_s=0.2), [[0.0, 0.35], [1.75, 2.25], [3.65, 4.0]])


def test_two_tracks_of_one_person_at_once_count_once() -> None:
    frames = on_frames(*range(40))
    document = document_of({"ann": ["a", "b"]}, sightings({"a": frames, "b": frames}))
    assert document.people[0].visual_s == 4.0
    assert document.totals.sum_s == 4.0


def test_two_people_at_once_count_for_each_and_once_for_the_union() -> None:
    seen = sightings({"a": on_frames(*range(40)), "b": on_frames(*range(20, 60), box=RIGHT)})
    document = document_of({"ann": ["a"], "bob": ["b"]}, seen)
    totals = document.totals
    assert (totals.union_s, totals.sum_s, totals.overlap_s) == (5.95, 8.0, 2.05)
    assert document.together == (SharedTime(people=("ann", "bob"), seconds=2.05),)


def test_identities_of_one_person_are_one_row_under_the_name() -> None:
    seen = sightings({"a": on_frames(*range(40)), "b": on_frames(*range(40, 80))})
    member: dict[str, Any] = {"person_id": "ann-lee", "name": "Ann Lee", "num_faces": 3}
    identities = identities_with(
        identity_with("ident_001", ["a"], **member), identity_with("ident_002", ["b"], **member)
    )
    document = screen_time("a-s01e01", identities, seen, {}, ScreenTimeSettings(), duration_s=8.0, weak_link_sim=0.4)
    (row,) = document.people
    assert (row.person_id, row.name, row.identity_ids) == ("ann-lee", "Ann Lee", ("ident_001", "ident_002"))
    assert (row.visual_s, row.longest_s, row.share, row.faces) == (8.0, 8.0, 1.0, 6)


def test_confidence_is_what_remains_without_the_weak_links() -> None:
    seen = sightings({"a": on_frames(*range(30)), "b": on_frames(*range(40, 50))})
    document = document_of({"ann": ["a", "b"]}, seen, similarity={"a": 0.8, "b": 0.3})
    (row,) = document.people
    assert (row.visual_s, row.weak_link_s) == (3.9, 0.95)
    assert row.confidence == pytest.approx(2.95 / 3.9, abs=1e-4)


def test_a_person_of_a_single_track_rests_on_no_link() -> None:
    document = document_of({"ann": ["a"]}, sightings({"a": on_frames(1, 2)}))
    assert document.people[0].confidence == 1.0


def test_an_outlier_has_no_confidence() -> None:
    identities = identities_with(identity_with("ident_001", ["a"], outlier=True))
    seen = sightings({"a": on_frames(1, 2)})
    document = screen_time("a-s01e01", identities, seen, {}, ScreenTimeSettings(), duration_s=8.0, weak_link_sim=0.4)
    assert (document.people[0].confidence, document.people[0].weak_link_s) == (0.0, 0.2)


def test_bridged_seconds_are_distinguished_from_seen_ones() -> None:
    document = document_of({"ann": ["a"]}, sightings({"a": on_frames(10, 11, 14, 15)}))
    assert (document.people[0].visual_s, document.people[0].bridged_s) == (0.6, 0.2)


def test_unassigned_faces_are_counted_separately() -> None:
    identities = identities_with(unassigned={"a": "blurry"})
    seen = sightings({"a": on_frames(0, 1)})
    document = screen_time("a-s01e01", identities, seen, {}, ScreenTimeSettings(), duration_s=8.0, weak_link_sim=0.4)
    assert document.people == ()
    assert document.totals == ScreenTimeTotals(union_s=0.0, sum_s=0, overlap_s=0.0, unassigned_s=0.15)


def test_pictures_of_faces_are_counted_apart_from_people_and_from_unassigned_faces() -> None:
    identities = identities_with(identity_with("ident_001", ["a"]), unassigned={"b": "picture", "c": "blurry"})
    seen = sightings({"a": on_frames(0, 1), "b": on_frames(*range(20), box=RIGHT), "c": on_frames(41, 42)})
    document = screen_time("a-s01e01", identities, seen, {}, ScreenTimeSettings(), duration_s=8.0, weak_link_sim=0.4)
    assert document.totals == ScreenTimeTotals(
        union_s=0.15, sum_s=0.15, overlap_s=0.0, unassigned_s=0.2, picture_s=1.95
    )
    warning = picture_warning(document, identities)
    assert warning is not None
    assert "frozen frame): 1, together 1.9 s" in warning


def test_without_pictures_nothing_is_said_about_them() -> None:
    identities = identities_with(identity_with("ident_001", ["a"]), unassigned={"c": "blurry"})
    seen = sightings({"a": on_frames(0, 1), "c": on_frames(41, 42)})
    document = screen_time("a-s01e01", identities, seen, {}, ScreenTimeSettings(), duration_s=8.0, weak_link_sim=0.4)
    assert "picture_s" not in document.totals.to_dict()
    assert picture_warning(document, identities) is None


def test_links_are_compared_with_the_rest_of_the_person_only() -> None:
    identities = identities_with(identity_with("ident_001", ["a", "b", "c"]), identity_with("ident_002", ["d"]))
    vectors = np.eye(4, dtype=np.float32)
    vectors[1] = vectors[0]
    assert link_similarities(identities, ["a", "b", "c", "d"], vectors) == {"a": 0.5, "b": 0.5, "c": 0.0}


def test_the_spreadsheet_has_a_row_per_person_in_the_order_of_the_document() -> None:
    seen = sightings({"a": on_frames(0, 1), "b": on_frames(*range(40, 60), box=RIGHT)})
    document = document_of({"ann": ["a"], "bob": ["b"]}, seen)
    rows = list(csv.DictReader(io.StringIO(screen_time_csv(document))))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["person"] for row in rows] == ["bob", "ann"]
    assert float(rows[1]["visual_s"]) == document.people[1].visual_s


@given(
    st.dictionaries(
        st.sampled_from("abcd"),
        st.lists(st.tuples(st.integers(0, 79), st.sampled_from([LEFT, RIGHT])), min_size=1, unique_by=lambda x: x[0]),
        max_size=4,
    ),
    st.sampled_from([0.0, 0.5, 2.0]),
)
def test_totals_agree_with_the_intervals_for_any_sightings(
    seen: dict[str, list[tuple[int, list[float]]]], gap_s: float
) -> None:
    boxes = {track_id: sorted(found) for track_id, found in seen.items()}
    document = document_of({f"p{t}": [t] for t in boxes}, sightings(boxes), gap_s=gap_s)
    totals = document.totals
    lengths = [sum(end - start for start, end in person.intervals) for person in document.people]
    assert [person.visual_s for person in document.people] == pytest.approx(lengths, abs=1e-3)
    assert totals.sum_s == pytest.approx(sum(lengths), abs=1e-3)
    assert max(lengths, default=0) - 1e-3 <= totals.union_s <= min(document.duration_s, totals.sum_s) + 1e-3
    assert totals.overlap_s <= totals.union_s + 1e-3
    for person in document.people:
        assert all(0 <= start < end <= document.duration_s for start, end in person.intervals)
        assert person.weak_link_s >= 0
        assert person.bridged_s >= 0
        for start, end in person.intervals:
            if start < 4.0 < end:  # across the cut only where there is a face at either side of it
                assert {39, 40} <= {frame for t in boxes if f"p{t}" == person.person_id for frame, _ in boxes[t]}


@given(st.lists(st.integers(0, 79), min_size=1, unique=True), st.floats(0, 3), st.floats(0, 3))
def test_more_tolerance_never_shortens_the_time(frames: list[int], first_s: float, second_s: float) -> None:
    seen = sightings({"t": on_frames(*sorted(frames))})
    shorter, longer = sorted([first_s, second_s])
    lengths = [np.diff(seen.intervals(["t"], gap_s=gap_s)).sum() for gap_s in (shorter, longer)]
    assert lengths[0] <= lengths[1] + 1e-9


def test_damaged_seconds_are_never_sure() -> None:
    seen = sightings({"t": on_frames(*range(40, 80))})
    identities = identities_with(identity_with("ident_001", ["t"]))
    damage = Damage(damaged_s=2.0, intervals=((3.0, 5.0),))
    document = screen_time(
        "a-s01e01", identities, seen, {}, ScreenTimeSettings(), duration_s=8.0, weak_link_sim=0.4, damage=damage
    )
    (person,) = document.people
    assert (person.visual_s, person.damaged_s, person.confidence) == (4.0, 1.0, 0.75)
    assert document.damage == damage


def test_the_end_of_an_appearance_is_in_whole_milliseconds_at_the_end_of_the_video_too() -> None:
    seen = sightings({"t": on_frames(*range(40, 80))})
    identities = identities_with(identity_with("ident_001", ["t"]))
    ends = []
    for duration_s in (7.98765432, 7.001, 8.0):
        document = screen_time(
            "a-s01e01", identities, seen, {}, ScreenTimeSettings(), duration_s=duration_s, weak_link_sim=0.4
        )
        ends.append(document.people[0].last_s)
        assert document.people[0].intervals[-1][1] == ends[-1] <= duration_s
    assert ends == [7.987, 7.001, 8.0]


def test_seconds_without_a_picture_are_in_the_document_if_there_are_any() -> None:
    seen = sightings({"t": on_frames(0)})
    for missing_s, expected in ((1.23456, 1.235), (0.0, None)):
        document = screen_time(
            "a-s01e01",
            identities_with(),
            seen,
            {},
            ScreenTimeSettings(),
            duration_s=8.0,
            weak_link_sim=0.4,
            missing_s=missing_s,
        )
        assert document.missing_s == expected
        assert ("missing_s" in document.to_dict()) == (expected is not None)


def test_what_a_person_confirmed_is_sure_whatever_it_looks_like_and_what_joined_later_is_not() -> None:
    seen = sightings({"a": on_frames(*range(40)), "b": on_frames(*range(40, 50)), "c": on_frames(*range(60, 80))})
    weak = {"a": 0.1, "b": 0.1, "c": 0.1}
    damage = Damage(damaged_s=8.0, intervals=((0.0, 8.0),))
    found = []
    for confirmed in ({}, {"confirmed_track_ids": ("a", "b")}, {"confirmed_track_ids": ("a", "b", "c")}):
        document = screen_time(
            "a-s01e01",
            identities_with(identity_with("ident_001", ["a", "b", "c"], **confirmed)),
            seen,
            weak,
            ScreenTimeSettings(gap_tolerance_s=0.0, edge_padding_s=0.0),
            duration_s=8.0,
            weak_link_sim=0.4,
            damage=damage,
        )
        (person,) = document.people
        found.append((person.confidence, person.confirmed_s or 0.0, person.weak_link_s))
        assert ("confirmed_s" in person.to_dict()) == bool(confirmed)
    seconds = person.visual_s
    assert found[0] == (0.0, 0.0, seconds)
    assert found[2] == (1.0, seconds, 0.0)
    confidence, confirmed_s, weak_link_s = found[1]
    assert confirmed_s == pytest.approx(5.0, abs=0.1)
    assert confidence == pytest.approx(confirmed_s / seconds, abs=1e-4)
    assert weak_link_s == pytest.approx(seconds - confirmed_s)


@given(
    st.lists(st.tuples(st.integers(0, 79), st.integers(1, 20)), min_size=1, max_size=6),
    st.data(),
)
def test_to_confirm_more_never_makes_a_person_less_sure(spans: list[tuple[int, int]], data: st.DataObject) -> None:
    tracks = {f"t{i}": on_frames(*range(start, min(80, start + count))) for i, (start, count) in enumerate(spans)}
    weak = {track: data.draw(st.sampled_from([0.1, 0.9])) for track in tracks}
    some = data.draw(st.sets(st.sampled_from(sorted(tracks))))
    damage = Damage(damaged_s=2.0, intervals=((3.0, 5.0),))
    sure = []
    for confirmed in ((), some, tracks):
        fields = {"confirmed_track_ids": tuple(sorted(confirmed))} if confirmed else {}
        identities = identities_with(identity_with("ident_001", tracks, **fields))
        settings = ScreenTimeSettings()
        document = screen_time(
            "a-s01e01", identities, sightings(tracks), weak, settings, duration_s=8.0, weak_link_sim=0.4, damage=damage
        )
        (person,) = document.people
        sure.append(person.confidence)
        assert (person.confirmed_s or 0.0) <= person.visual_s + 1e-9
    assert sure == sorted(sure)
    assert sure[-1] == 1.0


def test_an_intact_video_has_no_word_about_damage() -> None:
    document = document_of({"ident_001": ["t"]}, sightings({"t": on_frames(*range(40, 80))}))
    assert "damage" not in document.to_dict()
    assert "damaged_s" not in document.people[0].to_dict()
