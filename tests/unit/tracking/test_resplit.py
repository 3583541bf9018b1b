from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.common.schemas import CUTS
from screenalytics_assets.core.quality import integrity
from screenalytics_assets.core.tracking.resplit import (
    Resplit,
    cut_counts,
    known_vectors,
    resplit_tracks,
    unsplit,
)
from screenalytics_assets.core.tracking.track_table import track_ids_by_detection
from tests.unit.builders import detections_table, faces_table, people, track_id, tracks_table
from tests.unit.tracking.test_split_and_link import LIMITS, Footage


def known_of(footage: Footage, *, every: int = 1) -> dict[str, NDArray[np.float32]]:
    ids = [f"det-{i + 1:06d}" for i in range(0, len(footage.who), every)]
    return dict(zip(ids, footage.embed(ids), strict=True))


def resplit(
    footage: Footage,
    *,
    every: int = 1,
    reasons: Mapping[int, str] | None = None,
    known: Mapping[str, NDArray[np.float32]] | None = None,
) -> Resplit:
    return resplit_tracks(
        tracks_table(footage.tracks, split_reasons=reasons),
        footage.detections,
        known_of(footage, every=every) if known is None else known,
        LIMITS,
        interval_s=0.5,
        max_gap_s=2.0,
    )


def ids(tracks: pa.Table) -> list[str]:
    return [str(name) for name in tracks["track_id"].to_pylist()]


def test_a_track_of_two_people_is_cut_where_the_face_changes() -> None:
    footage = Footage([(0, [0] * 30 + [1] * 30)])
    found = resplit(footage)
    assert footage.seen_in(found.tracks) == [[0], [1]]
    (cut,) = found.cuts.to_pylist()
    assert (cut["track_id"], cut["new_track_id"]) == (track_id(0), track_id(1))
    assert cut["detection_id"] == "det-000031"
    assert cut["reason"] == "hard"
    assert cut["ts_s"] == pytest.approx(90 / 24)


def test_with_few_vectors_the_cut_is_between_the_two_that_differ() -> None:
    footage = Footage([(0, [0] * 30 + [1] * 30)])
    found = resplit(footage, every=4)
    (cut,) = found.cuts.to_pylist()
    assert 29 <= int(cut["detection_id"].removeprefix("det-")) <= 33
    assert cut_counts(found.cuts) == {"hard": 1, "streak": 0, "iou": 0, "total": 1}


def test_some_of_the_tracks_keep_their_ids_without_the_others() -> None:
    footage = Footage([(0, [0] * 20), (30, [1] * 20 + [2] * 20), (120, [3] * 30)], shots=[0, 1, 2])
    tracks = tracks_table(footage.tracks)
    for part in (tracks.slice(1), pa.concat_tables([tracks.slice(1, 1), tracks.slice(2)])):
        found = resplit_tracks(
            part, footage.detections, known_of(footage), LIMITS, interval_s=0.5, max_gap_s=2.0
        ).tracks
        assert ids(found) == [track_id(1), track_id(3), track_id(2)]


def test_correct_tracks_keep_their_ids_and_new_tracks_have_numbers_that_no_track_had() -> None:
    footage = Footage([(0, [0] * 20 + [1] * 20), (30, [2] * 30), (120, [3] * 20 + [4] * 20)], shots=[0, 0, 1])
    found = resplit(footage)
    assert dict(zip(ids(found.tracks), footage.seen_in(found.tracks), strict=True)) == {
        track_id(0): [0],
        track_id(1): [2],
        track_id(2): [3],
        track_id(3): [1],
        track_id(4): [4],
    }


def test_tracks_of_one_person_keep_their_ids_and_reasons() -> None:
    footage = Footage([(0, [0] * 30), (90, [1] * 12)])
    found = resplit(footage, reasons={1: "streak"})
    before = tracks_table(footage.tracks, split_reasons={1: "streak"})
    assert found.tracks.drop_columns(["mean_confidence"]).equals(before.drop_columns(["mean_confidence"]))
    assert found.cuts.num_rows == 0


def test_a_second_split_changes_nothing() -> None:
    footage = Footage([(0, [0] * 20 + [1] * 20), (0, [1] * 20 + [0] * 20), (200, [2] * 9 + [3] * 2 + [2] * 9)])
    once = footage.split().tracks
    again = resplit_tracks(once, footage.detections, known_of(footage), LIMITS, interval_s=0.5, max_gap_s=2.0)
    assert again.tracks.equals(once)
    assert again.cuts.num_rows == 0


def test_two_faces_that_change_places_are_two_cuts_and_two_tracks() -> None:
    footage = Footage([(0, [0] * 20 + [1] * 20), (0, [1] * 20 + [0] * 20)])
    found = resplit(footage)
    assert footage.seen_in(found.tracks) == [[0], [1]]
    assert ids(found.tracks) == [track_id(0), track_id(1)]
    assert {(cut["track_id"], cut["new_track_id"]) for cut in found.cuts.to_pylist()} == {
        (track_id(0), track_id(1)),
        (track_id(1), track_id(0)),
    }


def test_a_face_that_returns_is_no_second_cut() -> None:
    footage = Footage([(0, [0] * 15 + [1] * 12 + [0] * 15)])
    found = resplit(footage)
    assert footage.seen_in(found.tracks) == [[0], [1]]
    assert found.cuts["detection_id"].to_pylist() == ["det-000016"]


def test_without_vectors_nothing_is_cut() -> None:
    footage = Footage([(0, [0] * 20 + [1] * 20)])
    found = resplit(footage, known={})
    assert ids(found.tracks) == [track_id(0)]
    assert found.cuts.schema.equals(CUTS)


def test_an_episode_without_tracks_has_none_afterwards() -> None:
    empty = tracks_table([])
    found = resplit_tracks(empty, detections_table([]), {}, LIMITS, interval_s=0.5, max_gap_s=2.0)
    assert found.tracks.equals(unsplit(empty).tracks)
    assert cut_counts(found.cuts)["total"] == 0


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=4), st.integers(1, 3))
@settings(max_examples=40)
def test_no_detection_is_lost_or_duplicated_and_ids_are_unique(who: Sequence[Sequence[int]], every: int) -> None:
    footage = Footage([(40 * i, [p for p in people_seen for _ in range(3)]) for i, people_seen in enumerate(who)])
    found = resplit(footage, every=every)
    before = tracks_table(footage.tracks)
    assert set(track_ids_by_detection(found.tracks)) == set(track_ids_by_detection(before))
    assert found.tracks["boxes"].combine_chunks().flatten().field("detection_id").value_counts().field(
        "counts"
    ).to_pylist() == [1] * len(footage.who)
    assert integrity.unique_breaches("tracks", ids(found.tracks)) == []


def test_only_vectors_of_the_given_model_are_known() -> None:
    faces = faces_table([0, 0, 1], [0.9, 0.8, 0.7])
    place = faces.schema.get_field_index("model_digest")
    faces = faces.set_column(place, faces.schema.field(place), pa.array(["a", "b", "a"]))
    vectors = people([1, 1, 1])
    known = known_vectors(faces, vectors, "a")
    assert list(known) == ["det-000001", "det-000003"]
    np.testing.assert_array_equal(known["det-000003"], vectors[2])
