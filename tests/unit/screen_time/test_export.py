import csv
import io
import json

import pyarrow as pa
import pytest

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.screen_time.export import ExportedBox, export_texts, exported_boxes
from tests.unit.document_builders import identities_with, identity_with, person_time, screen_time_with

TRACKS = pa.Table.from_pylist(
    [
        {
            "track_id": "track-00002",
            "boxes": [{"detection_id": "d1", "frame_idx": 6, "ts_s": 0.25, "bbox": [0.25, 0.5, 0.5, 0.75]}],
        },
        {
            "track_id": "track-00005",
            "boxes": [
                {"detection_id": "d0", "frame_idx": 0, "ts_s": 0.0, "bbox": [0.0, 0.0, 0.125, 0.25]},
                {"detection_id": "d2", "frame_idx": 6, "ts_s": 0.25, "bbox": [0.0, 0.0, 0.125, 0.25]},
            ],
        },
    ],
    schema=pa.schema([schemas.TRACKS.field("track_id"), schemas.TRACKS.field("boxes")]),
)
DETECTIONS = pa.table({"detection_id": ["d0", "d1", "d2"], "confidence": [0.9, 0.8, 0.7]})
IDENTITIES = identities_with(
    identity_with("ident_004", ["track-00005"], name="Ann, Lee"), unassigned={"track-00002": "blurry"}
)
SCREEN_TIME = screen_time_with(person_time("ann", [(0.0, 1.5)], name="Ann, Lee"))


@pytest.fixture
def boxes() -> list[ExportedBox]:
    return exported_boxes(TRACKS, DETECTIONS, IDENTITIES, width=1280, height=720)


def test_boxes_are_in_pixels_by_frame_and_know_their_person(boxes: list[ExportedBox]) -> None:
    assert [(box.frame_idx, box.track_id, box.person) for box in boxes] == [
        (0, "track-00005", "Ann, Lee"),
        (6, "track-00002", None),
        (6, "track-00005", "Ann, Lee"),
    ]
    assert [box.person_id for box in boxes] == ["ident_004", None, "ident_004"]
    assert boxes[1][-5:] == (320.0, 360.0, 320.0, 180.0, 0.8)


def test_a_person_without_a_name_is_called_as_in_the_screen_time() -> None:
    merged = identity_with("ident_009", ["track-00002"], person_id="ann")
    identities = identities_with(identity_with("ident_004", ["track-00005"]), merged)
    boxes = exported_boxes(TRACKS, DETECTIONS, identities, width=1280, height=720)
    assert [(box.person_id, box.person) for box in boxes[:2]] == [("ident_004", "ident_004"), ("ann", "ann")]


def test_mot_counts_frames_and_ids_from_one(boxes: list[ExportedBox]) -> None:
    (text,) = export_texts(boxes, SCREEN_TIME, "mot").values()
    assert text.splitlines() == [
        "1,2,0.00,0.00,160.00,180.00,0.9000,-1,-1,-1",
        "7,1,320.00,360.00,320.00,180.00,0.8000,-1,-1,-1",
        "7,2,0.00,0.00,160.00,180.00,0.7000,-1,-1,-1",
    ]


def test_a_spreadsheet_keeps_names_with_commas_in_one_cell(boxes: list[ExportedBox]) -> None:
    files = export_texts(boxes, SCREEN_TIME, "csv")
    rows = list(csv.DictReader(io.StringIO(files["tracks.csv"])))
    assert [row["person"] for row in rows] == ["Ann, Lee", "", "Ann, Lee"]
    assert next(csv.DictReader(io.StringIO(files["screen_time.csv"])))["name"] == "Ann, Lee"


def test_a_name_that_is_a_formula_is_a_text_in_every_spreadsheet() -> None:
    formula = '=HYPERLINK("http://example.org")'
    identities = identities_with(identity_with("ident_004", ["track-00005", "track-00002"], name=formula))
    boxes = exported_boxes(TRACKS, DETECTIONS, identities, width=1280, height=720)
    files = export_texts(boxes, screen_time_with(person_time("ann", [(0.0, 1.5)], name=formula)), "csv")
    for text, column in ((files["tracks.csv"], "person"), (files["screen_time.csv"], "name")):
        assert {row[column] for row in csv.DictReader(io.StringIO(text))} == {f"'{formula}"}


def test_json_lines_hold_the_same_rows(boxes: list[ExportedBox]) -> None:
    files = export_texts(boxes, SCREEN_TIME, "jsonl")
    assert [json.loads(line) for line in files["tracks.jsonl"].splitlines()] == [box._asdict() for box in boxes]
    assert [json.loads(line) for line in files["screen_time.jsonl"].splitlines()] == [
        {**SCREEN_TIME.people[0].to_dict(), "identity_ids": ["ident_001"], "intervals": [[0.0, 1.5]]}
    ]
