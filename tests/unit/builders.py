"""Small tables for tests: faces that were seen, and what is made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import table_of

EP_ID = "show-s01e02"
FPS = 24.0
Box = tuple[float, float, float, float]
LANDMARKS = ((0.43, 0.45), (0.47, 0.45), (0.45, 0.5), (0.43, 0.55), (0.47, 0.55))


@dataclass(frozen=True)
class Seen:
    """A face in a frame, good in every respect unless stated otherwise."""

    frame_idx: int = 0
    bbox: Box = (0.4, 0.4, 0.5, 0.6)
    shot_idx: int = 0
    confidence: float = 0.9
    face_px: float = 120.0
    sharpness: float = 200.0
    yaw: float | None = 0.0
    pitch: float | None = 0.0
    inside_fraction: float = 1.0
    quality_score: float = 0.8
    fps: float = FPS

    @property
    def ts_s(self) -> float:
        return self.frame_idx / self.fps


def detections_table(seen: Sequence[Seen]) -> pa.Table:
    """Detections `det-000001`, `det-000002`, ... in the order given."""
    plain = (
        "frame_idx",
        "ts_s",
        "shot_idx",
        "confidence",
        "face_px",
        "sharpness",
        "yaw",
        "pitch",
        "inside_fraction",
        "quality_score",
    )
    columns: dict[str, object] = {name: [getattr(face, name) for face in seen] for name in plain}
    return table_of(
        schemas.DETECTIONS,
        columns
        | {
            "ep_id": [EP_ID] * len(seen),
            "detection_id": [f"det-{i + 1:06d}" for i in range(len(seen))],
            "bbox": [face.bbox for face in seen],
            "landmarks": [LANDMARKS] * len(seen),
            "roll": [0.0] * len(seen),
        },
    )


def frames_table(frame_idx: Sequence[int], *, fps: float = FPS, cuts: Sequence[int] = ()) -> pa.Table:
    """Analysed frames; ``cuts`` are the first frames of the shots after the first."""
    shots = np.searchsorted(sorted(cuts), frame_idx, side="right")
    return table_of(
        schemas.ANALYSED_FRAMES,
        {
            "ep_id": [EP_ID] * len(frame_idx),
            "frame_idx": list(frame_idx),
            "ts_s": [frame / fps for frame in frame_idx],
            "shot_idx": shots.tolist(),
        },
    )


def shots_table(ranges: Sequence[tuple[int, int]], *, fps: float = FPS) -> pa.Table:
    """Shots by their first and last frame."""
    return table_of(
        schemas.SHOTS,
        {
            "ep_id": [EP_ID] * len(ranges),
            "shot_idx": list(range(len(ranges))),
            "start_frame": [start for start, _ in ranges],
            "end_frame": [end for _, end in ranges],
            "start_s": [start / fps for start, _ in ranges],
            "end_s": [(end + 1) / fps for _, end in ranges],
        },
    )


def tracks_table(tracks: Sequence[Sequence[Seen]], *, split_reasons: Mapping[int, str] | None = None) -> pa.Table:
    """Tracks of the detections that `detections_table` makes of the same faces, track after track."""
    reasons = split_reasons or {}
    firsts = np.cumsum([0, *(len(track) for track in tracks)])
    return table_of(
        schemas.TRACKS,
        {
            "ep_id": [EP_ID] * len(tracks),
            "track_id": [track_id(i) for i in range(len(tracks))],
            "start_s": [track[0].ts_s for track in tracks],
            "end_s": [track[-1].ts_s for track in tracks],
            "start_frame": [track[0].frame_idx for track in tracks],
            "end_frame": [track[-1].frame_idx for track in tracks],
            "shot_idx": [track[0].shot_idx for track in tracks],
            "num_detections": [len(track) for track in tracks],
            "mean_confidence": [float(np.mean([face.confidence for face in track])) for track in tracks],
            "split_reason": [reasons.get(i) for i in range(len(tracks))],
            "boxes": [
                [
                    {
                        "detection_id": f"det-{firsts[i] + k + 1:06d}",
                        "frame_idx": face.frame_idx,
                        "ts_s": face.ts_s,
                        "bbox": face.bbox,
                    }
                    for k, face in enumerate(track)
                ]
                for i, track in enumerate(tracks)
            ],
        },
    )


def track_id(index: int) -> str:
    """The id of a track by its row."""
    return f"track-{index + 1:05d}"


def faces_table(track_of_face: Sequence[int], quality: Sequence[float], *, ranks: Sequence[int] = ()) -> pa.Table:
    """Embedded faces; all of rank 1 unless ranks are given."""
    count = len(track_of_face)
    return table_of(
        schemas.FACES,
        {
            "ep_id": [EP_ID] * count,
            "face_id": [f"face-{i + 1:05d}" for i in range(count)],
            "track_id": [track_id(track) for track in track_of_face],
            "detection_id": [f"det-{i + 1:06d}" for i in range(count)],
            "frame_idx": list(range(count)),
            "ts_s": [i / FPS for i in range(count)],
            "bbox": [(0.4, 0.4, 0.5, 0.6)] * count,
            "landmarks": [LANDMARKS] * count,
            "quality_score": list(quality),
            "quality_rank": list(ranks) or [1] * count,
            "crop_path": [None] * count,
            "model_digest": ["digest"] * count,
        },
    )


def at_cosine(cosine: float, dimension: int = 512) -> NDArray[np.float32]:
    """Two unit rows with this cosine between them."""
    vectors = np.zeros((2, dimension), np.float32)
    vectors[0, 0] = 1
    vectors[1, :2] = cosine, np.sqrt(1 - cosine**2)
    return vectors


def people(tracks_of_each: Sequence[int], *, spread: float = 0.2, seed: int = 0) -> NDArray[np.float32]:
    """Unit rows, one a track: tracks of one person are alike, those of two people are not.

    Args:
        tracks_of_each: Number of tracks of each person.
        spread: Length of the random part against a person's own direction of length 1; at 0.2 two tracks of
            a person have a cosine of about 1 / (1 + 0.2²) = 0.96.
        seed: Of the random part.
    """
    rng = np.random.default_rng(seed)
    centres = np.eye(len(tracks_of_each), 512)
    rows = np.repeat(centres, tracks_of_each, axis=0)
    noise = rng.normal(size=rows.shape)
    rows = rows + spread * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
