"""The rows of the detections table while an episode is being looked at."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import table_of
from screenalytics_assets.core.detection.alignment import fraction_inside
from screenalytics_assets.core.detection.pose import head_pose_deg
from screenalytics_assets.core.detection.quality import quality_score


class Place(NamedTuple):
    """Where and when a box was seen; pixels of a frame of ``size_px`` (width, height)."""

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
    place: Place
    landmarks_px: NDArray[np.float32]
    confidence: float
    sharpness: float


class DetectionRows:
    """Accepted and refused boxes, in the order in which they were seen.

    What was accepted becomes a table every few thousand rows: as objects they would take ten times the memory.
    """

    def __init__(self, ep_id: str) -> None:
        self._ep_id = ep_id
        self._chunks: list[pa.Table] = []
        self._count = 0
        self._pending: list[_Accepted] = []
        self._refused: list[tuple[Place, float, str]] = []
        self.blank_crops = 0

    def accept(self, place: Place, landmarks_px: NDArray[np.float32], confidence: float, sharpness: float) -> str:
        """Take a box in; returns its detection id."""
        self._count += 1
        detection_id = f"det-{self._count:06d}"
        self._pending.append(_Accepted(detection_id, place, landmarks_px, confidence, sharpness))
        if len(self._pending) == _ROWS_PER_CHUNK:
            self._chunks.append(self._table_of_pending())
        return detection_id

    def refuse(self, place: Place, confidence: float, reason: str) -> None:
        """Note a box that is no usable face."""
        self._refused.append((place, confidence, reason))

    def detections(self) -> pa.Table:
        """The accepted boxes with their pose and quality, by frame."""
        everything = pa.concat_tables([*self._chunks, self._table_of_pending()])
        return everything.sort_by([("frame_idx", "ascending"), ("detection_id", "ascending")])

    def _table_of_pending(self) -> pa.Table:
        accepted, self._pending = self._pending, []
        places = [row.place for row in accepted]
        landmarks_px = np.array([row.landmarks_px for row in accepted], np.float32).reshape(len(accepted), 5, 2)
        size_px = places[0].size_px if places else (1, 1)
        pose = head_pose_deg(landmarks_px, size_px)
        face_px = np.array([place.face_px() for place in places], np.float32)
        confidence = np.array([row.confidence for row in accepted], np.float32)
        sharpness = np.array([row.sharpness for row in accepted], np.float32)
        return table_of(
            schemas.DETECTIONS,
            {
                **self._place_columns(places),
                "detection_id": [row.detection_id for row in accepted],
                "shot_idx": [place.shot_idx for place in places],
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
        """The refused boxes, in the schema of ``crops_debug``."""
        places = [place for place, _, _ in self._refused]
        nothing = [None] * len(places)
        return table_of(
            schemas.CROPS_DEBUG,
            {
                **self._place_columns(places),
                "track_id": nothing,
                "detection_id": nothing,
                "status": ["refused"] * len(places),
                "reason": [reason for _, _, reason in self._refused],
                "confidence": np.array([confidence for _, confidence, _ in self._refused], np.float32),
                "face_px": np.array([place.face_px() for place in places], np.float32),
                "sharpness": nothing,
                "yaw": nothing,
                "pitch": nothing,
                "inside_fraction": nothing,
                "quality_score": nothing,
            },
        )

    def _place_columns(self, places: list[Place]) -> dict[str, object]:
        return {
            "ep_id": [self._ep_id] * len(places),
            "frame_idx": [place.frame_idx for place in places],
            "ts_s": [place.ts_s for place in places],
            "bbox": np.array([place.bbox() for place in places], np.float32).reshape(-1, 4),
        }
