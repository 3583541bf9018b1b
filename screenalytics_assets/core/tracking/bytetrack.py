"""Faces tracked through a shot: ByteTrack (Zhang et al., ECCV 2022) with buffers in seconds.

The association is roboflow's ``trackers`` (Apache-2.0), with three differences. A track begins with its first
detection, not with the second, so that no detection is lost. Each shot has a new tracker, since no motion model holds
across a cut. And since the whole shot is known, weak detections also extend a track backwards from its first
detection, as ByteTrack lets them continue it forwards.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import supervision as sv
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from trackers import ByteTrackTracker
from trackers.core.bytetrack.tracklet import ByteTrackTracklet
from trackers.utils.predict_timing import PredictTiming

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import boxes_of, column_of, table_of
from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.tracking.track_table import tracks_table

_REFERENCE_FPS = 30.0
"""``trackers`` counts its buffer of lost tracks, and the steps of its motion model, in frames at this rate."""

LOW_CONFIDENCE = "low_confidence"
"""Reason of a detection that is in no track."""


class Tracking(NamedTuple):
    """Tracks, and the detections that are in none, in the declared schemas."""

    tracks: pa.Table
    untracked: pa.Table


class _Frame(NamedTuple):
    """An analysed frame: its time in seconds and the rows of its detections."""

    ts_s: float
    rows: NDArray[np.int64]


class _ByteTrack(ByteTrackTracker):
    """ByteTrack whose tracks have an id from the first detection on, and a buffer in seconds."""

    # Keeps the class out of the registry and the parameter search of the library.
    tracker_id = None  # type: ignore[assignment]
    search_space = None  # type: ignore[assignment]

    def __init__(self, *, track_thresh: float, match_thresh: float, track_buffer_s: float) -> None:
        super().__init__(
            lost_track_buffer=round(track_buffer_s * _REFERENCE_FPS),
            frame_rate=_REFERENCE_FPS,
            track_activation_threshold=track_thresh,
            high_conf_det_threshold=track_thresh,
            minimum_consecutive_frames=1,
            minimum_iou_threshold=match_thresh,
        )
        self.maximum_time_without_update = track_buffer_s + schemas.CLOCK_TOLERANCE_S

    def _prune_lost_tracks(self, timing: PredictTiming) -> None:  # noqa: ARG002 - the library's signature
        self.tracks = [
            track
            for track in self.tracks
            if track.time_since_update <= 1 or track.time_since_update_seconds <= self.maximum_time_without_update
        ]

    def _spawn_new_tracks(
        self,
        detection_boxes: NDArray[np.float32],
        confidences: NDArray[np.float32],  # noqa: ARG002 - the library's signature
        unmatched_high_local: list[int],
        high_indices: NDArray[np.int64],
        out_det_indices: list[int],
        out_tracker_ids: list[int],
    ) -> None:
        for local in unmatched_high_local:
            index = int(high_indices[local])
            tracklet = ByteTrackTracklet(detection_boxes[index], self.state_estimator_class)
            tracklet.tracker_id = self._allocate_tracker_id()
            self.tracks.append(tracklet)
            out_det_indices.append(index)
            out_tracker_ids.append(tracklet.tracker_id)


def track_faces(
    analysed_frames: pa.Table,
    detections: pa.Table,
    *,
    frame_size_px: tuple[int, int],
    track_thresh: float,
    match_thresh: float,
    track_buffer_s: float,
) -> Tracking:
    """Link the detections of each shot into tracks.

    Args:
        analysed_frames: The frames that were analysed, with or without faces, in any order.
        detections: The faces found in them, in any order.
        frame_size_px: Width and height; the motion model's noise is in pixels.
        track_thresh: Detections with at least this score start tracks and are matched first.
        match_thresh: Minimum IoU between a detection and the box that a track predicts, in both passes.
        track_buffer_s: A track ends when no detection continues it for longer than this.

    Returns:
        Tracks in the order in which they begin.
    """
    detections = detections.sort_by([("frame_idx", "ascending"), ("detection_id", "ascending")])
    boxes_px = boxes_of(detections["bbox"]) * np.array(frame_size_px * 2, np.float32)
    confidence = column_of(detections, "confidence")
    shots = _frames_by_shot(analysed_frames, detections)
    tracker_ids = np.full(detections.num_rows, -1, np.int64)
    next_id = 0
    for frames in shots:
        tracker = _ByteTrack(track_thresh=track_thresh, match_thresh=match_thresh, track_buffer_s=track_buffer_s)
        for ts_s, rows in frames:
            found = sv.Detections(xyxy=boxes_px[rows], confidence=confidence[rows], data={"row": rows})
            tracked = tracker.update(found, timestamp=ts_s)
            if tracked.tracker_id is None or not len(tracked):
                continue
            has_id = tracked.tracker_id >= 0
            tracker_ids[tracked.data["row"][has_id]] = tracked.tracker_id[has_id] + next_id
        next_id = max(next_id, int(tracker_ids.max(initial=-1)) + 1)
    tracker_ids = _extended_backwards(tracker_ids, shots, boxes_px, match_thresh, track_buffer_s)
    return Tracking(tracks_table(detections, tracker_ids), _untracked_table(detections, tracker_ids))


def _extended_backwards(
    tracker_ids: NDArray[np.int64],
    shots: Sequence[Sequence[_Frame]],
    boxes_px: NDArray[np.float32],
    match_thresh: float,
    track_buffer_s: float,
) -> NDArray[np.int64]:
    """Track ids in which detections without a track join the track that begins after them in the same place."""
    extended = tracker_ids.copy()
    for frames in shots:
        first_of_track: dict[int, tuple[float, int]] = {}
        for ts_s, rows in reversed(frames):
            free = rows[extended[rows] < 0]
            present = set(extended[rows].tolist())
            heads = {
                track: row
                for track, (first_s, row) in first_of_track.items()
                if first_s - ts_s <= track_buffer_s and track not in present
            }
            if heads and len(free):
                overlap = iou_matrix(boxes_px[list(heads.values())], boxes_px[free])
                for head, candidate in zip(*linear_sum_assignment(overlap, maximize=True), strict=True):
                    if overlap[head, candidate] >= match_thresh:
                        extended[free[candidate]] = list(heads)[head]
            first_of_track |= {int(extended[row]): (ts_s, int(row)) for row in rows if extended[row] >= 0}
    return extended


def _frames_by_shot(analysed_frames: pa.Table, detections: pa.Table) -> list[list[_Frame]]:
    """The analysed frames of each shot in time; ``detections`` are sorted by frame."""
    frame_idx = column_of(detections, "frame_idx")
    frames = analysed_frames.sort_by("frame_idx")
    starts = np.searchsorted(frame_idx, column_of(frames, "frame_idx"), side="left")
    ends = np.searchsorted(frame_idx, column_of(frames, "frame_idx"), side="right")
    shots, times_s = column_of(frames, "shot_idx"), column_of(frames, "ts_s")
    return [
        [_Frame(float(times_s[i]), np.arange(starts[i], ends[i])) for i in np.flatnonzero(shots == shot)]
        for shot in np.unique(shots)
    ]


def _untracked_table(detections: pa.Table, tracker_ids: NDArray[np.int64]) -> pa.Table:
    untracked = detections.filter(pa.array(tracker_ids < 0))
    return table_of(
        schemas.UNTRACKED,
        {
            **{name: untracked[name] for name in ("ep_id", "detection_id", "frame_idx", "ts_s")},
            "reason": [LOW_CONFIDENCE] * untracked.num_rows,
        },
    )
