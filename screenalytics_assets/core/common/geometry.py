"""Geometry of boxes: x1 y1 x2 y2 in any unit, one box per row."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

FloatT = TypeVar("FloatT", bound=np.floating)


def clamp_boxes(boxes_px: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Boxes clipped to the frame.

    Args:
        boxes_px: (N, 4), pixels.
        width: Frame width in pixels.
        height: Frame height in pixels.

    Returns:
        (N, 4) float32.
    """
    limits = np.array([width, height, width, height], np.float32)
    return np.clip(boxes_px, 0, limits).astype(np.float32)


def areas(boxes: NDArray[FloatT]) -> NDArray[FloatT]:
    """(...) area of each box of (..., 4), in the squared unit and the precision of the boxes."""
    return np.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(-1)


def intersection_areas(first: NDArray[FloatT], second: NDArray[FloatT]) -> NDArray[FloatT]:
    """(...) area that two boxes have in common, of (..., 4) and (..., 4) broadcast against each other."""
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    return np.maximum(sides, 0).prod(-1)


def iou_matrix(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union of each box of the first set with each box of the second.

    Args:
        first: (N, 4).
        second: (M, 4).

    Returns:
        (N, M), 0 to 1; 0 where both boxes are empty.
    """
    return paired_iou(first[:, None, :], second[None, :, :])


def paired_iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union of the boxes at the same index of two arrays.

    Args:
        first: (..., 4).
        second: (..., 4), broadcast against the first.

    Returns:
        (...), 0 to 1; 0 where both boxes are empty.
    """
    a, b = first.astype(np.float64), second.astype(np.float64)
    intersection = intersection_areas(a, b)
    union = areas(a) + areas(b) - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
