"""The one pass over an episode's frames: shot cuts, faces, their measures and their crops."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core import schemas
from screenalytics_assets.core.align import aligned_crop, embedding_crop
from screenalytics_assets.core.detect import FrameFaces
from screenalytics_assets.core.detection_rows import DetectionRows, Place
from screenalytics_assets.core.geometry import clamp_boxes
from screenalytics_assets.core.quality import is_blank, laplacian_variance
from screenalytics_assets.core.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.settings import DetectionSettings
from screenalytics_assets.core.shots import SMALL_HEIGHT, SMALL_WIDTH, ShotDetector, ShotSettings
from screenalytics_assets.core.tables import table_of
from screenalytics_assets.core.weak_faces import FrameBoxes, continued_faces, repeated_faces


class Frame(Protocol):
    """A decoded frame of the source."""

    @property
    def index(self) -> int:
        """Position in the source, from 0."""

    @property
    def ts_s(self) -> float:
        """Presentation time in seconds from the first frame."""

    @property
    def is_corrupt(self) -> bool:
        """Whether the decoder had to guess parts of the picture."""

    def bgr(self) -> NDArray[np.uint8]:
        """(H, W, 3), upright."""

    def small_bgr(self, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width, 3), for telling pictures apart."""


class Detector(Protocol):
    """Finds faces in a frame."""

    def detect(self, frame_bgr: NDArray[np.uint8], *, confidence_th: float, closely: bool = False) -> FrameFaces:
        """Faces with at least that score; ``closely`` looks for smaller ones too, and takes longer."""


class ShotFrame(NamedTuple):
    """A frame, and where it stands in its shot."""

    frame: Frame
    shot_idx: int
    position: int
    is_last: bool


class Harvest(NamedTuple):
    """What the pass leaves: tables in the declared schemas, and how much was looked at."""

    shots: pa.Table
    analysed_frames: pa.Table
    detections: pa.Table
    refused: pa.Table
    frames: int
    corrupt_frames: int
    blank_crops: int


def effective_stride(settings: DetectionSettings, fps: float) -> int:
    """How many frames on the next one is analysed: the larger of what stride and rate limit ask."""
    return max(settings.frame_stride, round(fps / settings.detection_fps_limit))


def frames_with_shots(frames: Iterable[Frame], settings: ShotSettings) -> Iterator[ShotFrame]:
    """Each frame with its shot, as soon as it is known whether the next frame starts another one."""
    detector = ShotDetector(settings)
    waiting: deque[Frame] = deque()
    decided: deque[bool] = deque()
    shot_idx, position = -1, 0
    for frame in frames:
        waiting.append(frame)
        decided.extend(detector.push(frame.small_bgr(SMALL_WIDTH, SMALL_HEIGHT), frame.ts_s))
        while len(decided) > 1:
            shot_idx, position = (shot_idx + 1, 0) if decided.popleft() else (shot_idx, position + 1)
            yield ShotFrame(waiting.popleft(), shot_idx, position, is_last=decided[0])
    decided.extend(detector.flush())
    while decided:
        shot_idx, position = (shot_idx + 1, 0) if decided.popleft() else (shot_idx, position + 1)
        yield ShotFrame(waiting.popleft(), shot_idx, position, is_last=not decided or decided[0])


def harvest(
    ep_id: str,
    frames: Iterable[Frame],
    detector: Detector,
    settings: DetectionSettings,
    *,
    confidence_th: float,
    fps: float,
    keep_crop: Callable[[str, bytes], None],
    on_frame: Callable[[], None],
) -> Harvest:
    """Look at an episode once, frame by frame; memory grows with the faces, not with the pictures.

    The first and the last frame of each shot are analysed, and between them each ``effective_stride``-th.
    A corrupt frame is passed over for the next one. The first one of a shot is looked at closely, and then one
    each ``close_look_interval_s``. Boxes that score less than ``confidence_th`` are kept where they continue a face.

    Args:
        ep_id: The episode.
        frames: All frames in presentation order.
        detector: Finds the faces.
        settings: How often to look, and what is refused.
        confidence_th: Score from which a box is a face by itself.
        fps: Mean frame rate of the source.
        keep_crop: Takes the detection's id and its aligned crop as JPEG.
        on_frame: Called once a source frame.
    """
    shot_settings = ShotSettings(
        cut_threshold=settings.cut_threshold,
        cut_ratio=settings.cut_ratio,
        flash_max_s=settings.flash_max_s,
        min_shot_s=settings.min_shot_s,
    )
    stride = effective_stride(settings, fps)
    rows = DetectionRows(ep_id)
    look = _Look(rows, detector, settings, confidence_th, keep_crop)
    shots: list[tuple[int, int, float, float]] = []
    analysed: list[tuple[int, float, int]] = []
    count = corrupt = 0
    due = False
    for frame, shot_idx, position, is_last in frames_with_shots(frames, shot_settings):
        if position == 0:
            look.end_shot()
        start_frame, start_s = (frame.index, frame.ts_s) if position == 0 else (shots[-1][0], shots[-1][2])
        shots[shot_idx:] = [(start_frame, frame.index, start_s, frame.ts_s + 1 / fps)]
        due = due or is_last or position % stride == 0
        if due and not frame.is_corrupt:
            due = False
            analysed.append((frame.index, frame.ts_s, shot_idx))
            look.at(frame, shot_idx)
        count += 1
        corrupt += frame.is_corrupt
        on_frame()
    look.end_shot()
    return Harvest(
        shots=_shots_table(ep_id, shots),
        analysed_frames=_analysed_table(ep_id, analysed),
        detections=rows.detections(),
        refused=rows.refused(),
        frames=count,
        corrupt_frames=corrupt,
        blank_crops=rows.blank_crops,
    )


