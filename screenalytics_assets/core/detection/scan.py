"""The one pass over an episode's frames: shot cuts, faces, their measures and their crops."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import table_of
from screenalytics_assets.core.config.detection_keys import DetectionSettings, ShotSettings
from screenalytics_assets.core.detection.adaptive_sampling import SHORT_S, InOrder, sample_adaptively
from screenalytics_assets.core.detection.detection_table import DetectionRows
from screenalytics_assets.core.detection.frame_analysis import Candidate, Detector, Look, look_at
from screenalytics_assets.core.detection.hysteresis import continued_faces
from screenalytics_assets.core.video.shot_stream import Frame, ShotFrame, frames_with_shots


class Harvest(NamedTuple):
    """What the pass leaves: tables in the declared schemas, and how much was looked at."""

    shots: pa.Table
    analysed_frames: pa.Table
    detections: pa.Table
    refused: pa.Table
    frames: int
    corrupt_frames: int
    close_looks: int
    blank_crops: int


def effective_stride(settings: DetectionSettings, fps: float) -> int:
    """How many frames on the next one is analysed: the larger of what stride and rate limit ask."""
    return max(settings.frame_stride, round(fps / settings.detection_fps_limit))


def longest_step(settings: DetectionSettings, fps: float) -> int:
    """How many frames on the next one is analysed where nothing changes: strides that fit into that time."""
    stride = effective_stride(settings, fps)
    return stride * max(1, math.floor(settings.still_interval_s * fps / stride))


def halvings(settings: DetectionSettings) -> int:
    """How often that time is halved where something changes, until it is short."""
    return max(0, math.ceil(math.log2(max(settings.still_interval_s, SHORT_S) / SHORT_S)))


def harvest(
    ep_id: str,
    frames: Iterable[Frame],
    detector: Detector,
    settings: DetectionSettings,
    *,
    confidence_th: float,
    fps: float,
    keep_crop: Callable[[str, bytes], None],
    on_frame: Callable[[int], None],
    in_order: InOrder = map,
) -> Harvest:
    """Look at an episode once, frame by frame; memory grows with the faces, not with the pictures.

    The first and the last frame of each shot are analysed, between them each ``longest_step``-th, and where two of
    these differ the frames between them down to each ``effective_stride``-th, around a doubtful box all
    (`sample_adaptively`). A corrupt frame is passed over for the next one. The first one of a shot is looked at
    closely, and
    then one each ``close_look_interval_s``. Boxes that score less than ``confidence_th`` are kept where they continue a
    face.

    Args:
        ep_id: The episode.
        frames: All frames in presentation order.
        detector: Finds the faces.
        settings: How often to look, and what is refused.
        confidence_th: Score from which a box is a face by itself.
        fps: Mean frame rate of the source.
        keep_crop: Takes the detection's id and its aligned crop as JPEG.
        on_frame: Called with how many source frames on the next one is, those left out included.
        in_order: Applies a function to each of a stream; frames are looked at several at a time where its calls
            overlap. The result is the same.
    """
    shot_settings = ShotSettings(
        cut_threshold=settings.cut_threshold,
        cut_ratio=settings.cut_ratio,
        flash_max_s=settings.flash_max_s,
        min_shot_s=settings.min_shot_s,
    )

    def look(frame: ShotFrame, closely: bool) -> Look:
        return look_at(frame, detector, settings, confidence_th=confidence_th, closely=closely)

    reel = _Reel(1 / fps, on_frame)
    rows = DetectionRows(ep_id)
    entry = _Entry(rows, keep_crop)
    analysed: list[tuple[int, float, int]] = []
    close_looks = 0
    for found in sample_adaptively(
        reel.through(frames_with_shots(frames, shot_settings)),
        look,
        stride=effective_stride(settings, fps),
        rest=longest_step(settings, fps),
        halvings=halvings(settings),
        close_look_interval_s=settings.close_look_interval_s,
        in_order=in_order,
    ):
        analysed.append((found.frame_idx, found.ts_s, found.shot_idx))
        close_looks += found.closely
        entry.take(found)
    entry.end_shot()
    return Harvest(
        shots=_shots_table(ep_id, reel.shots),
        analysed_frames=_analysed_table(ep_id, analysed),
        detections=rows.detections(),
        refused=rows.refused(),
        frames=reel.frames,
        corrupt_frames=reel.corrupt_frames,
        close_looks=close_looks,
        blank_crops=rows.blank_crops,
    )


class _Shot(NamedTuple):
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float


class _Reel:
    """What is to be known of all frames, also of those that nobody looks at."""

    def __init__(self, frame_s: float, on_frame: Callable[[int], None]) -> None:
        self._frame_s = frame_s
        self._on_frame = on_frame
        self.shots: list[_Shot] = []
        self.frames = 0
        self.corrupt_frames = 0
        self._last_index = -1

    def through(self, frames: Iterable[ShotFrame]) -> Iterator[ShotFrame]:
        """The same frames, noted."""
        for shot_frame in frames:
            frame = shot_frame.frame
            end_s = frame.ts_s + self._frame_s
            if shot_frame.position > 0:
                self.shots[-1] = self.shots[-1]._replace(end_frame=frame.index, end_s=end_s)
            else:
                if self.shots:
                    # Its last frames may be some that the decoder leaves out.
                    self.shots[-1] = self.shots[-1]._replace(end_frame=frame.index - 1, end_s=frame.ts_s)
                self.shots.append(_Shot(frame.index, frame.index, frame.ts_s, end_s))
            self.frames += 1
            self.corrupt_frames += frame.is_corrupt
            self._on_frame(frame.index - self._last_index)
            self._last_index = frame.index
            yield shot_frame


class _Entry:
    """Takes looks in; weak boxes wait until their shot is over."""

    def __init__(self, rows: DetectionRows, keep_crop: Callable[[str, bytes], None]) -> None:
        self._rows = rows
        self._keep_crop = keep_crop
        self._looks: list[Look] = []

    def take(self, look: Look) -> None:
        """Enter the faces of the next look."""
        if self._looks and look.shot_idx != self._looks[-1].shot_idx:
            self.end_shot()
        for candidate, is_strong in zip(look.candidates, look.boxes.strong.tolist(), strict=True):
            if is_strong:
                self._enter(candidate)
        weak = [c for c, is_strong in zip(look.candidates, look.boxes.strong.tolist(), strict=True) if not is_strong]
        self._looks.append(look._replace(candidates=weak))

    def end_shot(self) -> None:
        """Decide about the weak boxes of the shot; what comes next is in another one."""
        kept = continued_faces([look.boxes for look in self._looks])
        for look, is_kept in zip(self._looks, kept, strict=True):
            for candidate, goes_on in zip(look.candidates, is_kept[~look.boxes.strong].tolist(), strict=True):
                if goes_on:
                    self._enter(candidate)
        self._looks = []

    def _enter(self, candidate: Candidate) -> None:
        face = candidate.face
        if face is None:
            self._rows.refuse(candidate.place, candidate.confidence, "degenerate_box")
            return
        detection_id = self._rows.accept(candidate.place, face.landmarks_px, candidate.confidence, face.sharpness)
        if face.jpeg is None:
            self._rows.blank_crops += 1
        else:
            self._keep_crop(detection_id, face.jpeg)


def _shots_table(ep_id: str, shots: list[_Shot]) -> pa.Table:
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
