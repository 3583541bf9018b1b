"""Is there a face in a box? A second net looks at each box by itself, enlarged or reduced to one size."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.detection.face_boxes import FrameFaces

VIEW_PX = 128
"""Side of the view of a box.

In a street scene and on a dark stage, CenterFace tells faces from other boxes at 96 px as well as at 192 px. On the
four rendered episodes 0.95 of the faces score 0.4 or more at 96 px, 0.98 at 128 px and 0.88 at 192 px. At a false
match rate of 1 in 1,000, 0.974 of the pairs of one person match if the faces are aligned by the landmarks found at
128 px, and 0.967 by those found in the whole frame at 640 px.
"""

VIEW_SIDES = 2.0
"""Side of the view as a multiple of the box's longer side. The net was trained on faces with their surroundings."""

MIN_VIEW_IOU = 0.35
"""Minimum overlap of the face in the view with the box. Detectors draw boxes differently: of the faces of the rendered
episodes, YuNet's overlap the true ones by 0.66 and CenterFace's by 0.72 or more in 19 of 20 cases."""


class View(NamedTuple):
    """The view of a box.

    Attributes:
        picture_bgr: (128, 128, 3) uint8; black outside the frame.
        corner_px: (2,) x y of its top left corner in the frame.
        view_px_per_frame_px: Its scale.
    """

    picture_bgr: NDArray[np.uint8]
    corner_px: NDArray[np.float32]
    view_px_per_frame_px: float


def view_of(frame_bgr: NDArray[np.uint8], box_px: NDArray[np.float32]) -> View:
    """The view of a box: a square around its centre.

    Args:
        frame_bgr: (H, W, 3) uint8.
        box_px: (4,) x1 y1 x2 y2, finite; may reach outside the frame.
    """
    height, width = frame_bgr.shape[:2]
    size = box_px[2:] - box_px[:2]
    side_px = min(math.ceil(VIEW_SIDES * max(float(size.max()), 1.0)), 2 * max(height, width))
    left, top = np.rint((box_px[:2] + box_px[2:]) / 2 - side_px / 2).astype(np.int64).tolist()
    inside = frame_bgr[max(top, 0) : max(top + side_px, 0), max(left, 0) : max(left + side_px, 0)]
    picture = np.zeros((VIEW_PX, VIEW_PX, 3), np.uint8)
    if inside.size:
        above, before = max(-top, 0), max(-left, 0)
        below, after = side_px - above - inside.shape[0], side_px - before - inside.shape[1]
        square = cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        interpolation = cv2.INTER_AREA if side_px > VIEW_PX else cv2.INTER_LINEAR
        picture[:] = cv2.resize(square, (VIEW_PX, VIEW_PX), interpolation=interpolation)
    return View(picture, np.array([left, top], np.float32), VIEW_PX / side_px)


def face_in_view(view: View, found: FrameFaces, box_px: NDArray[np.float32]) -> FrameFaces:
    """The best face in the view that is the one in the box; one row or none.

    Args:
        view: The view of the box.
        found: The faces that the second net finds in it, in pixels of the view.
        box_px: (4,) the box in the frame.

    Returns:
        It in pixels of the frame.
    """
    boxes = found.boxes_px / view.view_px_per_frame_px + np.tile(view.corner_px, 2)
    landmarks = found.landmarks_px / view.view_px_per_frame_px + view.corner_px
    in_box = np.flatnonzero(iou_matrix(boxes, box_px[None])[:, 0] >= MIN_VIEW_IOU)
    best = in_box[np.argsort(-found.scores[in_box], kind="stable")[:1]]
    return FrameFaces(boxes.astype(np.float32), found.scores, landmarks.astype(np.float32)).chosen(best)
