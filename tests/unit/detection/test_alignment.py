import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insightface.utils import face_align
from numpy.typing import NDArray
from skimage.transform import SimilarityTransform

from screenalytics_assets.core.detection.alignment import (
    ARCFACE_TEMPLATE_112,
    aligned_crop,
    embedding_crop,
    estimate_similarity,
    fraction_inside,
)

Landmarks = NDArray[np.float64]


@st.composite
def faces(draw: st.DrawFn, jitter: float = 0.15) -> Landmarks:
    """Landmarks of a face of 15 to 600 px, turned any way, not quite like the template."""
    scale = draw(st.floats(0.15, 6))
    angle = draw(st.floats(-np.pi, np.pi))
    shift = np.array([draw(st.floats(-200, 2000)), draw(st.floats(-200, 1200))])
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shape = ARCFACE_TEMPLATE_112 - 56 + rng.normal(0, jitter * 35, (5, 2))
    return np.asarray(scale * shape @ rotation.T + shift)


def frame() -> NDArray[np.uint8]:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (36, 64, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_CUBIC), np.uint8)


def face_in_frame(angle_deg: float = 12.0, scale: float = 1.3) -> Landmarks:
    angle = np.radians(angle_deg)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    rng = np.random.default_rng(5)
    return np.asarray(scale * (ARCFACE_TEMPLATE_112 - 56 + rng.normal(0, 2, (5, 2))) @ rotation.T + [310.3, 170.7])


def test_the_template_equals_that_of_insightface() -> None:
    np.testing.assert_allclose(ARCFACE_TEMPLATE_112, face_align.arcface_dst, atol=1e-5)


@given(faces())
def test_the_alignment_is_the_least_squares_similarity(landmarks: Landmarks) -> None:
    expected = SimilarityTransform.from_estimate(landmarks, ARCFACE_TEMPLATE_112)
    ours = estimate_similarity(landmarks, size_px=112, margin_px=0)
    np.testing.assert_allclose(ours, expected.params[:2], atol=1e-4, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:`estimate` is deprecated:FutureWarning")
def test_the_alignment_equals_that_of_insightface() -> None:
    landmarks = face_in_frame()
    for size_px in (112, 224):
        ours = estimate_similarity(landmarks, size_px=size_px, margin_px=0)
        np.testing.assert_allclose(ours, face_align.estimate_norm(landmarks, size_px), atol=1e-4)


@given(faces(), st.integers(1, 300), st.integers(0, 200))
def test_size_scales_and_margin_shifts_the_target(landmarks: Landmarks, size_px: int, margin_px: int) -> None:
    base = estimate_similarity(landmarks, size_px=112, margin_px=0)
    other = estimate_similarity(landmarks, size_px=size_px, margin_px=margin_px)
    expected = base * size_px / 112 + np.array([[0, 0, margin_px], [0, 0, margin_px]])
    np.testing.assert_allclose(other, expected, rtol=1e-9, atol=1e-6)


@given(faces(jitter=0.0))
def test_a_face_like_the_template_is_mapped_onto_it(landmarks: Landmarks) -> None:
    matrix = estimate_similarity(landmarks, size_px=112, margin_px=0)
    landed = landmarks @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(landed, ARCFACE_TEMPLATE_112, atol=1e-6)


@pytest.mark.filterwarnings("ignore:`estimate` is deprecated:FutureWarning")
@pytest.mark.parametrize("crop_px", [112, 128, 160, 200])
@pytest.mark.parametrize("angle_deg", [-170.0, -30.0, 0.0, 12.0])
def test_the_centre_of_a_crop_equals_the_crop_of_insightface(crop_px: int, angle_deg: float) -> None:
    landmarks = face_in_frame(angle_deg)
    crop = aligned_crop(frame(), landmarks, crop_px=crop_px)
    assert crop.shape == (crop_px, crop_px, 3)
    assert crop.dtype == np.uint8
    expected = face_align.norm_crop(frame(), landmarks)
    assert np.abs(embedding_crop(crop).astype(int) - expected).max() <= 1


def test_a_margin_shows_the_surroundings_of_the_face() -> None:
    landmarks = ARCFACE_TEMPLATE_112 + np.array([200, 100])
    crop = aligned_crop(frame(), landmarks, crop_px=160)
    np.testing.assert_allclose(crop.astype(int), frame()[76:236, 176:336], atol=1)


def test_outside_the_frame_a_crop_is_black() -> None:
    crop = aligned_crop(np.full((80, 80, 3), 255, np.uint8), ARCFACE_TEMPLATE_112 - 20, crop_px=160)
    assert not crop[:40].any()
    assert (crop[60:100, 60:100] == 255).all()


BAD_LANDMARKS = [
    (np.zeros((5, 2)), "coincide"),
    (np.full((5, 2), 7.25) + np.linspace(0, 0.1, 5)[:, None], "coincide"),
    (np.full((5, 2), np.nan), "five finite points"),
    (np.where(np.arange(10).reshape(5, 2) == 3, np.inf, ARCFACE_TEMPLATE_112), "five finite points"),
    (np.zeros((4, 2)), "five finite points"),
]


@pytest.mark.parametrize(("landmarks", "message"), BAD_LANDMARKS)
def test_landmarks_unlike_a_face_are_refused(landmarks: Landmarks, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        aligned_crop(frame(), landmarks, crop_px=112)


@pytest.mark.parametrize("crop_px", [0, 110, 113])
def test_a_crop_must_have_room_for_the_face_and_an_even_margin(crop_px: int) -> None:
    with pytest.raises(ValueError, match=f"even and at least 112 px, got {crop_px}"):
        aligned_crop(frame(), face_in_frame(), crop_px=crop_px)
    with pytest.raises(ValueError, match=f"even and at least 112 px, got {crop_px}"):
        embedding_crop(np.zeros((crop_px, crop_px, 3), np.uint8))


def test_a_crop_that_is_not_square_is_refused() -> None:
    with pytest.raises(ValueError, match="square, got 160×112 px"):
        embedding_crop(np.zeros((112, 160, 3), np.uint8))


@given(faces())
@settings(max_examples=25)
def test_every_face_can_be_cropped_wherever_it_is(landmarks: Landmarks) -> None:
    assert aligned_crop(frame(), landmarks.astype(np.float32), crop_px=112).shape == (112, 112, 3)


@given(faces())
def test_the_part_of_a_crop_inside_the_frame_is_the_part_that_is_not_black(landmarks: Landmarks) -> None:
    white = np.full((540, 960, 3), 255, np.uint8)
    shown = float((aligned_crop(white, landmarks, crop_px=112)[:, :, 0] > 127).mean())
    assert fraction_inside(landmarks, (960, 540)) == pytest.approx(shown, abs=0.07)


def test_a_face_in_the_middle_is_inside_and_half_a_face_at_the_edge_is_half_inside() -> None:
    assert fraction_inside(face_in_frame(), (640, 360)) == 1.0
    upright = ARCFACE_TEMPLATE_112 - [56, 0]
    assert fraction_inside(upright, (640, 360)) == 0.5
    assert fraction_inside(upright - [200, 0], (640, 360)) == 0.0