class _Face(NamedTuple):
    """What is cut out of the frame at a box; no JPEG where it shows nothing."""

    landmarks_px: NDArray[np.float32]
    sharpness: float
    jpeg: bytes | None


class _Candidate(NamedTuple):
    """A box, and the face in it unless it is degenerate."""

    place: Place
    confidence: float
    face: _Face | None


class _Look:
    """Faces of the frames that are analysed; weak ones wait until their shot is over."""

    def __init__(
        self,
        rows: DetectionRows,
        detector: Detector,
        settings: DetectionSettings,
        confidence_th: float,
        keep_crop: Callable[[str, bytes], None],
    ) -> None:
        self._rows = rows
        self._detector = detector
        self._settings = settings
        self._confidence_th = confidence_th
        self._keep_crop = keep_crop
        self._next_close_look_s = -math.inf
        self._frames: list[FrameBoxes] = []
        self._weak: list[list[_Candidate]] = []

    def at(self, frame: Frame, shot_idx: int) -> None:
        """Find the faces of a frame."""
        settings = self._settings
        closely = frame.ts_s >= self._next_close_look_s - CLOCK_TOLERANCE_S
        if closely:
            self._next_close_look_s = frame.ts_s + settings.close_look_interval_s
        picture = frame.bgr()
        height, width = picture.shape[:2]
        least = settings.weak_confidence_fraction * self._confidence_th
        faces = self._detector.detect(picture, confidence_th=least, closely=closely)
        boxes_px = clamp_boxes(np.nan_to_num(faces.boxes_px), width, height)
        repeated = repeated_faces(
            boxes_px, faces.scores, confidence_th=self._confidence_th, weak_fraction=settings.weak_confidence_fraction
        )
        is_box: NDArray[np.bool_] = np.asarray(np.isfinite(faces.boxes_px).all(axis=1))
        order = np.lexsort((boxes_px[:, 1], boxes_px[:, 0]))
        order = order[~repeated[order]]
        strong = faces.scores[order] >= self._confidence_th
        weak: list[_Candidate] = []
        for i, is_strong in zip(order.tolist(), strong.tolist(), strict=True):
            place = self._rows.place(frame.index, frame.ts_s, shot_idx, boxes_px[i], (width, height))
            face = self._cut_out(picture, place, faces.landmarks_px[i]) if is_box[i] else None
            candidate = _Candidate(place, float(faces.scores[i]), face)
            if is_strong:
                self._enter(candidate)
            else:
                weak.append(candidate)
        self._frames.append(FrameBoxes(frame.ts_s, boxes_px[order], strong))
        self._weak.append(weak)

    def end_shot(self) -> None:
        """Decide about the weak boxes of the shot; what comes next is in another one."""
        kept = continued_faces(self._frames)
        for frame, is_kept, weak in zip(self._frames, kept, self._weak, strict=True):
            for candidate, goes_on in zip(weak, is_kept[~frame.strong].tolist(), strict=True):
                if goes_on:
                    self._enter(candidate)
        self._frames, self._weak = [], []
        self._next_close_look_s = -math.inf

    def _cut_out(self, picture: NDArray[np.uint8], place: Place, landmarks_px: NDArray[np.float32]) -> _Face | None:
        if place.face_px() < self._settings.min_box_px:
            return None
        crop = _crop_or_none(picture, landmarks_px, self._settings.thumb_size)
        if crop is None:
            return None
        embedded = embedding_crop(crop)
        jpeg = None if is_blank(embedded) else crop_jpeg(crop, self._settings.jpeg_quality)
        return _Face(landmarks_px, laplacian_variance(embedded), jpeg)

    def _enter(self, candidate: _Candidate) -> None:
        face = candidate.face
        if face is None:
            self._rows.refuse(candidate.place, candidate.confidence, "degenerate_box")
            return
        detection_id = self._rows.accept(candidate.place, face.landmarks_px, candidate.confidence, face.sharpness)
        if face.jpeg is None:
            self._rows.blank_crops += 1
        else:
            self._keep_crop(detection_id, face.jpeg)


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


def _shots_table(ep_id: str, shots: list[tuple[int, int, float, float]]) -> pa.Table:
    start_frame, end_frame, start_s, end_s = zip(*shots, strict=True) if shots else ((), (), (), ())
    return table_of(
        schemas.SHOTS,
        {
            "ep_id": [ep_id] * len(shots),
            "shot_idx": list(range(len(shots))),
            "start_frame": start_frame,
            "end_frame": end_frame,
            "start_s": start_s,
            "end_s": end_s,
        },
    )


def _analysed_table(ep_id: str, analysed: list[tuple[int, float, int]]) -> pa.Table:
    frame_idx, ts_s, shot_idx = zip(*analysed, strict=True) if analysed else ((), (), ())
    return table_of(
        schemas.ANALYSED_FRAMES,
        {"ep_id": [ep_id] * len(analysed), "frame_idx": frame_idx, "ts_s": ts_s, "shot_idx": shot_idx},
    )
