"""Figures about tracks and faces that tell a healthy episode from a sick one."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import boxes_of, column_of
from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.common.vectors import row_norms

SHORT_TRACK_S = 1.0
"""A track that lasts less is a short one."""

REBIRTH_GAP_S = 2.0
"""A track that begins where another one ended at most this long before, in the same shot, is a re-birth,
unless it is there because the gate divided a track: that is counted as a split.

Two seconds is how long a head may be turned away or hidden in a conversation before one would rather speak
of a new appearance; the figure is only counted, nothing is decided by it.
"""


def detect_track_metrics(
    tracks: pa.Table,
    untracked: pa.Table,
    shots: pa.Table,
    *,
    detections: int,
    duration_s: float,
    match_thresh: float,
) -> dict[str, Any]:
    """The metrics of detection and tracking, under the names of the acceptance table.

    ``id_switch_rate`` is (splits by the gate + re-births after a gap) / tracks.

    Args:
        tracks: The tracks of an episode.
        untracked: Detections in no track.
        shots: The shots of the episode.
        detections: Number of detections.
        duration_s: Duration of the video.
        match_thresh: Least IoU between an ended and a begun track that makes a re-birth.
    """
    count = tracks.num_rows
    lengths_s = column_of(tracks, "end_s") - column_of(tracks, "start_s")
    splits = Counter(reason for reason in tracks["split_reason"].to_pylist() if reason)
    rebirths = count_rebirths(tracks, match_thresh)
    return {
        "duration_s": duration_s,
        "shots": shots.num_rows,
        "detections": detections,
        "untracked_detections": untracked.num_rows,
        "tracks": count,
        "tracks_per_minute": count / (duration_s / 60),
        "short_track_fraction": float(np.mean(lengths_s < SHORT_TRACK_S - CLOCK_TOLERANCE_S)) if count else 0.0,
        "mean_track_s": float(lengths_s.mean()) if count else 0.0,
        "splits": {reason: splits.get(reason, 0) for reason in ("hard", "streak", "iou")},
        "rebirths": rebirths,
        "id_switch_rate": (splits.total() + rebirths) / count if count else 0.0,
    }


def count_rebirths(tracks: pa.Table, match_thresh: float) -> int:
    """Tracks that begin where a track of the same shot ended at most ``REBIRTH_GAP_S`` before.

    A track that begins at a split is none: it follows the face that it was divided from without a gap.
    """
    if not tracks.num_rows:
        return 0
    start_s, end_s = column_of(tracks, "start_s"), column_of(tracks, "end_s")
    shot_idx = column_of(tracks, "shot_idx")
    first, last = _edge_boxes(tracks)
    unsplit = tracks["split_reason"].is_null().to_numpy()
    rebirths = 0
    for shot in np.unique(shot_idx):
        rows = np.flatnonzero(shot_idx == shot)
        gap_s = start_s[rows][None, :] - end_s[rows][:, None]
        follows = (gap_s > 0) & (gap_s <= REBIRTH_GAP_S + CLOCK_TOLERANCE_S)
        again = (follows & (iou_matrix(last[rows], first[rows]) >= match_thresh)).any(axis=0)
        rebirths += int((again & unsplit[rows]).sum())
    return rebirths


def _edge_boxes(tracks: pa.Table) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    boxes = tracks["boxes"].combine_chunks()
    ends = np.cumsum(boxes.value_lengths().to_numpy())
    starts = np.concatenate([[0], ends[:-1]])
    bbox = boxes_of(boxes.flatten().field("bbox"))
    return bbox[starts], bbox[ends - 1]


def face_stats(
    faces: pa.Table, vectors: NDArray[np.float32], *, blank_written: int, max_crops_per_track: int
) -> dict[str, Any]:
    """The metrics of the embedded faces, which stand beside those of the crops.

    Args:
        faces: The embedded faces.
        vectors: (N, D) float32, theirs.
        blank_written: Number of stored crops of theirs that show nothing.
        max_crops_per_track: The limit that they were chosen by.
    """
    per_track = faces["track_id"].value_counts().field("counts").to_numpy()
    lengths = row_norms(vectors)
    return {
        "blank_crops_written": blank_written,
        "max_faces_per_track": int(per_track.max(initial=0)),
        "max_crops_per_track": max_crops_per_track,
        "vector_dimension": vectors.shape[1],
        "vector_norm_error": float(np.abs(lengths - 1).max(initial=0.0)),
    }


def crop_stats(
    crops_debug: pa.Table, *, crops: int, blank: int, candidates: int, faces: int, quality: NDArray[np.float32]
) -> dict[str, Any]:
    """The metrics of the face crops.

    ``rejection_rate`` is the share of tracked detections that the gate turned down; ``blank_fraction`` the
    share of all crops that were blank and so not written.

    Args:
        crops_debug: Rejected and refused candidates.
        crops: Number of crops that were written.
        blank: Number of crops that were blank, of detections in tracks or not.
        candidates: Number of detections in tracks.
        faces: Number of embedded faces.
        quality: (N,) quality scores of the embedded faces.
    """
    reasons = Counter(crops_debug["reason"].to_pylist())
    rejected = sum(number for reason, number in reasons.items() if reason not in ("degenerate_box", "volume_cap"))
    return {
        "total_crops": crops,
        "blank_crops": blank,
        "blank_fraction": blank_fraction(crops=crops, blank=blank),
        "faces": faces,
        "quality_mean": float(quality.mean()) if len(quality) else 0.0,
        "rejection_rate": rejected / candidates if candidates else 0.0,
        "rejected": dict(sorted(reasons.items())),
    }


def blank_fraction(*, crops: int, blank: int) -> float:
    """Share of blank crops in all: ``crops`` that were written, and ``blank`` ones that were not."""
    return blank / (crops + blank) if crops + blank else 0.0


def blank_warning(*, crops: int, blank: int, most: float | None, confidence_th: float) -> str | None:
    """What to say where too many of the crops are blank; nothing where they are not.

    Args:
        crops: Number of crops that were written.
        blank: Number of crops that were not, because nothing can be seen in them.
        most: Share of blank crops above which it is said; None never.
        confidence_th: Least detector score of a detection.
    """
    share = blank_fraction(crops=crops, blank=blank)
    if most is None or share <= most:
        return None
    return (
        f"[BLANK] {blank} of {crops + blank} crops ({share:.0%}) show nothing and were not written, more than "
        f"{most:.0%}: the detector takes empty picture for faces; look whether the video shows what it "
        f"should, or set confidence_th above {confidence_th:g}"
    )
