"""The one pass over the frames of an episode: shot cuts, faces, their measures and their crops."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import table_of
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.config.detection_keys import DetectionSettings
from screenalytics_assets.core.detection.adaptive_sampling import MIN_BISECTED_S, OrderedMap, sample_adaptively
from screenalytics_assets.core.detection.detection_table import DetectionRows
from screenalytics_assets.core.detection.frame_analysis import Candidate, Detector, FrameAnalysis, analyse_frame
from screenalytics_assets.core.detection.hysteresis import confirmed_boxes
from screenalytics_assets.core.video.shot_stream import Frame, ShotFrame, frames_with_shots

FULL_STRIDE_FPS = 12.0
"""Animation has this many different pictures a second, and film and television have more."""


class ScanResult(NamedTuple):
    """Tables in the declared schemas, and counts for the metadata."""

    shots: pa.Table
    analysed_frames: pa.Table
    detections: pa.Table
    refused: pa.Table
    frames: int
    high_resolution_passes: int
    blank_crops: int


def effective_stride(settings: DetectionSettings, fps: float) -> int:
    """Frames from one analysed frame to the next: the larger of the stride and what the rate limit requires.

    Below `FULL_STRIDE_FPS` the stride falls with the frame rate, so that it is no longer in seconds.
    """
    stride = max(1, round(settings.frame_stride * min(1.0, fps / FULL_STRIDE_FPS)))
    return max(stride, round(fps / settings.detection_fps_limit))


def max_step(settings: DetectionSettings, fps: float) -> int:
    """The same where nothing changes: as many strides as fit into ``still_interval_s``."""
    stride = effective_stride(settings, fps)
    return stride * max(1, math.floor(settings.still_interval_s * fps / stride))


def bisections(settings: DetectionSettings) -> int:
    """How often ``still_interval_s`` is halved until it is no longer than `MIN_BISECTED_S`."""
    return max(0, math.ceil(math.log2(max(settings.still_interval_s, MIN_BISECTED_S) / MIN_BISECTED_S)))


def scan(
    ep_id: str,
    frames: Iterable[Frame],
    detector: Detector,
    settings: DetectionSettings,
    *,
    confidence_th: float,
    fps: float,
    end_s: float = math.inf,
    missing: Sequence[tuple[float, float]] = (),
    keep_crop: Callable[[str, bytes], None],
    on_frame: Callable[[int], None],
    ordered_map: OrderedMap = map,
) -> ScanResult:
    """Scan an episode once, frame by frame; memory grows with the faces, not with the pictures.

    Which frames are analysed is up to `sample_adaptively`. Boxes below ``confidence_th`` count if `confirmed_boxes`
    says so, which is known at the end of their shot.

    Args:
        ep_id: The episode.
        frames: All frames in presentation order.
        detector: Detects the faces.
        settings: How densely frames are analysed, and which boxes are refused.
        confidence_th: Minimum score of a strong box.
        fps: Mean frame rate of the source.
        end_s: End of its last picture.
        missing: Start and end of each interval without pictures. They are between two shots.
        keep_crop: Takes the id of a detection and its aligned crop as JPEG.
        on_frame: Called for each frame with the number of source frames since the last one.
        ordered_map: Applies a function to a stream. One that calls it in parallel analyses several frames at a time,
            with the same result.
    """

    def analyse(frame: ShotFrame, high_resolution: bool) -> FrameAnalysis:
        return analyse_frame(frame, detector, settings, confidence_th=confidence_th, high_resolution=high_resolution)

    log = FrameLog(1 / fps, on_frame, end_s=end_s, missing=missing)
    rows = DetectionRows(ep_id)
    collector = DetectionCollector(rows, keep_crop)
    analysed: list[tuple[int, float, int]] = []
    high_resolution_passes = 0
    for analysis in sample_adaptively(
        log.record(frames_with_shots(frames, settings, missing)),
        analyse,
        stride=effective_stride(settings, fps),
        max_step=max_step(settings, fps),
        bisections=bisections(settings),
        high_resolution_interval_s=settings.close_look_interval_s,
        ordered_map=ordered_map,
    ):
        analysed.append((analysis.frame_idx, analysis.ts_s, analysis.shot_idx))
        high_resolution_passes += analysis.high_resolution
        collector.add(analysis)
    collector.finish_shot()
    return ScanResult(
        shots=log.shots_table(ep_id),
        analysed_frames=_analysed_table(ep_id, analysed),
        detections=rows.detections(),
        refused=rows.refused(),
        frames=log.frames,
        high_resolution_passes=high_resolution_passes,
        blank_crops=rows.blank_crops,
    )


class _Shot(NamedTuple):
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float


class FrameLog:
    """Shots and counts of all frames, analysed or not."""

    def __init__(
        self,
        frame_s: float,
        on_frame: Callable[[int], None],
        *,
        end_s: float = math.inf,
        missing: Sequence[tuple[float, float]] = (),
    ) -> None:
        self._frame_s = frame_s
        self._end_s = end_s
        self._missing = missing
        self._on_frame = on_frame
        self._shots: list[_Shot] = []
        self._last_index = -1
        self.frames = 0

    def record(self, frames: Iterable[ShotFrame]) -> Iterator[ShotFrame]:
        """The same frames, each recorded as it passes."""
        for shot_frame in frames:
            frame = shot_frame.frame
            end_s = frame.ts_s + self._frame_s
            if end_s > self._end_s + CLOCK_TOLERANCE_S:
                end_s = self._end_s
            if shot_frame.position > 0:
                self._shots[-1] = self._shots[-1]._replace(end_frame=frame.index, end_s=end_s)
            else:
                if self._shots:
                    # The decoder may have skipped the last frames of the previous shot.
                    self._shots[-1] = self._shots[-1]._replace(
                        end_frame=frame.index - 1, end_s=self._shown_until(frame.ts_s)
                    )
                self._shots.append(_Shot(frame.index, frame.index, frame.ts_s, end_s))
            self.frames += 1
            self._on_frame(frame.index - self._last_index)
            self._last_index = frame.index
            yield shot_frame

    def _shown_until(self, ts_s: float) -> float:
        """The end of the picture before this time: this time, or the start of the gap that ends there."""
        starts_s = (start for start, end in self._missing if abs(end - ts_s) <= CLOCK_TOLERANCE_S)
        return next(starts_s, ts_s)

    def shots_table(self, ep_id: str) -> pa.Table:
        """The shots so far, in the schema of ``shots``."""
        columns = zip(*self._shots, strict=True) if self._shots else ((), (), (), ())
        return table_of(
            schemas.SHOTS,
            {
                "ep_id": [ep_id] * len(self._shots),
                "shot_idx": list(range(len(self._shots))),
                **dict(zip(_Shot._fields, columns, strict=True)),
            },
        )


class DetectionCollector:
    """Turns the candidates of the analysed frames into detections; weak ones are held back until their shot ends."""

    def __init__(self, rows: DetectionRows, keep_crop: Callable[[str, bytes], None]) -> None:
        self._rows = rows
        self._keep_crop = keep_crop
        self._shot: list[FrameAnalysis] = []

    def add(self, analysis: FrameAnalysis) -> None:
        """Accept the strong candidates of the next frame, and hold back the weak ones."""
        if self._shot and analysis.shot_idx != self._shot[-1].shot_idx:
            self.finish_shot()
        for location in analysis.not_faces:
            self._rows.refuse(location, None, "not_a_face")
        weak = []
        for candidate, is_strong in zip(analysis.candidates, analysis.boxes.strong.tolist(), strict=True):
            if is_strong:
                self._enter(candidate)
            else:
                weak.append(candidate)
        self._shot.append(analysis._replace(candidates=weak))

    def finish_shot(self) -> None:
        """Accept the confirmed weak candidates of the shot and drop the others."""
        confirmed = confirmed_boxes([analysis.boxes for analysis in self._shot])
        for analysis, is_confirmed in zip(self._shot, confirmed, strict=True):
            weak = is_confirmed[~analysis.boxes.strong].tolist()
            for candidate, is_face in zip(analysis.candidates, weak, strict=True):
                if is_face:
                    self._enter(candidate)
        self._shot = []

    def _enter(self, candidate: Candidate) -> None:
        face = candidate.face
        if face is None:
            self._rows.refuse(candidate.location, candidate.confidence, "degenerate_box")
            return
        detection_id = self._rows.accept(candidate.location, face.landmarks_px, candidate.confidence, face.sharpness)
        if face.jpeg is None:
            self._rows.blank_crops += 1
        else:
            self._keep_crop(detection_id, face.jpeg)


def _analysed_table(ep_id: str, analysed: list[tuple[int, float, int]]) -> pa.Table:
    frame_idx, ts_s, shot_idx = zip(*analysed, strict=True) if analysed else ((), (), ())
    return table_of(
        schemas.ANALYSED_FRAMES,
        {"ep_id": [ep_id] * len(analysed), "frame_idx": frame_idx, "ts_s": ts_s, "shot_idx": shot_idx},
    )
