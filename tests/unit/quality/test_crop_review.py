from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.embedding.face_selection import select_faces
from screenalytics_assets.core.embedding.quality_filter import Criterion, criteria_of
from screenalytics_assets.core.quality.crop_review import CropReview, margins, review_crops
from tests.unit.builders import Seen, detections_table, tracks_table

SETTINGS = FacesSettings(min_sharpness=10, max_yaw_angle=60)
CRITERIA = criteria_of(SETTINGS, min_confidence=0.5)
GOOD = Seen(sharpness=200, yaw=5, pitch=5, face_px=120, quality_score=0.8)


def review(track: list[Seen], *, examples: int = 3, without_crop: tuple[str, ...] = ()) -> CropReview:
    detections = detections_table(track)
    crops = [name for name in detections["detection_id"].to_pylist() if name not in without_crop]
    selection = select_faces(
        tracks_table([track] if track else []),
        detections,
        pa.chunked_array([pa.array(crops, pa.string())]),
        SETTINGS,
        min_confidence=0.5,
        model_digest="digest",
    )
    return review_crops(selection.faces, detections, selection.rejected, CRITERIA, examples=examples)


def at(frame: int, **measures: float | None) -> Seen:
    return replace(GOOD, frame_idx=frame, **measures)  # type: ignore[arg-type]


def test_rejections_are_counted_by_reason_the_most_frequent_first() -> None:
    found = review([at(0), at(3, sharpness=1), at(6, yaw=70), at(9, yaw=80), at(12)], without_crop=("det-000005",))
    assert found.accepted == 1
    assert list(found.reasons.items()) == [("pose_yaw", 2), ("blurry", 1), ("blank", 1)]


def test_a_spread_has_the_quartiles_of_what_was_embedded_and_of_what_was_rejected() -> None:
    sharpness = [20, 30, 40, 50, 60, 2, 4, 6]
    accepted, rejected = review([at(3 * i, sharpness=value) for i, value in enumerate(sharpness)]).spreads["sharpness"]
    assert (accepted.crops, accepted.minimum, accepted.median, accepted.maximum) == (5, 20, 40, 60)
    assert (accepted.lower_quartile, accepted.upper_quartile) == (30, 50)
    assert (rejected.crops, rejected.minimum, rejected.median, rejected.maximum) == (3, 2, 4, 6)
    assert sum(accepted.histogram) == 5
    assert rejected.histogram[0] == 3  # all of them in the lowest twelfth of 2 to 60


def test_of_angles_the_magnitude_counts_and_what_has_no_pose_is_left_out() -> None:
    accepted, _ = review([at(0, yaw=-30), at(3, yaw=10), at(6, yaw=None)]).spreads["yaw"]
    assert (accepted.crops, accepted.minimum, accepted.maximum) == (2, 10, 30)


def test_nothing_has_no_figures_and_no_examples() -> None:
    found = review([])
    accepted, rejected = found.spreads["quality_score"]
    assert accepted.crops == rejected.crops == sum(accepted.histogram) == 0
    assert np.isnan(accepted.median)
    assert not found.worst
    assert not found.rejected_borderline


def test_equal_values_are_in_one_bar() -> None:
    accepted, _ = review([at(0), at(3)]).spreads["face_px"]
    assert sorted(accepted.histogram)[-2:] == [0, 2]


def test_the_worst_are_the_embedded_faces_of_the_lowest_quality() -> None:
    found = review([at(3 * i, quality_score=value) for i, value in enumerate([0.9, 0.5, 0.7, 0.2, 0.6])])
    assert [crop.quality_score for crop in found.worst] == pytest.approx([0.5, 0.6, 0.7])
    assert {crop.reason for crop in found.worst} == {None}


def test_the_borderline_are_the_nearest_to_a_limit_on_both_sides_with_what_decides() -> None:
    track = [at(0, sharpness=11), at(3, yaw=-57), at(6), at(9, sharpness=9), at(12, yaw=61), at(15, sharpness=1)]
    found = review(track, examples=2)
    assert [(crop.measure, crop.value, crop.limit) for crop in found.accepted_borderline] == [
        ("yaw", -57, 60),
        ("sharpness", 11, 10),
    ]
    assert [crop.margin for crop in found.accepted_borderline] == pytest.approx([0.05, 0.1])
    assert [(crop.reason, crop.frame_idx) for crop in found.rejected_borderline] == [("pose_yaw", 12), ("blurry", 9)]
    assert [crop.margin for crop in found.rejected_borderline] == pytest.approx([-1 / 60, -0.1])


def test_a_crop_that_fails_two_limits_is_as_far_from_the_border_as_the_worse_of_them() -> None:
    found = review([at(0, sharpness=9.9, yaw=90), at(3, sharpness=8)], examples=2)
    assert [(crop.measure, crop.frame_idx) for crop in found.rejected_borderline] == [("sharpness", 3), ("yaw", 0)]
    assert found.rejected_borderline[1].reason == "blurry"


def test_no_crop_is_near_a_limit_that_is_off() -> None:
    assert (
        margins(np.array([0.0, 3.0]), Criterion("blurry", "sharpness", "min_sharpness", 0.0)).tolist() == [np.inf] * 2
    )


@given(st.floats(0.5, 100), st.floats(-200, 200, allow_subnormal=False), st.booleans())
def test_a_margin_is_negative_exactly_where_the_gate_rejects(limit: float, value: float, is_maximum: bool) -> None:
    criterion = Criterion("reason", "measure", "key", limit, is_maximum)
    value = value if is_maximum else abs(value)
    values = np.array([value])
    if abs(abs(value) - limit) > 1e-9:
        assert (margins(values, criterion) < 0).tolist() == criterion.fails(values).tolist()
