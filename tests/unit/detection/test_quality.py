from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.detection.quality import (
    blur_part,
    is_blank,
    laplacian_variance,
    pose_part,
    quality_score,
    size_part,
)

Crop = NDArray[np.uint8]
AXES: list[tuple[str, float, float, int]] = [
    ("confidence", 0.0, 1.0, 1),
    ("face_px", 0.0, 112.0, 1),
    ("sharpness", 4.0, 120.0, 1),
    ("yaw_deg", 0.0, 90.0, -1),
    ("pitch_deg", 0.0, 90.0, -1),
]
FACE: dict[str, float] = {
    "confidence": 0.8,
    "face_px": 70.0,
    "sharpness": 40.0,
    "yaw_deg": 20.0,
    "pitch_deg": 10.0,
}
inputs = st.fixed_dictionaries(
    {
        "confidence": st.floats(-1, 2),
        "face_px": st.floats(0, 5000),
        "sharpness": st.floats(0, 1e6),
        "yaw_deg": st.floats(-360, 360) | st.just(float("nan")),
        "pitch_deg": st.floats(-360, 360) | st.just(float("nan")),
    }
)


def textured(contrast: float = 1.0, seed: int = 0) -> Crop:
    """Something like a face: two dark spots, a dark bar, fine texture."""
    rng = np.random.default_rng(seed)
    crop = np.full((112, 112, 3), 150, np.float32)
    for centre in ((38, 51), (74, 51)):
        cv2.circle(crop, centre, 7, (60, 60, 60), -1)
    cv2.rectangle(crop, (42, 88), (70, 96), (70, 70, 90), -1)
    grainy = crop + rng.normal(0, 6, crop.shape)
    return np.asarray(np.clip(grainy * contrast, 0, 255), np.uint8)


def jpeg(crop: Crop, quality: int) -> Crop:
    encoded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def score(**changed: Any) -> float:
    return float(quality_score(**{**FACE, **changed}))


@given(inputs)
def test_quality_lies_between_0_and_1(values: dict[str, float]) -> None:
    assert 0 <= score(**values) <= 1


def test_the_best_face_scores_1_and_the_worst_0() -> None:
    assert score(confidence=1, face_px=112, sharpness=120, yaw_deg=0, pitch_deg=0) == pytest.approx(1)
    assert score(confidence=0, face_px=0, sharpness=0, yaw_deg=90, pitch_deg=0) == pytest.approx(0)


