"""The one pass over an episode's frames: shot cuts, faces, their measures and their crops."""

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
from screenalytics_assets.core.detection_rows import DetectionRows
from screenalytics_assets.core.geometry import clamp_boxes, shorter_sides
from screenalytics_assets.core.quality import is_blank, laplacian_variance
from screenalytics_assets.core.settings import DetectionSettings
from screenalytics_assets.core.shots import SMALL_HEIGHT, SMALL_WIDTH, ShotDetector, ShotSettings
from screenalytics_assets.core.tables import table_of


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

    def detect(self, frame_bgr: NDArray[np.uint8], *, confidence_th: float) -> FrameFaces:
        """Faces with at least that score."""


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
    A corrupt frame is passed over for the next one.

    Args:
        ep_id: The episode.
        frames: All frames in presentation order.
        detector: Finds the faces.
        settings: How often to look, and what is refused.
        confidence_th: Least score of a detection.
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
    shots: list[tuple[int, int, float, float]] = []
    analysed: list[tuple[int, float, int]] = []
    count = corrupt = 0
    due = False
    for frame, shot_idx, position, is_last in frames_with_shots(frames, shot_settings):
        start_frame, start_s = (frame.index, frame.ts_s) if position == 0 else (shots[-1][0], shots[-1][2])
        shots[shot_idx:] = [(start_frame, frame.index, start_s, frame.ts_s + 1 / fps)]
        due = due or is_last or position % stride == 0
        if due and not frame.is_corrupt:
            due = False
            analysed.append((frame.index, frame.ts_s, shot_idx))
            _look(frame, shot_idx, detector, settings, confidence_th, rows, keep_crop)
        count += 1
        corrupt += frame.is_corrupt
        on_frame()
    return Harvest(
        shots=_shots_table(ep_id, shots),
        analysed_frames=_analysed_table(ep_id, analysed),
        detections=rows.detections(),
        refused=rows.refused(),
        frames=count,
        corrupt_frames=corrupt,
        blank_crops=rows.blank_crops,
    )


def _look(
    frame: Frame,
    shot_idx: int,
    detector: Detector,
    settings: DetectionSettings,
    confidence_th: float,
    rows: DetectionRows,
    keep_crop: Callable[[str, bytes], None],
) -> None:
    picture = frame.bgr()
    height, width = picture.shape[:2]
    faces = detector.detect(picture, confidence_th=confidence_th)
    boxes_px = clamp_boxes(np.nan_to_num(faces.boxes_px), width, height)
    for i in np.lexsort((boxes_px[:, 1], boxes_px[:, 0])):
        place = rows.place(frame.index, frame.ts_s, shot_idx, boxes_px[i], (width, height))
        landmarks_px = faces.landmarks_px[i]
        crop = None
        if shorter_sides(boxes_px[i : i + 1])[0] >= settings.min_box_px and np.isfinite(landmarks_px).all():
            crop = _crop_or_none(picture, landmarks_px, settings.thumb_size)
        if crop is None:
            rows.refuse(place, float(faces.scores[i]), "degenerate_box")
            continue
        detection_id = rows.accept(
            place, landmarks_px, float(faces.scores[i]), laplacian_variance(embedding_crop(crop))
        )
        if is_blank(embedding_crop(crop)):
            rows.blank_crops += 1
        else:
            keep_crop(detection_id, crop_jpeg(crop, settings.jpeg_quality))


def _crop_or_none(
    picture: NDArray[np.uint8], landmarks_px: NDArray[np.float32], crop_px: int
) -> NDArray[np.uint8] | None:
    try:
        return aligned_crop(picture, landmarks_px, crop_px=crop_px)
    except ValueError:
        return None  # coincident landmarks: no face can be cut out


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
