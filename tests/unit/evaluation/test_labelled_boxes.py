import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.benchmarks.labelled_boxes import BoxScores, LabelledFrame, read_boxes, score_boxes

ANALYSED = pa.table({"frame_idx": np.array([0, 10, 30], np.int32), "ts_s": [0.0, 0.4, 1.2]})
LEFT, MIDDLE, RIGHT = [0.1, 0.1, 0.2, 0.3], [0.4, 0.1, 0.5, 0.3], [0.8, 0.1, 0.9, 0.3]


def frame(ts_s: float, **boxes: list[float]) -> LabelledFrame:
    labelled = [{"bbox": bbox, "label": label.replace("_", " ")} for label, bbox in boxes.items()]
    return LabelledFrame.model_validate({"frame_idx": 0, "ts_s": ts_s, "boxes": labelled})


def found_on(frame_idx: int, *boxes: list[float]) -> pa.Table:
    return pa.table(
        {"frame_idx": np.full(len(boxes), frame_idx, np.int32), "bbox": pa.array(boxes, pa.list_(pa.float32(), 4))}
    )


def test_each_detection_of_a_labelled_frame_is_on_a_face_on_a_picture_or_on_nothing() -> None:
    labelled = [frame(0.0, face=LEFT, picture=MIDDLE, no_face=RIGHT)]
    scores = score_boxes(labelled, ANALYSED, found_on(0, LEFT, MIDDLE, RIGHT, [0.1, 0.6, 0.2, 0.8]), (640, 360))
    assert scores == BoxScores(frames=1, on_faces=1, on_pictures=1, on_nothing=2, faces=1)
    assert (scores.precision, scores.recall) == (0.25, 1)


def test_an_open_box_counts_neither_as_found_nor_as_missed() -> None:
    for detections in (found_on(0, LEFT, RIGHT), found_on(0, LEFT)):
        scores = score_boxes([frame(0.0, face=LEFT, open=RIGHT)], ANALYSED, detections, (640, 360))
        assert (scores.precision, scores.recall) == (1, 1)


def test_a_labelled_frame_is_compared_with_the_analysed_frame_nearest_to_it_unless_that_is_far_away() -> None:
    labelled = [frame(0.45, face=LEFT), frame(0.8, face=LEFT)]
    detections = pa.concat_tables([found_on(0, RIGHT), found_on(10, LEFT), found_on(30, RIGHT)])
    assert score_boxes(labelled, ANALYSED, detections, (640, 360)) == BoxScores(1, 1, 0, 0, 1)


def test_without_detections_there_is_recall_but_no_precision() -> None:
    scores = score_boxes([frame(0.0, face=LEFT)], ANALYSED, found_on(0), (640, 360))
    assert (scores.precision, scores.recall) == (None, 0)
    assert score_boxes([frame(0.8, face=LEFT)], ANALYSED, found_on(0), (640, 360)).recall is None


def test_labelled_boxes_are_read_by_clip(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    labelled = [{"frame_idx": 3, "ts_s": 0.1, "boxes": [{"bbox": LEFT, "label": "face"}]}]
    path.write_text(json.dumps({"stage": labelled}))
    assert read_boxes(path)["stage"][0].boxes[0].label == "face"
    path.write_text(json.dumps({"stage": labelled}).replace("face", "hand"))
    with pytest.raises(ValueError, match="label"):
        read_boxes(path)
