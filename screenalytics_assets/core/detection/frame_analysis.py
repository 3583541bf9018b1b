"""What one frame shows: its faces, their measures and their crops."""

from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.geometry import clamp_boxes
from screenalytics_assets.core.config.detection_keys import DetectionSettings
from screenalytics_assets.core.detection.adaptive_sampling import Scene, scene_of
from screenalytics_assets.core.detection.alignment import aligned_crop, embedding_crop
from screenalytics_assets.core.detection.detection_table import Place
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.detection.hysteresis import SURE_MARGIN, FrameBoxes, repeated_faces
from screenalytics_assets.core.detection.quality import is_blank, laplacian_variance
from screenalytics_assets.core.video.shot_stream import ShotFrame


class Detector(Protocol):
    """Finds faces in a frame."""

    def detect(self, frame_bgr: NDArray[np.uint8], *, confidence_th: float, closely: bool = False) -> FrameFaces:
        """Faces with at least that score; ``closely`` looks for smaller ones too, and takes longer."""


class Face(NamedTuple):
    """What is cut out of the frame at a box; no JPEG where it shows nothing."""

    landmarks_px: NDArray[np.float32]
    sharpness: float
    jpeg: bytes | None


class Candidate(NamedTuple):
    """A box, and the face in it unless it is degenerate."""

    place: Place
    confidence: float
    face: Face | None


class Look(NamedTuple):
    """The faces of a frame.

    Attributes:
        frame_idx: The frame.
        ts_s: Its time in seconds.
        shot_idx: Its shot.
        closely: Whether it was a close look.
        candidates: From left to right.
        boxes: The same, and which of them are faces by their own score.
        scene: The same, to compare looks by.
    """

    frame_idx: int
    ts_s: float
    shot_idx: int
    closely: bool
    candidates: list[Candidate]
    boxes: FrameBoxes
    scene: Scene


def look_at(
    shot_frame: ShotFrame,
    detector: Detector,
    settings: DetectionSettings,
    *,
    confidence_th: float,
    closely: bool,
) -> Look:
    """Find the faces of a frame, also those too weak to count by themselves.

    Args:
        shot_frame: The frame.
        detector: Finds the faces.
        settings: What is refused, and how crops are stored.
        confidence_th: Score from which a box is a face by itself.
        closely: Whether to look for smaller faces too.
    """
    frame, shot_idx = shot_frame.frame, shot_frame.shot_idx
    picture = frame.bgr()
    height, width = picture.shape[:2]
    least = settings.weak_confidence_fraction * confidence_th
    faces = detector.detect(picture, confidence_th=least, closely=closely)
    boxes_px = clamp_boxes(np.nan_to_num(faces.boxes_px), width, height)
    repeated = repeated_faces(
        boxes_px, faces.scores, confidence_th=confidence_th, weak_fraction=settings.weak_confidence_fraction
    )
    is_box: NDArray[np.bool_] = np.asarray(np.isfinite(faces.boxes_px).all(axis=1))
    order = np.lexsort((boxes_px[:, 1], boxes_px[:, 0]))
    order = order[~repeated[order]]
    scores = faces.scores[order]
    strong = scores >= confidence_th
    candidates = []
    for i in order.tolist():
        place = Place(frame.index, frame.ts_s, shot_idx, boxes_px[i], (width, height))
        face = _cut_out(picture, place, faces.landmarks_px[i], settings) if is_box[i] else None
        candidates.append(Candidate(place, float(faces.scores[i]), face))
    return Look(
        frame.index,
        frame.ts_s,
        shot_idx,
        closely,
        candidates,
        FrameBoxes(frame.ts_s, boxes_px[order], strong, sure=scores >= confidence_th + SURE_MARGIN),
        scene_of(picture, boxes_px[order], strong),
    )


def _cut_out(
    picture: NDArray[np.uint8], place: Place, landmarks_px: NDArray[np.float32], settings: DetectionSettings
) -> Face | None:
    if place.face_px() < settings.min_box_px:
        return None
    crop = _crop_or_none(picture, landmarks_px, settings.thumb_size)
    if crop is None:
        return None
    embedded = embedding_crop(crop)
    jpeg = None if is_blank(embedded) else crop_jpeg(crop, settings.jpeg_quality)
    return Face(landmarks_px, laplacian_variance(embedded), jpeg)


def _crop_or_none(
    picture: NDArray[np.uint8], landmarks_px: NDArray[np.float32], crop_px: int
) -> NDArray[np.uint8] | None:
    try:
        return aligned_crop(picture, landmarks_px, crop_px=crop_px)
    except ValueError:
        return None  # landmarks that coincide or are no numbers: no face can be cut out


def crop_jpeg(crop: NDArray[np.uint8], quality: int) -> bytes:
    """A crop (S, S, 3) BGR as it is stored."""
    # 4:4:4, so that the colour planes the embedder sees keep their resolution.
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    return cv2.imencode(".jpg", crop, options)[1].tobytes()
