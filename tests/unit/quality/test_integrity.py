from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.quality import integrity
from tests.unit.builders import Box, Seen, detections_table, faces_table, people, shots_table, tracks_table
from tests.unit.document_builders import identities_with, identity_with


def with_column(table: pa.Table, name: str, values: object) -> pa.Table:
    field = table.schema.field(name)
    return table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))


# Schema


def test_declared_tables_pass() -> None:
    assert integrity.schema_breaches("detections", detections_table([Seen(), Seen(yaw=None)]), schemas.DETECTIONS) == []
    assert integrity.schema_breaches("tracks", tracks_table([[Seen()]]), schemas.TRACKS) == []
    assert integrity.schema_breaches("faces", faces_table([], []), schemas.FACES) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.drop_columns(["confidence"]),
        lambda table: table.append_column("more", pa.array([1])),
        lambda table: table.select(table.schema.names[::-1]),
        lambda table: table.set_column(2, "frame_idx", pa.array([1], pa.int64())),
        lambda table: table.rename_columns([*table.schema.names[:-1], "quality"]),
    ],
)
def test_columns_that_are_not_as_declared_are_a_breach(spoil: Callable[[pa.Table], pa.Table]) -> None:
    breaches = integrity.schema_breaches("detections", spoil(detections_table([Seen()])), schemas.DETECTIONS)
    assert len(breaches) == 1
    assert breaches[0].startswith("detections: columns")


def test_a_null_where_none_is_allowed_is_a_breach() -> None:
    holed = with_column(detections_table([Seen(), Seen()]), "quality_score", [0.5, None])
    breaches = integrity.schema_breaches("detections", holed, schemas.DETECTIONS)
    assert breaches == ["detections: nulls in quality_score"]


# Boxes, scores, landmarks


@pytest.mark.parametrize(
    ("box", "complaint"),
    [
        ((-0.01, 0.1, 0.2, 0.2), "outside the frame"),
        ((0.9, 0.1, 1.01, 0.2), "outside the frame"),
        ((120, 80, 200, 160), "outside the frame"),
        ((np.nan, 0.1, 0.2, 0.2), "outside the frame"),
        ((0.2, 0.1, 0.2, 0.3), "without area"),
        ((0.3, 0.1, 0.2, 0.3), "without area"),
        ((0.1, 0.3, 0.2, 0.1), "without area"),
    ],
)
def test_a_box_outside_the_frame_or_without_area_is_a_breach(box: Box, complaint: str) -> None:
    breaches = integrity.box_breaches("detections", detections_table([Seen(), Seen(bbox=box)]))
    assert any(complaint in breach and "row 1" in breach and "row 0" not in breach for breach in breaches)


def test_boxes_up_to_the_edges_are_fine() -> None:
    assert integrity.box_breaches("detections", detections_table([Seen(bbox=(0, 0, 1, 1)), Seen()])) == []
    assert integrity.box_breaches("detections", detections_table([])) == []


@pytest.mark.parametrize("score", [-0.01, 1.01, np.nan])
def test_a_score_that_is_no_fraction_is_a_breach(score: float) -> None:
    table = with_column(detections_table([Seen(), Seen()]), "confidence", [0.5, score])
    breaches = integrity.range_breaches("detections", table, ("confidence", "quality_score"))
    assert breaches == ["detections: confidence not between 0 and 1: row 1"]


def test_scores_of_0_and_1_are_fine() -> None:
    table = with_column(detections_table([Seen(), Seen()]), "confidence", [0.0, 1.0])
    assert integrity.range_breaches("detections", table, ("confidence", "quality_score")) == []


def test_landmarks_that_are_not_finite_are_a_breach() -> None:
    table = detections_table([Seen(), Seen()])
    assert integrity.landmark_breaches("detections", table) == []
    points = table["landmarks"].to_pylist()
    points[1][4][0] = float("nan")
    spoiled = with_column(table, "landmarks", points)
    assert integrity.landmark_breaches("detections", spoiled) == ["detections: landmarks not finite: row 1"]


