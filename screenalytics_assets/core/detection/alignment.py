"""Aligned crops: faces rotated and scaled to the template that ArcFace embedders are trained on."""

import cv2
import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.errors import ArtifactError

ARCFACE_PX = 112
"""Side of the input picture of an ArcFace embedder."""

ARCFACE_TEMPLATE_112: NDArray[np.float64] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""(5, 2) x y in pixels: left eye, right eye, nose, left and right mouth corner (as seen in the picture) in a
112×112 face. From InsightFace, `insightface.utils.face_align.arcface_dst`, the alignment of ArcFace (Deng et
al., CVPR 2019)."""

REDUCTION = 4
"""By how much `decode_reduced_gray` makes a crop smaller."""

_MIN_SPREAD_PX = 0.5
"""Root mean square distance of the landmarks from their centre; below it, rounding determines the rotation."""

_INSIDE_GRID = 16
"""Sample points per side of a crop, 7 px apart."""


def estimate_similarity(landmarks_px: NDArray[np.floating], *, size_px: int, margin_px: int) -> NDArray[np.float64]:
    """The rotation, scale and translation that best map landmarks to the ArcFace template.

    The least squares solution for five points in the plane (Umeyama, PAMI 1991), in complex numbers, where a
    similarity is z → a·z + b.

    Args:
        landmarks_px: (5, 2) x y in pixels of the frame, in the order of the template.
        size_px: side of the square that the 112×112 template is scaled to.
        margin_px: margin around that square in the target, on each side.

    Returns:
        (2, 3) float64, from pixels of the frame to pixels of the target, for `cv2.warpAffine`.

    Raises:
        ValueError: if the landmarks are not five finite points, or coincide, or do not resemble a face.
    """
    if landmarks_px.shape != (5, 2) or not np.isfinite(landmarks_px).all():
        raise ValueError(f"a face is aligned by five finite points (5, 2), got {np.asarray(landmarks_px).tolist()}")
    source = _complex(np.asarray(landmarks_px, np.float64))
    target = _complex(ARCFACE_TEMPLATE_112 * (size_px / ARCFACE_PX) + margin_px)
    centred = source - source.mean()
    energy = float(np.square(np.abs(centred)).sum())
    correlation = complex(np.vdot(centred, target - target.mean()))
    if energy < 5 * _MIN_SPREAD_PX**2 or correlation == 0:
        raise ValueError(f"these landmarks coincide, a face cannot be aligned by them: {landmarks_px.tolist()}")
    a = correlation / energy
    b = target.mean() - a * source.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def aligned_crop(
    frame_bgr: NDArray[np.uint8], landmarks_px: NDArray[np.floating], *, crop_px: int
) -> NDArray[np.uint8]:
    """An upright face with a margin. Its central 112×112 pixels are the ArcFace crop.

    Args:
        frame_bgr: (H, W, 3) uint8 BGR.
        landmarks_px: (5, 2) x y in pixels of the frame.
        crop_px: side of the result, even and at least 112. Anything above 112 is margin; the scale of the face
            stays the same.

    Returns:
        (crop_px, crop_px, 3) uint8 BGR, black outside the frame.

    Raises:
        ValueError: if `crop_px` is odd or too small, or the landmarks are degenerate (`estimate_similarity`).
    """
    margin_px = _margin_px(crop_px)
    matrix = estimate_similarity(landmarks_px, size_px=ARCFACE_PX, margin_px=margin_px)
    crop = cv2.warpAffine(frame_bgr, matrix, (crop_px, crop_px), flags=cv2.INTER_LINEAR, borderValue=0.0)
    return np.asarray(crop, np.uint8)


def embedding_crop(crop_bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The ArcFace crop inside an aligned crop.

    Args:
        crop_bgr: (S, S, 3) uint8 from `aligned_crop`.

    Returns:
        (112, 112, 3) uint8, a view of its centre.

    Raises:
        ValueError: if the crop is not square, odd, or smaller than 112 pixels.
    """
    height, width = crop_bgr.shape[:2]
    if height != width:
        raise ValueError(f"an aligned crop is square, got {width}×{height} px")
    margin_px = _margin_px(width)
    return crop_bgr[margin_px : margin_px + ARCFACE_PX, margin_px : margin_px + ARCFACE_PX]


def crop_jpeg(crop: NDArray[np.uint8], quality: int) -> bytes:
    """The stored form of a crop, (S, S, 3) uint8 BGR."""
    # 4:4:4, so that the colour planes keep the resolution that the embedder needs.
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    return cv2.imencode(".jpg", crop, options)[1].tobytes()


def decode_reduced_gray(jpeg: bytes) -> NDArray[np.uint8]:
    """A stored crop as (H, W) gray, a quarter of its size; much faster than `decode_jpeg`.

    Raises:
        ArtifactError: The bytes are not a picture.
    """
    return _decode(jpeg, cv2.IMREAD_REDUCED_GRAYSCALE_4)


def decode_jpeg(jpeg: bytes) -> NDArray[np.uint8]:
    """A stored crop as (H, W, 3) BGR.

    Raises:
        ArtifactError: The bytes are not a picture.
    """
    return _decode(jpeg, cv2.IMREAD_COLOR)


def _decode(jpeg: bytes, flags: int) -> NDArray[np.uint8]:
    crop = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flags) if jpeg else None
    if crop is None:
        raise ArtifactError(f"a stored crop of {len(jpeg)} bytes is not a JPEG: run detections again with --force")
    return crop.astype(np.uint8)


def fraction_inside(landmarks_px: NDArray[np.floating], frame_size_px: tuple[int, int]) -> float:
    """Fraction of the ArcFace crop of a face inside the frame; the rest of the crop is black.

    Args:
        landmarks_px: (5, 2) x y in pixels of the frame.
        frame_size_px: width and height.

    Raises:
        ValueError: if the landmarks are degenerate (`estimate_similarity`).
    """
    to_frame = cv2.invertAffineTransform(estimate_similarity(landmarks_px, size_px=ARCFACE_PX, margin_px=0))
    centres = (np.arange(_INSIDE_GRID) + 0.5) * (ARCFACE_PX / _INSIDE_GRID)
    points = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2) @ to_frame[:, :2].T + to_frame[:, 2]
    return float(((points >= 0) & (points < frame_size_px)).all(axis=1).mean())


def _margin_px(crop_px: int) -> int:
    if crop_px < ARCFACE_PX or crop_px % 2:
        raise ValueError(f"the side of an aligned crop is even and at least {ARCFACE_PX} px, got {crop_px}")
    return (crop_px - ARCFACE_PX) // 2


def _complex(points: NDArray[np.float64]) -> NDArray[np.complex128]:
    return points[:, 0] + 1j * points[:, 1]
