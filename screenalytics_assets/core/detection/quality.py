"""The quality score of a face, from 0 to 1, and the measures in it."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from screenalytics_assets.core.detection.alignment import ARCFACE_PX

CONFIDENCE_WEIGHT, SIZE_WEIGHT, BLUR_WEIGHT, POSE_WEIGHT = 0.4, 0.3, 0.2, 0.1
"""Weights of the parts of the quality score."""

_SHARPNESS_NONE, _SHARPNESS_FULL = 4.0, 120.0
"""Sharpness of the six faces (100 px) of InsightFace's sample photo `t1.jpg`, aligned to 112 px: 3 to 4 after a
Gaussian blur of 4 px, which leaves eyes and mouth as spots; 128 to 181 after one of 0.5 px, about as much as
resampling causes; 212 to 294 without blur."""

_FACE_ROWS, _FACE_COLUMNS = slice(36, 104), slice(24, 88)
"""The part of the aligned 112 px crop that shows the face in any pose and hair style: brows to chin (the eyes are at
51 in the template, the mouth at 92), and from outside one eye to outside the other (38 and 74)."""

_BLOCK_PX = 8
_BLANK_STD = 1.5


def laplacian_variance(crop112_bgr: NDArray[np.uint8]) -> float:
    """Sharpness: the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) of the grey picture, inside the face.

    It depends on the scale of the picture, so it is measured on the aligned crop, where all faces have the same size,
    and only inside the face: hair, sharp backgrounds and channel logos have edges too.

    It also falls with the contrast, and so in the dark. That is intended: divided by the variance of the grey levels
    it would measure noise there. At 6 % of the light with 1.5 levels of noise, the faces of the sample photo have
    3,000 to 4,200 thousandths of their variance, and 4,400 to 8,000 after a blur of 4 px; in good light 120 to 210 and
    3 to 7.

    Args:
        crop112_bgr: (112, 112, 3) uint8 BGR.

    Returns:
        Grey levels squared, at least 0.

    Raises:
        ValueError: on another shape.
    """
    if crop112_bgr.shape != (ARCFACE_PX, ARCFACE_PX, 3):
        raise ValueError(
            f"sharpness is measured on an aligned ({ARCFACE_PX}, {ARCFACE_PX}, 3) crop, got {crop112_bgr.shape}"
        )
    grey = cv2.cvtColor(crop112_bgr, cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F)[_FACE_ROWS, _FACE_COLUMNS].var())


def is_blank(crop_bgr: NDArray[np.uint8]) -> bool:
    """Whether a crop is a single colour, with or without noise.

    The measure is the variation of the mean brightness of 8×8 blocks. A mean over 64 pixels reduces sensor noise to an
    eighth (4 levels of grain to half a level). Codecs encode blocks of that size and round their mean to about 2 levels
    at medium quality (JPEG 50), which adds at most 1. The blocks of a face, on eyes and on skin, differ by more than
    that even in the dark.

    Args:
        crop_bgr: (H, W, 3) uint8 BGR.

    Returns:
        True if the standard deviation of the block means is under 1.5 grey levels.
    """
    height, width = crop_bgr.shape[:2]
    blocks = (max(1, width // _BLOCK_PX), max(1, height // _BLOCK_PX))
    grey = cv2.cvtColor(crop_bgr, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return float(cv2.resize(grey, blocks, interpolation=cv2.INTER_AREA).std()) < _BLANK_STD


def size_part(face_px: ArrayLike) -> NDArray[np.float64]:
    """The shorter side of a face in pixels, as a fraction of the embedder's 112 px, at most 1."""
    return np.asarray(np.clip(np.asarray(face_px, np.float64) / ARCFACE_PX, 0.0, 1.0))


def blur_part(sharpness: ArrayLike) -> NDArray[np.float64]:
    """Laplacian variance on a logarithmic scale, 0 at 4 and below, 1 at 120 and above.

    The variance falls with a power of the width of the blur, so equal factors are equal steps.
    """
    variance = np.maximum(np.asarray(sharpness, np.float64), _SHARPNESS_NONE)
    steps = np.log(variance / _SHARPNESS_NONE) / np.log(_SHARPNESS_FULL / _SHARPNESS_NONE)
    return np.asarray(np.clip(steps, 0.0, 1.0))


def pose_part(yaw_deg: ArrayLike, pitch_deg: ArrayLike) -> NDArray[np.float64]:
    """Cosine of the angle between face and camera, cos(yaw)·cos(pitch): 1 if frontal, 0 from 90° or if not known.

    It is the visible fraction of the area of a flat face after foreshortening.
    """
    yaw, pitch = (np.clip(np.abs(np.asarray(a, np.float64)), 0.0, 90.0) for a in (yaw_deg, pitch_deg))
    facing = np.cos(np.radians(yaw)) * np.cos(np.radians(pitch))
    return np.asarray(np.clip(np.nan_to_num(facing, nan=0.0), 0.0, 1.0))


def quality_score(
    confidence: ArrayLike, face_px: ArrayLike, sharpness: ArrayLike, yaw_deg: ArrayLike, pitch_deg: ArrayLike
) -> NDArray[np.float64]:
    """0.4·confidence + 0.3·size + 0.2·blur + 0.1·pose, each part from 0 to 1.

    Args:
        confidence: (N,) score of the detector, clipped to 0 to 1.
        face_px: (N,) shorter side of the face's box in pixels of the frame.
        sharpness: (N,) `laplacian_variance` of the aligned crop.
        yaw_deg: (N,) degrees, NaN if not known.
        pitch_deg: (N,) likewise.

    Returns:
        (N,) float64 from 0 to 1.
    """
    return np.asarray(
        CONFIDENCE_WEIGHT * np.clip(np.asarray(confidence, np.float64), 0.0, 1.0)
        + SIZE_WEIGHT * size_part(face_px)
        + BLUR_WEIGHT * blur_part(sharpness)
        + POSE_WEIGHT * pose_part(yaw_deg, pitch_deg)
    )