# Ids and accounting


def test_an_id_that_stands_twice_is_named() -> None:
    assert integrity.unique_breaches("faces", ["a", "b", "c"]) == []
    assert integrity.unique_breaches("faces", ["a", "b", "a"]) == ["faces: duplicate ids: a"]


def test_a_reference_to_what_does_not_exist_is_named() -> None:
    assert integrity.reference_breaches("faces", ["a", "a"], ["a", "b"]) == []
    assert integrity.reference_breaches("faces", ["a", "x"], ["a"]) == ["faces: references to ids that do not exist: x"]


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ((["a"], ["b"]), "unaccounted for: c"),
        ((["a", "b"], ["b", "c"]), "duplicate ids: b"),
        ((["a", "b", "b"], ["c"]), "duplicate ids: b"),
        ((["a", "b", "c"], ["d"]), "do not exist: d"),
    ],
)
def test_a_member_lost_doubled_or_invented_is_a_breach(parts: Sequence[Sequence[str]], complaint: str) -> None:
    breaches = integrity.partition_breaches("tracks", ["a", "b", "c"], *parts)
    assert len(breaches) == 1
    assert complaint in breaches[0]


@given(st.lists(st.sampled_from([0, 1, 2]), max_size=12))
def test_a_true_partition_passes_also_as_iterators(part_of: list[int]) -> None:
    whole = [f"m{i}" for i in range(len(part_of))]
    parts = [iter([m for m, of in zip(whole, part_of, strict=True) if of == part]) for part in range(3)]
    assert integrity.partition_breaches("tracks", iter(whole), *parts) == []


def test_a_long_list_of_offenders_is_cut_short_with_their_number() -> None:
    breaches = integrity.reference_breaches("faces", [f"f{i}" for i in range(9)], [])
    assert breaches == ["faces: references to ids that do not exist: f0, f1, f2 and 6 more"]


# Shots


SHOTS = [(0, 99), (100, 199), (200, 299)]


def test_tracks_inside_their_shots_pass() -> None:
    tracks = tracks_table(
        [[Seen(0), Seen(99)], [Seen(100, shot_idx=1), Seen(199, shot_idx=1)], [Seen(250, shot_idx=2)]]
    )
    assert integrity.shot_breaches(tracks, shots_table(SHOTS)) == []
    assert integrity.shot_breaches(tracks_table([]), shots_table(SHOTS)) == []
    assert integrity.shot_breaches(tracks_table([]), shots_table([])) == []


@pytest.mark.parametrize(
    "track",
    [
        [Seen(90, shot_idx=0), Seen(100, shot_idx=0)],
        [Seen(99, shot_idx=1), Seen(120, shot_idx=1)],
        [Seen(150, shot_idx=0)],
    ],
)
def test_a_track_across_a_cut_is_named(track: list[Seen]) -> None:
    breaches = integrity.shot_breaches(tracks_table([[Seen(5)], track]), shots_table(SHOTS))
    assert breaches == ["tracks: tracks across a cut: track-00002"]


@pytest.mark.parametrize("shot_idx", [3, 99, -1])
def test_a_track_in_a_shot_that_does_not_exist_is_named(shot_idx: int) -> None:
    tracks = tracks_table([[Seen(5)], [Seen(250, shot_idx=shot_idx)]])
    breaches = integrity.shot_breaches(tracks, shots_table(SHOTS))
    assert len(breaches) == 1
    assert "track-00002" in breaches[0]
    assert "track-00001" not in breaches[0]


def test_tracks_without_any_shots_are_a_breach() -> None:
    assert integrity.shot_breaches(tracks_table([[Seen()]]), shots_table([])) != []


@pytest.mark.parametrize("ranges", [[(0, 99), (101, 199)], [(0, 99), (99, 199)], [(100, 199), (0, 99)]])
def test_a_gap_or_an_overlap_between_shots_is_a_breach(ranges: list[tuple[int, int]]) -> None:
    breaches = integrity.shot_breaches(tracks_table([]), shots_table(ranges))
    assert breaches == ["shots: shot 1 does not begin where shot 0 ends"]


