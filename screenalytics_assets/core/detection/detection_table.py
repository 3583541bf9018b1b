"""The tables of accepted and refused boxes, filled while an episode is scanned."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import table_of
from screenalytics_assets.core.detection.alignment import fraction_inside
from screenalytics_assets.core.detection.pose import head_pose_deg
from screenalytics_assets.core.detection.quality import quality_score


class BoxLocation(NamedTuple):
    """Where and when a box was detected, in pixels of a frame of ``size_px`` (width, height)."""

    frame_idx: int
    ts_s: float
    shot_idx: int
    bbox_px: NDArray[np.float32]
    size_px: tuple[int, int]

    def bbox(self) -> NDArray[np.float32]:
        """The box normalised to the frame, (4,) float32."""
        return (self.bbox_px / np.array(self.size_px * 2)).astype(np.float32)

    def face_px(self) -> float:
        """The shorter side of the box in pixels."""
        return float(min(self.bbox_px[2] - self.bbox_px[0], self.bbox_px[3] - self.bbox_px[1]))


_ROWS_PER_CHUNK = 4096


class _Accepted(NamedTuple):
    detection_id: str
    location: BoxLocation
    landmarks_px: NDArray[np.float32]
    confidence: float
    sharpness: float


class DetectionRows:
    """Accepted and refused boxes, in the order in which they are added.

    Accepted ones become a table every few thousand rows, since objects take ten times the memory of table rows.
    """

    def __init__(self, ep_id: str) -> None:
        self._ep_id = ep_id
        self._chunks: list[pa.Table] = []
        self._count = 0
        self._pending: list[_Accepted] = []
        self._refused: list[tuple[BoxLocation, float | None, str]] = []
        self.blank_crops = 0

    def accept(
        self, location: BoxLocation, landmarks_px: NDArray[np.float32], confidence: float, sharpness: float
    ) -> str:
        """Add a detection; returns its id."""
        self._count += 1
        detection_id = f"det-{self._count:06d}"
        self._pending.append(_Accepted(detection_id, location, landmarks_px, confidence, sharpness))
        if len(self._pending) == _ROWS_PER_CHUNK:
            self._chunks.append(self._table_of_pending())
        return detection_id

    def refuse(self, location: BoxLocation, confidence: float | None, reason: str) -> None:
        """Add a box that is not a usable face; without a score if a verifier gave it none."""
        self._refused.append((location, confidence, reason))

    def detections(self) -> pa.Table:
        """The accepted boxes with their pose and quality, sorted by frame."""
        rows = pa.concat_tables([*self._chunks, self._table_of_pending()])
        return rows.sort_by([("frame_idx", "ascending"), ("detection_id", "ascending")])

    def _table_of_pending(self) -> pa.Table:
        accepted, self._pending = self._pending, []
        locations = [row.location for row in accepted]
        landmarks_px = np.array([row.landmarks_px for row in accepted], np.float32).reshape(len(accepted), 5, 2)
        size_px = locations[0].size_px if locations else (1, 1)
        pose = head_pose_deg(landmarks_px, size_px)
        face_px = np.array([location.face_px() for location in locations], np.float32)
        confidence = np.array([row.confidence for row in accepted], np.float32)
        sharpness = np.array([row.sharpness for row in accepted], np.float32)
        return table_of(
            schemas.DETECTIONS,
            {
                **self._location_columns(locations),
                "detection_id": [row.detection_id for row in accepted],
                "shot_idx": [location.shot_idx for location in locations],
                "landmarks": (landmarks_px / np.array(size_px)).astype(np.float32),
                "confidence": confidence,
                "face_px": face_px,
                "sharpness": sharpness,
                "yaw": pose[:, 0].astype(np.float32),
                "pitch": pose[:, 1].astype(np.float32),
                "roll": pose[:, 2].astype(np.float32),
                "inside_fraction": np.array([fraction_inside(points, size_px) for points in landmarks_px], np.float32),
                "quality_score": quality_score(confidence, face_px, sharpness, pose[:, 0], pose[:, 1]).astype(
                    np.float32
                ),
            },
        )

    def refused(self) -> pa.Table:
        """The refused boxes in the schema of ``crops_debug``."""
        locations = [location for location, _, _ in self._refused]
        nulls = [None] * len(locations)
        return table_of(
            schemas.CROPS_DEBUG,
            {
                **self._location_columns(locations),
                "track_id": nulls,
                "detection_id": nulls,
                "status": ["refused"] * len(locations),
                "reason": [reason for _, _, reason in self._refused],
                "confidence": [confidence for _, confidence, _ in self._refused],
                "face_px": np.array([location.face_px() for location in locations], np.float32),
                "sharpness": nulls,
                "yaw": nulls,
                "pitch": nulls,
                "inside_fraction": nulls,
                "quality_score": nulls,
            },
        )

    def _location_columns(self, locations: list[BoxLocation]) -> dict[str, object]:
        return {
            "ep_id": [self._ep_id] * len(locations),
            "frame_idx": [location.frame_idx for location in locations],
            "ts_s": [location.ts_s for location in locations],
            "bbox": np.array([location.bbox() for location in locations], np.float32).reshape(-1, 4),
        }
