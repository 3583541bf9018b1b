"""Figures about tracks and faces that show whether an episode was processed well."""

from collections import Counter

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import boxes_of, column_of
from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.common.vectors import row_norms
from screenalytics_assets.core.documents.track_metrics import CropStats, DetectTrackMetrics, SplitCounts

SHORT_TRACK_S = 1.0
"""Tracks that last less are short."""

REBIRTH_GAP_S = 2.0
"""A track is a re-birth if another track of the same shot ended in the same place at most this long before.

A track that begins at an appearance split is counted as a split instead. Two seconds is how long a head is turned away
or hidden in a conversation before it counts as a new appearance. The figure is only reported; it decides nothing.
"""


def detect_track_metrics(
    tracks: pa.Table,
    untracked: pa.Table,
    shots: pa.Table,
    *,
    detections: int,
    duration_s: float,
    damaged_s: float,
    match_thresh: float,
) -> DetectTrackMetrics:
    """The metrics of detection and tracking, under the names of the acceptance table.

    ``id_switch_rate`` is (appearance splits + re-births after a gap) / tracks.

    Args:
        tracks: The tracks of an episode.
        untracked: Detections in no track.
        shots: The shots of the episode.
        detections: Number of detections.
        duration_s: Duration of the video.
        damaged_s: Seconds of it that are damaged or missing.
        match_thresh: Least IoU between the end of a track and the start of its re-birth.
    """
    count = tracks.num_rows
    lengths_s = column_of(tracks, "end_s") - column_of(tracks, "start_s")
    splits = Counter(reason for reason in tracks["split_reason"].to_pylist() if reason)
    rebirths = count_rebirths(tracks, match_thresh)
    return DetectTrackMetrics(
        duration_s=duration_s,
        damaged_s=damaged_s,
        shots=shots.num_rows,
        detections=detections,
        untracked_detections=untracked.num_rows,
        tracks=count,
        tracks_per_minute=count / (duration_s / 60),
        short_track_fraction=float(np.mean(lengths_s < SHORT_TRACK_S - CLOCK_TOLERANCE_S)) if count else 0.0,
        mean_track_s=float(lengths_s.mean()) if count else 0.0,
        splits=SplitCounts(hard=splits["hard"], streak=splits["streak"], iou=splits["iou"]),
        rebirths=rebirths,
        id_switch_rate=(splits.total() + rebirths) / count if count else 0.0,
    )


def count_rebirths(tracks: pa.Table, match_thresh: float) -> int:
    """Tracks that begin where a track of the same shot ended at most ``REBIRTH_GAP_S`` before.

    Tracks that begin at a split do not count: they continue the face of the track before without a gap.
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


_NO_REJECTIONS = frozenset({"degenerate_box", "not_a_face", "volume_cap"})
"""Reasons of boxes that are no detections, and of good faces that there are enough of."""


def crop_stats(
    faces: pa.Table,
    vectors: NDArray[np.float32],
    crops_debug: pa.Table,
    *,
    crops: int,
    blank: int,
    blank_written: int,
    candidates: int,
    max_crops_per_track: int,
) -> CropStats:
    """The metrics of the crops and the accepted faces.

    ``rejection_rate`` is the share of tracked detections that the quality filter rejected; ``blank_fraction`` is the
    share of all crops that were blank and so not written.

    Args:
        faces: track_id and quality_score of the accepted faces.
        vectors: (N, D) float32, their embeddings.
        crops_debug: The reasons of the rejected candidates.
        crops: Number of crops that were written.
        blank: Number of crops that were blank, of detections in tracks or not.
        blank_written: Number of stored crops of accepted faces that show nothing.
        candidates: Number of detections in tracks.
        max_crops_per_track: The limit that the faces were chosen by.
    """
    reasons = Counter(crops_debug["reason"].to_pylist())
    rejected = sum(number for reason, number in reasons.items() if reason not in _NO_REJECTIONS)
    quality = column_of(faces, "quality_score")
    per_track = faces["track_id"].value_counts().field("counts").to_numpy()
    return CropStats(
        total_crops=crops,
        blank_crops=blank,
        blank_fraction=blank_fraction(crops=crops, blank=blank),
        faces=faces.num_rows,
        quality_mean=float(quality.mean()) if len(quality) else 0.0,
        rejection_rate=rejected / candidates if candidates else 0.0,
        rejected=dict(sorted(reasons.items())),
        blank_crops_written=blank_written,
        max_faces_per_track=int(per_track.max(initial=0)),
        max_crops_per_track=max_crops_per_track,
        vector_dimension=vectors.shape[1],
        vector_norm_error=float(np.abs(row_norms(vectors) - 1).max(initial=0.0)),
    )


def blank_fraction(*, crops: int, blank: int) -> float:
    """Share of blank crops in all crops: ``crops`` were written, ``blank`` were not."""
    return blank / (crops + blank) if crops + blank else 0.0


def blank_warning(*, crops: int, blank: int, most: float | None, confidence_th: float) -> str | None:
    """A warning if too many crops are blank, else None.

    Args:
        crops: Number of crops that were written.
        blank: Number of crops that were not written because they show nothing.
        most: Warn above this share of blank crops; None never warns.
        confidence_th: Least detector score of a detection.
    """
    share = blank_fraction(crops=crops, blank=blank)
    if most is None or share <= most:
        return None
    return (
        f"[BLANK] {blank} of {crops + blank} crops ({share:.0%}) show nothing and were not written, more than "
        f"{most:.0%}: the detector finds faces in empty areas; check that the video decodes correctly, "
        f"or set confidence_th above {confidence_th:g}"
    )