# Vectors and ranks


def test_one_unit_vector_for_each_row_passes() -> None:
    assert integrity.vector_breaches(people([2, 3]), 5) == []
    assert integrity.vector_breaches(np.zeros((0, 512), np.float32), 0) == []


@pytest.mark.parametrize("shape", [(4, 512), (6, 512), (5, 128), (2560,)])
def test_vectors_of_another_number_or_width_are_a_breach(shape: tuple[int, ...]) -> None:
    breaches = integrity.vector_breaches(np.zeros(shape, np.float32), 5)
    assert breaches == [f"faces.npy: shape {shape}, expected (5, 512)"]


def test_the_file_with_the_wrong_vectors_is_named() -> None:
    assert integrity.vector_breaches(people([2]), 3, name="gate.npy")[0].startswith("gate.npy: shape (2, 512)")
    assert integrity.vector_breaches(2 * people([2]), 2, name="gate.npy")[0].startswith("gate.npy: length not 1")


@pytest.mark.parametrize("factor", [0, 0.99, 1.01, np.nan, np.inf])
def test_a_vector_that_is_not_of_length_one_is_a_breach(factor: float) -> None:
    vectors = people([3])
    with np.errstate(invalid="ignore"):
        vectors[1] *= np.float32(factor)
    breaches = integrity.vector_breaches(vectors, 3)
    assert len(breaches) == 1
    assert breaches[0].endswith("row 1")


def test_ranks_that_follow_quality_in_each_track_pass() -> None:
    faces = faces_table([0, 0, 1, 0], [0.5, 0.9, 0.1, 0.5], ranks=[2, 1, 1, 3])
    assert integrity.rank_breaches(faces) == []
    assert integrity.rank_breaches(faces_table([], [])) == []


@pytest.mark.parametrize(
    ("quality", "ranks"),
    [
        ([0.5, 0.9], [1, 2]),
        ([0.9, 0.5], [1, 3]),
        ([0.9, 0.5], [0, 1]),
        ([0.9, 0.9], [1, 1]),
        ([0.9, 0.5], [2, 3]),
    ],
)
def test_ranks_with_gaps_repeats_or_against_quality_are_a_breach(quality: list[float], ranks: list[int]) -> None:
    faces = faces_table([0, 1, 1], [0.5, *quality], ranks=[1, *ranks])
    assert integrity.rank_breaches(faces) == ["faces: quality_rank is wrong in: track-00002"]


# Identities


IDENTITIES = identities_with(
    identity_with("ident_001", ["t1", "t2"]),
    identity_with("ident_002", ["t3"], outlier=True, reason="small_cluster"),
    unassigned={"t4": "no_accepted_face"},
)


def test_the_tracks_of_the_document_are_those_assigned_and_those_not() -> None:
    assert integrity.identity_track_ids(IDENTITIES) == (["t1", "t2", "t3"], ["t4"])
    assert integrity.reason_breaches(IDENTITIES) == []


@pytest.mark.parametrize("reason", [{}, {"reason": None}, {"reason": ""}])
def test_an_outlier_or_unassigned_track_without_a_reason_is_named(reason: dict[str, str | None]) -> None:
    outlier = identity_with("ident_002", ["t3"], outlier=True, **reason)
    silent = identities_with(IDENTITIES.identities[0], outlier, unassigned={"t4": ""})
    assert integrity.reason_breaches(silent) == ["identities: no reason given for: t4, ident_002"]


def test_tracks_that_cannot_be_linked_are_named_if_they_are_in_one_identity() -> None:
    assert integrity.cannot_link_breaches(IDENTITIES, [("t1", "t3"), ("t2", "t4"), ("t4", "t5")]) == []
    assert integrity.cannot_link_breaches(IDENTITIES, [("t1", "t2")]) == [
        "identities: tracks that overlap in time in one identity: t1 and t2 (ident_001)"
    ]
