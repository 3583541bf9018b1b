"""What changes between two analysed frames: their boxes, the faces in them, and the frames in between."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.detection.hysteresis import MAX_GAP_S, MIN_IOU

SAME_PLACE_IOU = 0.5
"""Minimum overlap of two boxes of an unmoved face.

The customary limit for two boxes of one object (Everingham et al., PASCAL VOC, 2010), far above the minimum overlap
that links them in the tracker.
"""

MAX_FACE_CHANGE = 0.3
"""Maximum `thumbnail_distance` of two thumbnails of the same face.

On the group photograph that InsightFace ships, two different people are 0.40 to 0.58 apart. One face is 0.10 to 0.16
from itself with its box displaced by 3 % of its width, 0.18 to 0.28 by 6 %, 0.28 to 0.39 by 10 %, and less than 0.08
with half or 1.4 times the light. A false alarm only costs the analysis of a few more frames.
"""

CONTRAST_FLOOR = 1.0
"""Grey levels: rounding and compression noise in a picture without contrast."""

THUMBNAIL_PX = 16
"""Side of the grey thumbnail by which two faces are compared."""

TRANSIENT_LEVELS = 64
"""Grey levels by which a pixel of the downscaled frame must differ from both analysed frames to be a transient.

A quarter of the scale: less than a person who crosses the picture changes it against most backgrounds, more than
talking heads do. A pixel is 1/64 of the width: the smallest face that is not refused covers one or two.
"""


class FaceSnapshot(NamedTuple):
    """The faces of an analysed frame, as far as frames are compared.

    Attributes:
        boxes_px: (N, 4) float32.
        strong: (N,) whether a box is a face by its own score.
        thumbnails: (N, 16, 16) uint8, grey.
    """

    boxes_px: NDArray[np.float32]
    strong: NDArray[np.bool_]
    thumbnails: NDArray[np.uint8]


def snapshot_of(
    picture_bgr: NDArray[np.uint8], boxes_px: NDArray[np.float32], strong: NDArray[np.bool_]
) -> FaceSnapshot:
    """The snapshot of a frame.

    Args:
        picture_bgr: (H, W, 3) uint8.
        boxes_px: (N, 4) x1 y1 x2 y2, inside the picture.
        strong: (N,) whether a box is a face by its own score.
    """
    thumbnails = np.zeros((len(boxes_px), THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
    for thumbnail, (left, top, right, bottom) in zip(thumbnails, boxes_px.round().astype(int).tolist(), strict=True):
        face = picture_bgr[top : max(bottom, top + 1), left : max(right, left + 1)]
        if face.size:
            small = cv2.resize(face, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
            thumbnail[:] = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    return FaceSnapshot(boxes_px, strong, thumbnails)


def is_unchanged(before: FaceSnapshot, after: FaceSnapshot, *, gap_s: float) -> bool:
    """Whether the boxes of two frames match one to one, in the same places with similar faces.

    At least one box of each pair must be strong: two weak ones may hide a strong one between them. Both must be strong
    if the frames are further apart than hysteresis bridges.
    """
    overlap = iou_matrix(before.boxes_px, after.boxes_px)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    distance = thumbnail_distance(before.thumbnails[rows], after.thumbnails[columns])
    similar = (overlap[rows, columns] >= SAME_PLACE_IOU) & (distance <= MAX_FACE_CHANGE)
    strong = (before.strong[rows], after.strong[columns])
    confirmed = np.logical_or(*strong) if gap_s <= MAX_GAP_S else np.logical_and(*strong)
    return bool(len(before.boxes_px) == len(after.boxes_px) and (similar & confirmed).all())


def thumbnail_distance(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Distance of grey pictures, independent of brightness and contrast.

    Half the mean absolute difference of the two after each is centred on its mean and divided by its mean absolute
    deviation: 0 for the same picture, at most 1, and 0.71 for unrelated pictures with normally distributed values.

    Args:
        before: (N, H, W) uint8.
        after: (N, H, W) uint8, one for each.

    Returns:
        (N,).
    """
    return np.asarray(np.abs(_normalised(before) - _normalised(after)).mean((1, 2)) / 2)


def _normalised(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    centred = pictures - pictures.mean((1, 2), keepdims=True, dtype=np.float32)
    return np.asarray(centred / (np.abs(centred).mean((1, 2), keepdims=True) + CONTRAST_FLOOR), np.float32)


def has_unmatched_box(snapshot: FaceSnapshot, other: FaceSnapshot) -> bool:
    """Whether a box of a frame overlaps no box of the other frame enough to be the same face."""
    return _any_unmatched(snapshot.boxes_px, other.boxes_px)


def has_unmatched_weak_box(snapshot: FaceSnapshot, other: FaceSnapshot) -> bool:
    """The same for the weak boxes of the first frame."""
    return _any_unmatched(snapshot.boxes_px[~snapshot.strong], other.boxes_px)


def _any_unmatched(boxes_px: NDArray[np.float32], others_px: NDArray[np.float32]) -> bool:
    return bool((iou_matrix(boxes_px, others_px).max(axis=1, initial=0.0) < MIN_IOU).any())


def has_transient(between: NDArray[np.uint8], start: NDArray[np.uint8], end: NDArray[np.uint8]) -> bool:
    """Whether some frame between two analysed ones shows something that neither of them shows.

    Args:
        between: (N, 36, 64, 3) uint8, the downscaled frames in between; at least one.
        start: (36, 64, 3) uint8, the downscaled analysed frame before them.
        end: (36, 64, 3) uint8, the one after them.
    """
    pictures = between.astype(np.int16)
    differences = [np.abs(pictures - analysed).mean(-1) for analysed in (start, end)]
    return bool(np.minimum(*differences).max() > TRANSIENT_LEVELS)
