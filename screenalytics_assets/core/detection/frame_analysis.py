"""The analysis of one frame: its faces, their measures and their crops."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.geometry import clamp_boxes
from screenalytics_assets.core.config.detection_keys import DetectionSettings
from screenalytics_assets.core.detection.alignment import aligned_crop, crop_jpeg, embedding_crop
from screenalytics_assets.core.detection.detection_table import BoxLocation
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.detection.frame_comparison import FaceSnapshot, snapshot_of
from screenalytics_assets.core.detection.hysteresis import CERTAIN_MARGIN, FrameBoxes, contained_boxes
from screenalytics_assets.core.detection.quality import is_blank, laplacian_variance
from screenalytics_assets.core.video.shot_stream import ShotFrame

WIDE_SHOT_FRACTION = 0.1
"""Fraction of the frame's height. Where every face is smaller, a whole standing person, seven to eight heads high, fits
into the frame: a long shot. In a fifth of the face time of twelve hand-labelled episodes the face is smaller."""


class Detector(Protocol):
    """Detects the faces in a frame (H, W, 3)."""

    def detect(
        self, frame_bgr: NDArray[np.uint8], *, confidence_th: float, high_resolution: bool = False
    ) -> FrameFaces:
        """Faces with at least this score, best first; a high-resolution pass finds smaller ones too."""


class Face(NamedTuple):
    """The face in a box; ``jpeg`` is its crop, None if it is blank."""

    landmarks_px: NDArray[np.float32]
    sharpness: float
    jpeg: bytes | None


class Candidate(NamedTuple):
    """A box of the detector; ``face`` is None if the box is degenerate."""

    location: BoxLocation
    confidence: float
    face: Face | None


class FrameAnalysis(NamedTuple):
    """The faces of a frame.

    Attributes:
        frame_idx: Index of the frame.
        ts_s: Its time in seconds.
        shot_idx: Its shot.
        high_resolution: Whether it got a high-resolution pass.
        candidates: From left to right.
        not_faces: Boxes in which a verifier found no face.
        boxes: The boxes of the candidates, for hysteresis.
        snapshot: The same, for the comparison with other frames.
    """

    frame_idx: int
    ts_s: float
    shot_idx: int
    high_resolution: bool
    candidates: list[Candidate]
    not_faces: list[BoxLocation]
    boxes: FrameBoxes
    snapshot: FaceSnapshot


def analyse_frame(
    shot_frame: ShotFrame,
    detector: Detector,
    settings: DetectionSettings,
    *,
    confidence_th: float,
    high_resolution: bool,
) -> FrameAnalysis:
    """Detect the faces of a frame, weak ones included; a frame of a wide shot gets a high-resolution pass in any case.

    Args:
        shot_frame: The frame.
        detector: Detects the faces.
        settings: What is refused, and how crops are stored.
        confidence_th: Minimum score of a strong box.
        high_resolution: Whether this is a high-resolution pass.
    """
    frame, shot_idx = shot_frame.frame, shot_frame.shot_idx
    picture = frame.bgr()
    height, width = picture.shape[:2]
    weak_th = settings.weak_confidence_fraction * confidence_th
    faces = detector.detect(picture, confidence_th=weak_th, high_resolution=high_resolution)
    can_show_more = settings.close_look_scale > 1 and max(height, width) > settings.detector_input_px
    if not high_resolution and can_show_more and is_wide_shot(faces, (width, height), confidence_th):
        faces, high_resolution = detector.detect(picture, confidence_th=weak_th, high_resolution=True), True
    boxes_px = clamp_boxes(np.nan_to_num(faces.boxes_px), width, height)
    contained = contained_boxes(
        boxes_px, faces.scores, confidence_th=confidence_th, weak_fraction=settings.weak_confidence_fraction
    )
    is_finite: NDArray[np.bool_] = np.asarray(np.isfinite(faces.boxes_px).all(axis=1))
    order = np.lexsort((boxes_px[:, 1], boxes_px[:, 0]))
    order = order[~contained[order]]
    candidates = []
    for i in order.tolist():
        location = BoxLocation(frame.index, frame.ts_s, shot_idx, boxes_px[i], (width, height))
        face = _face_in(picture, location, faces.landmarks_px[i], settings) if is_finite[i] else None
        candidates.append(Candidate(location, float(faces.scores[i]), face))
    not_faces = [
        BoxLocation(frame.index, frame.ts_s, shot_idx, box_px, (width, height))
        for box_px in clamp_boxes(faces.refused_px, width, height)
    ]
    boxes_px, scores = boxes_px[order], faces.scores[order]
    strong = scores >= confidence_th
    return FrameAnalysis(
        frame.index,
        frame.ts_s,
        shot_idx,
        high_resolution,
        candidates,
        not_faces,
        FrameBoxes(frame.ts_s, boxes_px, strong, certain=scores >= confidence_th + CERTAIN_MARGIN),
        snapshot_of(picture, boxes_px, strong),
    )


def is_wide_shot(faces: FrameFaces, frame_size_px: tuple[int, int], confidence_th: float) -> bool:
    """Whether no face with at least this score is as high as `WIDE_SHOT_FRACTION` of the frame (width, height)."""
    strong = faces.chosen(faces.scores >= confidence_th)
    boxes_px = clamp_boxes(np.nan_to_num(strong.boxes_px), *frame_size_px)
    heights_px = boxes_px[:, 3] - boxes_px[:, 1]
    return bool(heights_px.max(initial=0.0) < WIDE_SHOT_FRACTION * frame_size_px[1])


def _face_in(
    picture: NDArray[np.uint8], location: BoxLocation, landmarks_px: NDArray[np.float32], settings: DetectionSettings
) -> Face | None:
    if location.face_px() < settings.min_box_px:
        return None
    try:
        crop = aligned_crop(picture, landmarks_px, crop_px=settings.thumb_size)
    except ValueError:
        return None  # the landmarks coincide or are not finite
    face = embedding_crop(crop)
    jpeg = None if is_blank(face) else crop_jpeg(crop, settings.jpeg_quality)
    return Face(landmarks_px, laplacian_variance(face), jpeg)