@given(st.sampled_from(AXES), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_quality_never_falls_when_one_measure_gets_better(
    axis: tuple[str, float, float, int], one: float, other: float, negative: bool
) -> None:
    name, low, high, direction = axis
    worse, better = sorted((low + one * (high - low), low + other * (high - low)))[::direction]
    sign = -1 if negative and name.endswith("_deg") else 1
    assert score(**{name: sign * better}) >= score(**{name: sign * worse}) - 1e-12


@pytest.mark.parametrize(("name", "low", "high", "direction"), AXES)
def test_every_measure_counts_from_end_to_end_of_its_range(name: str, low: float, high: float, direction: int) -> None:
    scores = [direction * score(**{name: value}) for value in np.linspace(low, high, 12)]
    assert (np.diff(scores) > 0).all()


@pytest.mark.parametrize(
    ("name", "beyond", "at"), [("face_px", 500, 112), ("sharpness", 9e5, 120), ("sharpness", 0, 4)]
)
def test_measures_saturate(name: str, beyond: float, at: float) -> None:
    assert score(**{name: beyond}) == pytest.approx(score(**{name: at}))


def test_the_weights_are_the_documented_ones() -> None:
    worst = {"confidence": 0, "face_px": 0, "sharpness": 0, "yaw_deg": 90, "pitch_deg": 0}
    best = {"confidence": 1, "face_px": 112, "sharpness": 120, "yaw_deg": 0, "pitch_deg": 0}
    weights = {name: score(**{**worst, name: best[name]}) for name in worst if name != "pitch_deg"}
    assert weights == pytest.approx({"confidence": 0.4, "face_px": 0.3, "sharpness": 0.2, "yaw_deg": 0.1})


def test_an_unknown_pose_counts_as_the_worst() -> None:
    nan = float("nan")
    assert score(yaw_deg=nan) == score(pitch_deg=nan) == pytest.approx(score(yaw_deg=90))


@given(st.lists(inputs, min_size=0, max_size=8))
def test_faces_score_the_same_together_and_alone(faces: list[dict[str, float]]) -> None:
    columns = {name: np.array([face[name] for face in faces], dtype=np.float64) for name in FACE}
    together = quality_score(**columns)
    assert together.shape == (len(faces),)
    assert together.tolist() == pytest.approx([score(**face) for face in faces])


def test_the_parts_have_their_documented_end_points() -> None:
    assert size_part([0, 56, 112, 300]).tolist() == pytest.approx([0, 0.5, 1, 1])
    assert blur_part([0, 4, np.sqrt(4 * 120), 120, 1e5]).tolist() == pytest.approx([0, 0, 0.5, 1, 1])
    assert pose_part([0, 60, -60, 90, 120, 0], [0, 0, 0, 0, 0, 60]).tolist() == pytest.approx([1, 0.5, 0.5, 0, 0, 0.5])


@pytest.mark.parametrize("seed", range(5))
def test_more_blur_means_less_sharpness(seed: int) -> None:
    crops = [textured(seed=seed)] + [cv2.GaussianBlur(textured(seed=seed), (0, 0), s) for s in (0.6, 1, 2, 4)]
    sharpness = [laplacian_variance(np.asarray(crop, np.uint8)) for crop in crops]
    assert (np.diff(sharpness) < 0).all()


def test_sharpness_is_the_variance_of_the_laplacian_of_grey() -> None:
    crop = np.zeros((112, 112, 3), np.uint8)
    crop[56, 56] = 100
    laplacian = np.zeros((112, 112))
    laplacian[56, 56] = -400
    laplacian[[55, 57, 56, 56], [56, 56, 55, 57]] = 100
    assert laplacian_variance(crop) == pytest.approx(laplacian[36:104, 24:88].var())


def test_a_logo_beside_a_dark_face_does_not_make_it_sharp() -> None:
    dark = np.asarray(cv2.GaussianBlur(textured(0.1), (0, 0), 3), np.uint8)
    beside = dark.copy()
    beside[2:30, 2:20] = 255
    beside[10:20, 92:110] = 255
    assert laplacian_variance(beside) == laplacian_variance(dark) < 10


def test_a_crop_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"aligned \(112, 112, 3\) crop, got \(160, 160, 3\)"):
        laplacian_variance(np.zeros((160, 160, 3), np.uint8))


@pytest.mark.parametrize("level", [0, 16, 128, 255])
@pytest.mark.parametrize("side", [112, 160])
def test_a_single_colour_is_blank_even_with_grain_and_after_a_codec(level: int, side: int) -> None:
    rng = np.random.default_rng(level)
    flat = np.full((side, side, 3), level, np.float32)
    grainy = np.clip(flat + rng.normal(0, 4, flat.shape), 0, 255).astype(np.uint8)
    for crop in (flat.astype(np.uint8), grainy, jpeg(grainy, 85), jpeg(grainy, 50)):
        assert is_blank(crop)


@pytest.mark.parametrize("contrast", [1.0, 0.3, 0.15])
def test_a_face_is_not_blank_however_dark(contrast: float) -> None:
    assert not is_blank(textured(contrast))
    assert not is_blank(jpeg(textured(contrast), 85))


def test_a_dim_face_out_of_focus_is_not_blank() -> None:
    assert not is_blank(np.asarray(cv2.GaussianBlur(textured(0.3), (0, 0), 4), np.uint8))
