import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import boxes_of, column_of, landmarks_of, table_of
from tests.unit.builders import Seen, detections_table, tracks_table

SCHEMA = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("yaw", pa.float32()),
    ]
)
GOOD = {"name": ["a", "b"], "score": np.array([0.5, 1.0]), "yaw": np.array([10.0, np.nan])}


def test_a_table_has_the_columns_of_the_schema_in_its_order() -> None:
    table = table_of(SCHEMA, dict(reversed(GOOD.items())))
    assert table.schema.equals(SCHEMA)
    assert table["name"].to_pylist() == ["a", "b"]


def test_nan_becomes_null_only_in_nullable_columns() -> None:
    table = table_of(SCHEMA, GOOD | {"score": np.array([np.nan, 1.0])})
    assert table["yaw"].null_count == 1
    assert table["score"].null_count == 0
    assert np.isnan(table["score"][0].as_py())


@pytest.mark.parametrize("values", [["a", None], pa.array(["a", None]), pa.chunked_array([["a"], [None]])])
def test_a_null_in_a_required_column_is_refused(values: object) -> None:
    with pytest.raises(pa.ArrowInvalid, match="name"):
        table_of(SCHEMA, GOOD | {"name": values})


@pytest.mark.parametrize(
    "columns",
    [
        GOOD | {"name": ["a"]},
        GOOD | {"score": ["high", "low"]},
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: dict[str, object]) -> None:
    with pytest.raises(pa.ArrowInvalid):
        table_of(SCHEMA, columns)


def test_boxes_of_the_wrong_width_are_refused() -> None:
    schema = pa.schema([pa.field("bbox", pa.list_(pa.float32(), 4)), pa.field("name", pa.string())])
    with pytest.raises(pa.ArrowInvalid):
        table_of(schema, {"bbox": np.zeros((4, 3), np.float32), "name": ["a", "b", "c", "d"]})


@given(arrays(np.float32, st.tuples(st.integers(0, 6), st.just(4)), elements=st.floats(0, 1, width=32)))
def test_boxes_survive_the_round_trip(boxes: NDArray[np.float32]) -> None:
    schema = pa.schema([pa.field("bbox", pa.list_(pa.float32(), 4), nullable=False)])
    np.testing.assert_array_equal(boxes_of(table_of(schema, {"bbox": boxes})["bbox"]), boxes)


@given(arrays(np.float32, st.tuples(st.integers(0, 6), st.just(5), st.just(2)), elements=st.floats(0, 1, width=32)))
def test_landmarks_survive_the_round_trip(points: NDArray[np.float32]) -> None:
    schema = pa.schema([pa.field("landmarks", pa.list_(pa.list_(pa.float32(), 2), 5), nullable=False)])
    np.testing.assert_array_equal(landmarks_of(table_of(schema, {"landmarks": points})["landmarks"]), points)


def test_boxes_of_a_slice_are_those_of_its_rows() -> None:
    table = detections_table([Seen(i, bbox=(i / 10, 0, i / 10 + 0.1, 1)) for i in range(5)])
    lefts = boxes_of(pa.concat_tables([table[3:], table[1:2]])["bbox"])[:, 0]
    np.testing.assert_allclose(lefts, [0.3, 0.4, 0.1])


def test_unknown_angles_are_nan() -> None:
    table = detections_table([Seen(yaw=None), Seen(yaw=30.0)])
    np.testing.assert_array_equal(column_of(table, "yaw"), np.array([np.nan, 30], np.float32))
    nothing_known = detections_table([Seen(yaw=None), Seen(yaw=None)])
    assert np.isnan(column_of(nothing_known, "yaw")).all()


@pytest.mark.parametrize("schema", [schemas.DETECTIONS, schemas.TRACKS, schemas.FACES, schemas.CROPS_DEBUG])
def test_every_table_can_be_empty(schema: pa.Schema) -> None:
    table = table_of(schema, {name: [] for name in schema.names})
    assert table.num_rows == 0
    assert table.schema.equals(schema)
    if "bbox" in schema.names:
        assert boxes_of(table["bbox"]).shape == (0, 4)


def test_the_boxes_of_a_track_keep_their_order_and_types() -> None:
    table = tracks_table([[Seen(3), Seen(6)], [Seen(9)]])
    boxes = table["boxes"].to_pylist()
    assert [[box["frame_idx"] for box in track] for track in boxes] == [[3, 6], [9]]
    assert boxes[1][0]["bbox"] == pytest.approx([0.4, 0.4, 0.5, 0.6])
