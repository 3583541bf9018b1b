"""Decodes the output maps of YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.detection.face_boxes import FrameFaces

STRIDES_PX = (8, 16, 32)
"""Input pixels per cell of the three sets of output maps, in both directions."""


def decode_yunet(
    outputs: Sequence[NDArray[np.float32]],
    input_width_px: int,
    *,
    confidence_th: float,
    input_px_per_frame_px: float,
) -> FrameFaces:
    """A face for every cell with a score of at least ``confidence_th``; usually several cells find the same face.

    The score is the geometric mean of the two that the net gives, of a face and of an object. The centre of a box is
    that of the cell's corner plus an offset in cells, its sides are exponentials in cells, and landmarks are offsets
    from the cell's corner.

    Args:
        outputs: Twelve maps, each (1, cells, n) with the cells row by row: the scores of a face (n = 1) at each stride,
            the scores of an object (1), the boxes (4), and the landmarks (10).
        input_width_px: Width of the net's input.
        confidence_th: Minimum score.
        input_px_per_frame_px: Scale from the frame to the net's input; both have the same top left corner.

    Returns:
        Candidates in pixels of the frame, in no particular order.
    """
    found = []
    for level, stride_px in enumerate(STRIDES_PX):
        face, thing, box, points = (outputs[level + len(STRIDES_PX) * kind][0] for kind in range(4))
        scores = np.sqrt(np.clip(face[:, 0], 0, 1) * np.clip(thing[:, 0], 0, 1))
        cells = np.flatnonzero(scores >= confidence_th)
        columns = input_width_px // stride_px
        corner = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
        centre, size = corner + box[cells, :2], np.exp(box[cells, 2:])
        frame_px_per_cell = stride_px / input_px_per_frame_px
        boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1) * frame_px_per_cell
        landmarks = (points[cells].reshape(-1, 5, 2) + corner[:, None]) * frame_px_per_cell
        found.append(
            FrameFaces(boxes.astype(np.float32), scores[cells].astype(np.float32), landmarks.astype(np.float32))
        )
    return FrameFaces.joined(found)
