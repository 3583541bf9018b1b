from dataclasses import replace

import numpy as np
import pytest

from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.embedding.quality_filter import (
    ACCEPTED,
    StricterLimits,
    rejection_reasons,
    stricter_reasons,
)
from tests.unit.builders import Seen, detections_table

LIMITS = FacesSettings(
    min_quality_score=0.4,
    min_face_size=32,
    min_sharpness=10,
    max_yaw_angle=60,
    max_pitch_angle=45,
    min_confidence=None,
    min_inside_fraction=0.8,
)
AT_THE_LIMIT = Seen(confidence=0.5, face_px=32, sharpness=10, yaw=60, pitch=-45, inside_fraction=0.8, quality_score=0.4)
FAULTS = {
    "low_confidence": {"confidence": 0.49},
    "too_small": {"face_px": 31.9},
    "cut_off": {"inside_fraction": 0.79},
    "blurry": {"sharpness": 9.9},
    "pose_yaw": {"yaw": -60.1},
    "pose_pitch": {"pitch": 45.1},
    "low_quality": {"quality_score": 0.39},
}


def reason_of(face: Seen, *, has_crop: bool = True, limits: FacesSettings = LIMITS) -> str:
    return str(rejection_reasons(detections_table([face]), np.array([has_crop]), limits, min_confidence=0.5).item())


def test_a_face_at_every_limit_is_accepted() -> None:
    assert reason_of(AT_THE_LIMIT) == ACCEPTED


@pytest.mark.parametrize(("reason", "fault"), FAULTS.items())
def test_a_face_just_beyond_one_limit_is_rejected_for_it(reason: str, fault: dict[str, float]) -> None:
    assert reason_of(replace(AT_THE_LIMIT, **fault)) == reason  # type: ignore[arg-type]


@pytest.mark.parametrize("sign", [-1, 1])
def test_yaw_and_pitch_are_limited_in_both_directions(sign: int) -> None:
    assert reason_of(replace(AT_THE_LIMIT, yaw=sign * 61)) == "pose_yaw"
    assert reason_of(replace(AT_THE_LIMIT, pitch=sign * 46)) == "pose_pitch"


def test_a_detection_without_a_crop_is_blank_even_if_it_fails_other_limits() -> None:
    everything = {key: value for fault in FAULTS.values() for key, value in fault.items()}
    assert reason_of(replace(AT_THE_LIMIT, **everything), has_crop=False) == "blank"  # type: ignore[arg-type]


def test_of_several_failed_limits_the_first_is_the_reason() -> None:
    order = list(FAULTS)
    for first in range(len(order)):
        faults = {key: value for name in order[first:] for key, value in FAULTS[name].items()}
        assert reason_of(replace(AT_THE_LIMIT, **faults)) == order[first]  # type: ignore[arg-type]


def test_a_face_without_a_pose_can_only_fail_the_other_limits() -> None:
    unknown = replace(AT_THE_LIMIT, yaw=None, pitch=None)
    assert reason_of(unknown) == ACCEPTED
    assert reason_of(replace(unknown, quality_score=0.1)) == "low_quality"


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("min_quality_score", 0.41, "low_quality"),
        ("min_face_size", 33, "too_small"),
        ("min_sharpness", 11, "blurry"),
        ("max_yaw_angle", 59, "pose_yaw"),
        ("max_pitch_angle", 44, "pose_pitch"),
    ],
)
def test_every_limit_of_the_configuration_is_enforced(key: str, value: float, reason: str) -> None:
    assert reason_of(AT_THE_LIMIT, limits=LIMITS.model_copy(update={key: value})) == reason


def test_each_face_is_filtered_by_its_own_confidence() -> None:
    faces = [Seen(confidence=confidence) for confidence in (0.9, 0.4, 0.6)]
    reasons = rejection_reasons(detections_table(faces), np.ones(3, np.bool_), LIMITS, min_confidence=0.5)
    assert reasons.tolist() == [ACCEPTED, "low_confidence", ACCEPTED]


def test_no_detections_have_no_reasons() -> None:
    assert rejection_reasons(detections_table([]), np.zeros(0, np.bool_), LIMITS, min_confidence=0.5).shape == (0,)


# Stricter limits


def stricter(
    faces: list[Seen], tracks: list[int], *, min_faces: int = 1, min_quality: float = 0.6, max_yaw: float = 45
) -> list[str]:
    detections = detections_table(faces)
    ordinary = rejection_reasons(detections, np.ones(len(faces), bool), LIMITS, min_confidence=0.5)
    stricter_limits = StricterLimits(min_quality_score=min_quality, max_yaw_angle=max_yaw, min_faces=min_faces)
    return [str(reason) for reason in stricter_reasons(ordinary, detections, np.array(tracks), stricter_limits)]


def test_stricter_limits_reject_more_faces_of_a_track_with_better_ones() -> None:
    faces = [Seen(quality_score=0.9), Seen(quality_score=0.59), Seen(yaw=-50), Seen(quality_score=0.6, yaw=45)]
    assert stricter(faces, [0, 0, 0, 0]) == [ACCEPTED, "low_quality", "pose_yaw", ACCEPTED]


def test_a_track_keeps_its_best_faces_when_none_is_good_enough() -> None:
    faces = [Seen(quality_score=score) for score in (0.45, 0.55, 0.5, 0.59)]
    assert stricter(faces, [0, 0, 0, 0], min_faces=2) == ["low_quality", ACCEPTED, "low_quality", ACCEPTED]


def test_each_track_keeps_faces_of_its_own() -> None:
    faces = [Seen(quality_score=0.9), Seen(quality_score=0.5), Seen(quality_score=0.5)]
    assert stricter(faces, [0, 0, 1]) == [ACCEPTED, "low_quality", ACCEPTED]


def test_faces_within_the_limits_are_preferred_to_better_ones_that_are_not() -> None:
    faces = [Seen(quality_score=0.95, yaw=55), Seen(quality_score=0.7)]
    assert stricter(faces, [0, 0], min_faces=1) == ["pose_yaw", ACCEPTED]
    assert stricter(faces, [0, 0], min_faces=2) == [ACCEPTED, ACCEPTED]


def test_faces_that_were_already_rejected_stay_rejected_and_are_not_counted() -> None:
    faces = [Seen(quality_score=0.95, sharpness=1), Seen(quality_score=0.5)]
    assert stricter(faces, [0, 0]) == ["blurry", ACCEPTED]
