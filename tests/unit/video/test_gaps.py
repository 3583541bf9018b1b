"""Time without pictures is between two shots, and in slow videos a picture may be a shot."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from screenalytics_assets.core.config.detection_keys import DetectionSettings
from screenalytics_assets.core.detection.scan import FrameLog, effective_stride
from screenalytics_assets.core.video.shot_stream import frames_with_shots


@dataclass(frozen=True)
class Still:
    index: int
    ts_s: float
    seed: int = 0
    is_corrupt: bool = False

    def bgr(self) -> NDArray[np.uint8]:
        return self.small_bgr(64, 36)

    def small_bgr(self, width: int, height: int) -> NDArray[np.uint8]:
        return np.random.default_rng(self.seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_gap_is_between_two_shots_even_if_the_picture_is_the_same() -> None:
    gap = (1.0, 61.0)
    frames = [Still(i, i / 24 + (60 if i >= 24 else 0)) for i in range(48)]
    log = FrameLog(1 / 24, lambda _frames: None, end_s=62.0, missing=[gap])
    assert len(list(log.record(frames_with_shots(frames, DetectionSettings(), [gap])))) == 48
    shots = log.shots_table("a-s01e01")
    assert shots["start_s"].to_pylist() == [0.0, 61.0]
    assert shots["end_s"].to_pylist() == pytest.approx([1.0, 62.0])
    assert shots["start_frame"].to_pylist() == [0, 24]


def test_each_picture_of_a_slideshow_is_a_shot() -> None:
    frames = [Still(i, 4.0 * i, seed=min(i, 5)) for i in range(7)]
    log = FrameLog(4.0, lambda _frames: None, end_s=24.04)
    list(log.record(frames_with_shots(frames, DetectionSettings())))
    assert log.shots_table("a-s01e01")["start_s"].to_pylist() == [0, 4, 8, 12, 16, 20]
    assert log.shots_table("a-s01e01")["end_s"].to_pylist()[-1] == 24.04


@pytest.mark.parametrize(("fps", "stride"), [(0.25, 1), (4.0, 1), (8.0, 2), (12.0, 3), (23.976, 3), (60.0, 6)])
def test_slow_videos_are_analysed_as_densely_in_time(fps: float, stride: int) -> None:
    assert effective_stride(DetectionSettings(), fps) == stride
