"""Decodes the output maps of CenterFace (Xu et al., "CenterFace", 2019)."""

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.geometry import areas, intersection_areas
from screenalytics_assets.core.detection.face_boxes import FrameFaces

OUTPUT_STRIDE_PX = 4
"""Input pixels per cell of the output maps, in both directions."""


def decode_centerface(
    heatmap: NDArray[np.float32],
    log_size: NDArray[np.float32],
    offset: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    *,
    confidence_th: float,
    input_px_per_frame_px: float,
) -> FrameFaces:
    """A face for every cell with a score of at least ``confidence_th``; usually several cells find the same face.

    The network's pairs are (y, x). Box sides are ``exp(log_size)`` cells, the centre is that of the cell plus
    ``offset`` cells, and landmarks are fractions of the box from its top left corner. The authors' demo first
    clips that corner to the picture, which shifts the box and landmarks of a face at the border; here the box is
    not moved and reaches outside.

    Args:
        heatmap: (1, 1, h, w), scores 0 to 1.
        log_size: (1, 2, h, w), natural logarithm of height and width.
        offset: (1, 2, h, w), y and x.
        landmarks: (1, 10, h, w), y and x of left eye, right eye, nose, left and right mouth corner.
        confidence_th: Minimum score.
        input_px_per_frame_px: Scale from the frame to the network's input; both have the same top left corner.

    Returns:
        Candidates in pixels of the frame, in no particular order.
    """
    row, column = np.nonzero(heatmap[0, 0] >= confidence_th)
    frame_px_per_cell = OUTPUT_STRIDE_PX / input_px_per_frame_px
    size = np.exp(log_size[0, :, row, column])
    centre = np.stack([row, column], axis=1) + 0.5 + offset[0, :, row, column]
    corner = centre - size / 2
    points = corner[:, None, :] + landmarks[0, :, row, column].reshape(-1, 5, 2) * size[:, None, :]
    boxes = np.concatenate([corner[:, ::-1], (corner + size)[:, ::-1]], axis=1) * frame_px_per_cell
    return FrameFaces(
        boxes.astype(np.float32),
        heatmap[0, 0, row, column].astype(np.float32),
        (points[:, :, ::-1] * frame_px_per_cell).astype(np.float32),
    )


def suppress_overlaps(faces: FrameFaces, nms_iou: float) -> FrameFaces:
    """Greedy non-maximum suppression: boxes that overlap a better one by more than ``nms_iou`` are dropped.

    Returns:
        The remaining faces by descending score.
    """
    boxes = faces.boxes_px
    area = areas(boxes)
    remaining = np.argsort(-faces.scores, kind="stable")
    kept = []
    while remaining.size:
        best, others = remaining[0], remaining[1:]
        kept.append(best)
        overlap = intersection_areas(boxes[best], boxes[others])
        # Without a division, so that two empty boxes do not divide by zero.
        remaining = others[overlap <= nms_iou * (area[best] + area[others] - overlap)]
    return faces.chosen(np.array(kept, dtype=np.intp))
