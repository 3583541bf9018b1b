import base64
import json

import dagster as dg
import numpy as np
import pytest

from screenalytics_assets.metadata import picture, table, to_metadata
from screenalytics_assets.reports.pictures import MAX_PICTURE_BYTES


def test_plain_values_stay_and_numpy_scalars_become_numbers() -> None:
    found = to_metadata({"count": np.int64(3), "share": np.float32(0.5), "flag": np.bool_(True), "name": "open"})
    assert found == {"count": 3, "share": 0.5, "flag": True, "name": "open"}
    assert [type(value) for value in found.values()] == [int, float, bool, str]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan"), np.float64("-inf")])
def test_a_number_that_cannot_be_plotted_is_left_out(value: float) -> None:
    assert to_metadata({"bad": value, "good": 1.0}) == {"good": 1.0}


@pytest.mark.parametrize(
    "value",
    [
        {"a": {"b": [1, 2]}},
        [1, "two"],
        (1, 2),
        {"scalar": np.float32(0.5), "many": [np.int64(1)]},
        {"nan": float("nan"), "in": [np.float32("inf")]},
        np.array([1.5, 2.5]),
    ],
)
def test_documents_are_shown_as_json_that_every_program_reads(value: object) -> None:
    shown = to_metadata({"document": value})["document"]
    assert isinstance(shown, dg.JsonMetadataValue)
    json.dumps(shown.value, allow_nan=False)


def test_numpy_values_in_documents_become_numbers_and_what_is_not_finite_null() -> None:
    shown = to_metadata({"document": {"x": np.float32(0.5), "y": [float("nan"), 1]}})["document"]
    assert shown.value == {"x": 0.5, "y": [None, 1]}


def test_whatever_is_shown_is_accepted_by_dagster() -> None:
    values = to_metadata(
        {
            "count": np.int64(3),
            "nothing": None,
            "document": {"a": 1},
            "people": table([{"identity": "ident_001", "seconds": 1.5, "tracks": 2, "known": True}]),
            "picture": picture(b"\xff\xd8jpeg", "faces"),
        }
    )
    result: dg.MaterializeResult[None] = dg.MaterializeResult(metadata=values)
    assert set(result.metadata or {}) == set(values)


@pytest.mark.parametrize(
    ("content", "kind"), [(b"\x89PNG....", "png"), (b"\xff\xd8....", "jpeg"), (b"<svg></svg>", "svg+xml")]
)
def test_a_picture_is_shown_in_place(content: bytes, kind: str) -> None:
    shown = picture(content, "who is who")
    assert shown.md_str == f"![who is who](data:image/{kind};base64,{base64.b64encode(content).decode()})"


def test_a_picture_that_is_too_large_for_the_event_log_is_refused() -> None:
    picture(bytes(MAX_PICTURE_BYTES), "large")
    with pytest.raises(ValueError, match=f"too large a sheet: {MAX_PICTURE_BYTES + 1} bytes"):
        picture(bytes(MAX_PICTURE_BYTES + 1), "too large a sheet")


def test_a_table_has_the_columns_of_its_rows_with_their_types() -> None:
    shown = table(
        [
            {"name": "a", "seconds": 1.5, "tracks": 2, "known": True},
            {"name": "b", "seconds": 2.0, "tracks": 1, "known": False},
        ]
    )
    columns = {column.name: column.type for column in shown.schema.columns}
    assert columns == {"name": "string", "seconds": "float", "tracks": "int", "known": "bool"}
    assert [record.data["name"] for record in shown.records] == ["a", "b"]


def test_an_empty_table_is_shown_too() -> None:
    shown = table([])
    assert shown.records == []
    to_metadata({"people": shown})
