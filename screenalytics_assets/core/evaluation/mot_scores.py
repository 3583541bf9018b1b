"""Multi-object tracking scores of tracks and identities: HOTA, IDF1 and identity switches."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.evaluation.truth_matching import MIN_IOU


class Boxes(NamedTuple):
    """Boxes with ids, over all frames.

    Attributes:
        frame_idx: (N,) integers.
        ids: (N,) integers; equal ids mean the same object.
        boxes_px: (N, 4) float32, x1 y1 x2 y2 in pixels.
    """

    frame_idx: NDArray[np.integer]
    ids: NDArray[np.integer]
    boxes_px: NDArray[np.float32]


class MotScores(NamedTuple):
    """Scores of one sequence; shares are 0 to 1, and nan where neither truth nor detections have a box.

    Attributes:
        hota: HOTA (Luiten et al. 2021), the mean over IoU thresholds from 0.05 to 0.95. A box of another size than
            the truth's lowers it, even when the association is right.
        hota_0: HOTA at the lowest threshold: detection and association without localisation.
        idf1: IDF1 (Ristani et al. 2016), 2 IDTP / (truth + found), ids assigned one to one over the sequence.
        switches: How often a truth id is matched to another id than at its previous match.
    """

    hota: float
    hota_0: float
    idf1: float
    switches: int


def score_mot(frames: NDArray[np.integer], truth: Boxes, found: Boxes) -> MotScores:
    """HOTA, IDF1 and switches with the IoU as similarity; IDF1 and switches match boxes from an IoU of ``MIN_IOU``.

    Leave out faces that are not required, and the detections on them, before the call: that is how MOTChallenge
    treats its distractors.

    Args:
        frames: (F,) the analysed frames, each once, ascending.
        truth: Faces that have to be found on these frames.
        found: Detections with an id on these frames.
    """
    if not len(truth.ids) and not len(found.ids):
        return MotScores(math.nan, math.nan, math.nan, 0)
    # Imported here because `trackers` loads its annotators and plots, about a second.
    from trackers.eval import compute_clear_metrics, compute_hota_metrics, compute_identity_metrics

    truth_rows, found_rows = _rows_by_frame(frames, truth.frame_idx), _rows_by_frame(frames, found.frame_idx)
    truth_numbers, found_numbers = _numbered(truth.ids), _numbered(found.ids)
    truth_ids = [truth_numbers[rows] for rows in truth_rows]
    found_ids = [found_numbers[rows] for rows in found_rows]
    iou = [
        iou_matrix(truth.boxes_px[rows], found.boxes_px[columns]).astype(np.float64)
        for rows, columns in zip(truth_rows, found_rows, strict=True)
    ]
    hota = compute_hota_metrics(truth_ids, found_ids, iou)
    return MotScores(
        hota=hota["HOTA"],
        hota_0=_hota_at_lowest_threshold(hota),
        idf1=compute_identity_metrics(truth_ids, found_ids, iou, threshold=MIN_IOU)["IDF1"],
        switches=compute_clear_metrics(truth_ids, found_ids, iou, threshold=MIN_IOU)["IDSW"],
    )


def _hota_at_lowest_threshold(metrics: dict[str, NDArray[np.float64]]) -> float:
    """``sqrt(DetA * AssA)`` at the first IoU threshold, which `trackers` returns only as the mean over all."""
    matched, missed, false = (metrics[f"HOTA_{kind}_array"][0] for kind in ("TP", "FN", "FP"))
    return math.sqrt(matched / (matched + missed + false) * metrics["AssA_array"][0])


def _numbered(ids: NDArray[np.integer]) -> NDArray[np.intp]:
    """Ids as 0, 1, ... by first row, so that the names behind them cannot change the order of a sum."""
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _rows_by_frame(frames: NDArray[np.integer], frame_idx: NDArray[np.integer]) -> list[NDArray[np.intp]]:
    """The rows of each frame, in their order."""
    order = np.argsort(frame_idx, kind="stable")
    starts = np.searchsorted(frame_idx, frames, "left", sorter=order)
    ends = np.searchsorted(frame_idx, frames, "right", sorter=order)
    return [order[start:end] for start, end in zip(starts, ends, strict=True)]
