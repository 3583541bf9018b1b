"""Geometry of boxes: x1 y1 x2 y2 in any unit, one box per row."""

import numpy as np
from numpy.typing import NDArray


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


def shorter_sides(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shorter side of each box, (N,), in the unit of the boxes."""
    return np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])


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
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    intersection = sides.prod(-1)
    areas = [np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(-1) for boxes in (a, b)]
    union = areas[0] + areas[1] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
