"""Tracks and identities as multi-object tracking scores them: HOTA, IDF1 and switches, computed by ``trackeval``."""

import math
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.errors import MissingPackageError
from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.evaluation.truth_matching import MIN_IOU


class Boxes(NamedTuple):
    """Boxes with ids, over all frames.

    Attributes:
        frame_idx: (N,) integers.
        ids: (N,) integers, any; equal where it is said to be the same one.
        boxes_px: (N, 4) float32, x1 y1 x2 y2 in pixels.
    """

    frame_idx: NDArray[np.integer]
    ids: NDArray[np.integer]
    boxes_px: NDArray[np.float32]


class MotSequence(TypedDict):
    """What the metrics of ``trackeval`` read; ids are 0 and up without holes, lists have one entry a frame."""

    num_timesteps: int
    num_gt_ids: int
    num_tracker_ids: int
    num_gt_dets: int
    num_tracker_dets: int
    gt_ids: list[NDArray[np.intp]]
    tracker_ids: list[NDArray[np.intp]]
    similarity_scores: list[NDArray[np.float64]]


class MotScores(NamedTuple):
    """Scores of one sequence; shares are 0 to 1, and nan where there is nothing in the truth nor found.

    Attributes:
        hota: HOTA (Luiten et al. 2021), the mean over IoU thresholds from 0.05 to 0.95: boxes that are
            another size than the truth's lower it, whoever they follow.
        hota_0: HOTA at the least of the thresholds: detection and association without the exact box.
        idf1: IDF1 (Ristani et al. 2016), 2 IDTP / (truth + found), ids assigned one to one over the sequence.
        switches: How often a truth id that is found has another id than when it was found before.
    """

    hota: float
    hota_0: float
    idf1: float
    switches: int


def mot_sequence(frames: NDArray[np.integer], truth: Boxes, found: Boxes) -> MotSequence:
    """The form of ``trackeval``, with the IoU as similarity.

    Faces that are not required, and detections on them, have to be left out before: that is how MOTChallenge
    treats its distractors. Ids are numbered in the order of the rows.

    Args:
        frames: (F,) the analysed frames, each once, ascending.
        truth: Faces that have to be found on these frames.
        found: Detections with an id on these frames.
    """
    gt_ids, num_gt_ids = _numbered(truth.ids)
    tracker_ids, num_tracker_ids = _numbered(found.ids)
    sequence = MotSequence(
        num_timesteps=len(frames),
        num_gt_ids=num_gt_ids,
        num_tracker_ids=num_tracker_ids,
        num_gt_dets=len(gt_ids),
        num_tracker_dets=len(tracker_ids),
        gt_ids=[],
        tracker_ids=[],
        similarity_scores=[],
    )
    for gt, tracker in zip(_rows(frames, truth.frame_idx), _rows(frames, found.frame_idx), strict=True):
        sequence["gt_ids"].append(gt_ids[gt])
        sequence["tracker_ids"].append(tracker_ids[tracker])
        iou = iou_matrix(truth.boxes_px[gt], found.boxes_px[tracker])
        sequence["similarity_scores"].append(iou.astype(np.float64))
    return sequence


def _numbered(ids: NDArray[np.integer]) -> tuple[NDArray[np.intp], int]:
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse], len(first)


def _rows(frames: NDArray[np.integer], frame_idx: NDArray[np.integer]) -> list[NDArray[np.intp]]:
    """The rows of each frame, in their order."""
    order = np.argsort(frame_idx, kind="stable")
    starts = np.searchsorted(frame_idx, frames, "left", sorter=order)
    ends = np.searchsorted(frame_idx, frames, "right", sorter=order)
    return [order[start:end] for start, end in zip(starts, ends, strict=True)]


def score_sequence(sequence: MotSequence) -> MotScores:
    """HOTA, IDF1 and switches; IDF1 and switches take a pair for a match from an IoU of ``MIN_IOU``.

    Raises:
        MissingPackageError: ``trackeval`` is not installed.
    """
    if not sequence["num_gt_dets"] and not sequence["num_tracker_dets"]:
        return MotScores(math.nan, math.nan, math.nan, 0)
    try:
        from trackeval.metrics import CLEAR, HOTA, Identity
    except ImportError as error:
        raise MissingPackageError(
            "HOTA, IDF1 and switches need the package trackeval, which is not installed: "
            "pip install 'screenalytics[evaluate]'"
        ) from error
    threshold = {"THRESHOLD": MIN_IOU, "PRINT_CONFIG": False}
    hota = HOTA().eval_sequence(sequence)
    return MotScores(
        hota=float(np.mean(hota["HOTA"])),
        hota_0=float(hota["HOTA(0)"]),
        idf1=float(Identity(threshold).eval_sequence(sequence)["IDF1"]),
        switches=int(CLEAR(threshold).eval_sequence(sequence)["IDSW"]),
    )
