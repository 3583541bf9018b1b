"""Detections followed through a shot: ByteTrack (Zhang et al., ECCV 2022), timed in seconds.

The association is roboflow's ``trackers`` (Apache-2.0). Three things are different. A track begins with its
first detection, not with the second one, so that no detection is lost. The tracker is made anew at each cut,
since no motion model holds across one. And since the whole shot is known, a track is also followed backwards
from where it began: ByteTrack lets a weak detection continue a track, and time has no direction for that.
"""

from collections.abc import Iterator
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
"""``trackers`` counts its lost-track buffer in frames of 30 a second; its motion model takes steps of them."""

LOW_CONFIDENCE = "low_confidence"
"""Reason of a detection that starts no track and continues none."""


class Tracking(NamedTuple):
    """Tracks, and the detections that are in none, in the declared schemas."""

    tracks: pa.Table
    untracked: pa.Table


class _ByteTrack(ByteTrackTracker):
    """ByteTrack whose tracks have their id from the first detection on and last for seconds."""

    # Not for the library's registry of trackers and its tuning.
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
        analysed_frames: The frames that the detector has seen, with or without faces.
        detections: The faces found in them.
        frame_size_px: Width and height; the motion model's noise is in pixels.
        track_thresh: Detections with at least this score start tracks and are matched first.
        match_thresh: Least IoU between a detection and the box that a track predicts, in both passes.
        track_buffer_s: A track that frames were analysed without for longer has ended.

    Returns:
        Tracks in the order in which they begin; the order of the rows that are given changes nothing.
    """
    detections = detections.sort_by([("frame_idx", "ascending"), ("detection_id", "ascending")])
    boxes_px = boxes_of(detections["bbox"]) * np.array(frame_size_px * 2, np.float32)
    confidence = column_of(detections, "confidence")
    tracker_ids = np.full(detections.num_rows, -1, np.int64)
    next_id = 0
    for shot_frames in _by_shot(analysed_frames, detections):
        tracker = _ByteTrack(track_thresh=track_thresh, match_thresh=match_thresh, track_buffer_s=track_buffer_s)
        for ts_s, rows in shot_frames:
            seen = sv.Detections(xyxy=boxes_px[rows], confidence=confidence[rows], data={"row": np.asarray(rows)})
            followed = tracker.update(seen, timestamp=ts_s)
            if followed.tracker_id is None or not len(followed):
                continue
            found = followed.tracker_id >= 0
            tracker_ids[followed.data["row"][found]] = followed.tracker_id[found] + next_id
        _extend_backwards(tracker_ids, shot_frames, boxes_px, match_thresh, track_buffer_s)
        next_id = max(next_id, int(tracker_ids.max(initial=-1)) + 1)
    return Tracking(tracks_table(detections, tracker_ids), _untracked_table(detections, tracker_ids))


def _extend_backwards(
    tracker_ids: NDArray[np.int64],
    shot_frames: list[tuple[float, NDArray[np.int64]]],
    boxes_px: NDArray[np.float32],
    match_thresh: float,
    track_buffer_s: float,
) -> None:
    """Give detections in no track to the track that begins right after them in the same place."""
    begun: dict[int, tuple[float, int]] = {}
    for ts_s, rows in reversed(shot_frames):
        free = rows[tracker_ids[rows] < 0]
        present = set(tracker_ids[rows].tolist())
        heads = {
            track: row
            for track, (head_s, row) in begun.items()
            if head_s - ts_s <= track_buffer_s and track not in present
        }
        if heads and len(free):
            overlap = iou_matrix(boxes_px[list(heads.values())], boxes_px[free])
            for head, candidate in zip(*linear_sum_assignment(overlap, maximize=True), strict=True):
                if overlap[head, candidate] >= match_thresh:
                    tracker_ids[free[candidate]] = list(heads)[head]
        begun |= {int(tracker_ids[row]): (ts_s, int(row)) for row in rows if tracker_ids[row] >= 0}


def _by_shot(analysed_frames: pa.Table, detections: pa.Table) -> Iterator[list[tuple[float, NDArray[np.int64]]]]:
    frame_idx = column_of(detections, "frame_idx")
    frames = analysed_frames.sort_by("frame_idx")
    starts = np.searchsorted(frame_idx, column_of(frames, "frame_idx"), side="left")
    ends = np.searchsorted(frame_idx, column_of(frames, "frame_idx"), side="right")
    shots = column_of(frames, "shot_idx")
    times_s = column_of(frames, "ts_s")
    for shot in np.unique(shots):
        yield [(float(times_s[i]), np.arange(starts[i], ends[i])) for i in np.flatnonzero(shots == shot)]


def _untracked_table(detections: pa.Table, tracker_ids: NDArray[np.int64]) -> pa.Table:
    left = detections.filter(pa.array(tracker_ids < 0))
    return table_of(
        schemas.UNTRACKED,
        {
            **{name: left[name] for name in ("ep_id", "detection_id", "frame_idx", "ts_s")},
            "reason": [LOW_CONFIDENCE] * left.num_rows,
        },
    )
