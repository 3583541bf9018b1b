"""Which detection shows which face of a truth file."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from screenalytics_assets.core.common.arrow import boxes_of, column_of
from screenalytics_assets.core.common.geometry import clamp_boxes, iou_matrix
from screenalytics_assets.core.evaluation.truth import Truth

MIN_IOU = 0.4
"""Least IoU of a detection with the truth face that it finds.

Detectors do not agree on where a face ends. On fully visible faces of the labelled season the IoU is 0.69 to 0.95 for
SCRFD-2.5G (331 faces) and 0.59 to 0.96 for CenterFace (336 faces), whose boxes are about 1.1 times as high and wide as
the truth's; boxes of other faces never overlap. A detector that draws its box around the visible 0.6 of a half-hidden
face keeps 0.6 of 0.69, that is 0.41: with the usual threshold of 0.5 it would count as missed.
"""

MIN_VISIBLE = 0.6
"""A face is required if at least this share of it is visible; detections of less visible faces are ignored."""

FALSE = -1
IGNORED = -2


class Matching(NamedTuple):
    """Which detection shows which face.

    Attributes:
        face_of_detection: (D,) int64, a row of the truth's faces, or `FALSE`, or `IGNORED`.
        required: Rows of the truth's faces that have to be found on these frames.
    """

    face_of_detection: NDArray[np.int64]
    required: NDArray[np.int64]


def match_to_truth(truth: Truth, frames: NDArray[np.int32], detections: pa.Table) -> Matching:
    """Assign the detections of each frame to the truth's faces.

    Required faces come first: detections are assigned so that as many faces as possible are found, and then so that
    the sum of IoU is largest (Hungarian method, IoU at least `MIN_IOU`). Of the remaining detections, those on a face
    of which less than `MIN_VISIBLE` is visible are ignored; the others are false, including a second one on a face.

    Args:
        truth: The truth.
        frames: Frame numbers to match, each once, all within the truth.
        detections: frame_idx, bbox (x1, y1, x2, y2 as shares of the frame); only of these frames.

    Returns:
        The matching. The order of the rows matters only between identical boxes.
    """
    # Boxes that reach outside the frame are clamped to it, as those of a detector are.
    faces_px = clamp_boxes(truth.boxes_px.astype(np.float32), truth.width, truth.height)
    size_px = np.array([truth.width, truth.height, truth.width, truth.height], np.float32)
    boxes_px = boxes_of(detections["bbox"]) * size_px
    frame_of_detection = column_of(detections, "frame_idx")
    order = np.lexsort([*boxes_px.T, frame_of_detection])
    starts = np.searchsorted(frame_of_detection, frames, "left", sorter=order)
    ends = np.searchsorted(frame_of_detection, frames, "right", sorter=order)

    face_of_detection = np.full(len(boxes_px), FALSE, np.int64)
    required = [np.empty(0, np.int64)]
    for frame_idx, start, end in zip(frames.tolist(), starts, ends, strict=True):
        rows = order[start:end]
        faces = np.arange(truth.frame_offsets[frame_idx], truth.frame_offsets[frame_idx + 1])
        in_view = truth.visible[faces] >= MIN_VISIBLE
        needed, optional = faces[in_view], faces[~in_view]
        required.append(needed)
        detected, found = _assign(boxes_px[rows], faces_px[needed])
        face_of_detection[rows[detected]] = needed[found]
        rows = np.delete(rows, detected)
        detected, _ = _assign(boxes_px[rows], faces_px[optional])
        face_of_detection[rows[detected]] = IGNORED
    return Matching(face_of_detection, np.concatenate(required))


def _assign(boxes_px: NDArray[np.float32], faces_px: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the boxes and, of the same length, of the faces that they are assigned to."""
    iou = iou_matrix(boxes_px, faces_px)
    # One more face found outweighs any gain in IoU.
    weight = np.where(iou >= MIN_IOU, len(faces_px) + iou, 0.0)
    rows, columns = linear_sum_assignment(weight, maximize=True)
    close = iou[rows, columns] >= MIN_IOU
    return rows[close], columns[close]
