"""The scan, with a detector that finds what the test says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from screenalytics_assets.core.config.detection_keys import DetectionSettings
from screenalytics_assets.core.detection import detection_table
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.detection.scan import ScanResult, scan

FPS = 24.0
TEMPLATE = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
WIDTH, HEIGHT = 640, 360

Faces = list[tuple[float, float]]
"""Left edge and score of faces 100 px wide, or as wide as the script says."""


@dataclass(frozen=True)
class Frame:
    index: int
    scene: int = 0
    is_corrupt: bool = False

    @property
    def ts_s(self) -> float:
        return self.index / FPS

    def bgr(self) -> NDArray[np.uint8]:
        picture = self._scene(WIDTH, HEIGHT)
        picture[0, 0] = self.index
        return picture

    def small_bgr(self, width: int, height: int) -> NDArray[np.uint8]:
        return self._scene(width, height)

    def _scene(self, width: int, height: int) -> NDArray[np.uint8]:
        blocks = np.random.default_rng(self.scene).integers(20, 230, (9, 16, 3)).astype(np.uint8)
        return np.asarray(cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


@dataclass
class Script:
    """Finds the faces of the script, and records the calls."""

    faces: Mapping[int, Faces] = field(default_factory=dict)
    calls: dict[int, bool] = field(default_factory=dict)
    side_px: float = 100
    needs_high_resolution: bool = False

    def detect(
        self, frame_bgr: NDArray[np.uint8], *, confidence_th: float, high_resolution: bool = False
    ) -> FrameFaces:
        index = int(frame_bgr[0, 0, 0])
        self.calls[index] = high_resolution
        faces = [] if self.needs_high_resolution and not high_resolution else self.faces.get(index, [])
        seen = [(x, score) for x, score in faces if score >= confidence_th]
        boxes = np.array([[x, 100, x + self.side_px, 100 + self.side_px] for x, _ in seen], np.float32).reshape(-1, 4)
        points = boxes[:, None, :2] + self.side_px * TEMPLATE
        return FrameFaces(boxes, np.array([score for _, score in seen], np.float32), points.astype(np.float32))


def scanned(
    frames: list[Frame],
    script: Script,
    crops: dict[str, bytes] | None = None,
    on_frame: Callable[[int], None] = lambda _: None,
    **settings: float,
) -> ScanResult:
    kept: dict[str, bytes] = {} if crops is None else crops
    return scan(
        "show-s01e02",
        frames,
        script,
        DetectionSettings.model_validate({"still_interval_s": 0.0, **settings}),
        confidence_th=0.4,
        fps=FPS,
        keep_crop=kept.__setitem__,
        on_frame=on_frame,
    )


def test_the_first_frame_of_a_shot_gets_a_high_resolution_pass_and_then_one_each_interval() -> None:
    script = Script({i: [(100, 0.9)] for i in range(90)})
    frames = [Frame(i, scene=int(i >= 40)) for i in range(90)]
    found = scanned(frames, script, close_look_interval_s=1.0)
    assert found.shots["start_frame"].to_pylist() == [0, 40]
    assert [index for index, high in sorted(script.calls.items()) if high] == [0, 24, 40, 64, 88]
    assert len(script.calls) > 30


def test_high_resolution_passes_come_at_the_same_times_whatever_the_stride() -> None:
    frames = [Frame(i) for i in range(100)]
    for stride in (1, 2, 4):
        script = Script({i: [(100, 0.9)] for i in range(100)})
        scanned(frames, script, frame_stride=stride, detection_fps_limit=24, close_look_interval_s=2.0)
        assert [index for index, high in sorted(script.calls.items()) if high] == [0, 48, 96]


@pytest.mark.parametrize(("side_px", "score", "is_wide"), [(35, 0.9, True), (37, 0.9, False), (37, 0.3, True)])
def test_every_frame_in_which_no_face_is_a_tenth_of_its_height_gets_a_high_resolution_pass(
    side_px: float, score: float, is_wide: bool
) -> None:
    script = Script({i: [(100, score)] for i in range(24)}, side_px=side_px)
    frames = [Frame(i) for i in range(24)]
    found = scanned(frames, script, detector_input_px=320)
    assert [index for index, high in sorted(script.calls.items()) if high] == (sorted(script.calls) if is_wide else [0])
    assert found.high_resolution_passes == (len(script.calls) if is_wide else 1)


def test_a_face_that_only_a_high_resolution_pass_finds_is_detected_in_every_frame_of_a_wide_shot() -> None:
    script = Script({i: [(100, 0.9)] for i in range(24)}, side_px=20, needs_high_resolution=True)
    frames = [Frame(i) for i in range(24)]
    found = scanned(frames, script, detector_input_px=320)
    assert found.detections["frame_idx"].to_pylist() == found.analysed_frames["frame_idx"].to_pylist()
    without = scanned(frames, script, detector_input_px=320, close_look_scale=1.0)
    assert without.detections["frame_idx"].to_pylist() == [0]


def test_a_frame_that_is_no_larger_than_the_input_gets_no_more_high_resolution_passes_in_a_wide_shot() -> None:
    script = Script()
    scanned([Frame(i) for i in range(24)], script, detector_input_px=640)
    assert [index for index, high in sorted(script.calls.items()) if high] == [0]


def test_a_confirmed_weak_box_becomes_a_detection_with_a_crop() -> None:
    crops: dict[str, bytes] = {}
    script = Script({0: [(100, 0.3)], 3: [(110, 0.9)], 6: [(120, 0.3), (400, 0.3)], 9: [(130, 0.1)]})
    found = scanned([Frame(i) for i in range(12)], script, crops)
    assert sorted(found.detections["frame_idx"].to_pylist()) == [0, 3, 6]
    assert sorted(crops) == sorted(found.detections["detection_id"].to_pylist())
    assert found.refused.num_rows == 0


def test_weak_boxes_can_be_switched_off() -> None:
    script = Script({0: [(100, 0.3)], 3: [(110, 0.9)]})
    found = scanned([Frame(i) for i in range(12)], script, weak_confidence_fraction=1.0)
    assert found.detections["frame_idx"].to_pylist() == [3]


def test_a_weak_box_is_not_confirmed_across_a_cut() -> None:
    script = Script({39: [(100, 0.9)], 40: [(100, 0.3)], 43: [(100, 0.3)]})
    found = scanned([Frame(i, scene=int(i >= 40)) for i in range(60)], script)
    assert found.detections["frame_idx"].to_pylist() == [39]


def test_detections_are_in_the_order_of_their_frames() -> None:
    script = Script({0: [(100, 0.3)], 3: [(110, 0.9)], 6: [(120, 0.9)]})
    found = scanned([Frame(i) for i in range(12)], script)
    assert found.detections["frame_idx"].to_pylist() == [0, 3, 6]


def test_a_second_box_on_a_face_is_dropped() -> None:
    script = Script({0: [(100, 0.9), (130, 0.41)], 3: [(100, 0.9), (230, 0.41)]})
    found = scanned([Frame(i) for i in range(6)], script)
    assert found.detections["frame_idx"].to_pylist() == [0, 3, 3]


def test_where_nothing_changes_few_frames_are_analysed() -> None:
    script = Script({i: [(100, 0.9)] for i in range(60)})
    found = scanned([Frame(i) for i in range(60)], script, still_interval_s=0.5)
    assert found.analysed_frames["frame_idx"].to_pylist() == [0, 12, 24, 36, 48, 59]
    assert found.detections.num_rows == 6


def test_where_a_face_appears_and_disappears_the_stride_is_analysed() -> None:
    script = Script({i: [(100, 0.9)] for i in range(20, 40)})
    found = scanned([Frame(i) for i in range(60)], script, still_interval_s=0.5)
    seen = found.detections["frame_idx"].to_pylist()
    assert (seen[0], seen[-1]) == (21, 39)
    assert {18, 21, 39, 42} <= set(found.analysed_frames["frame_idx"].to_pylist())


def test_many_faces_leave_one_table_in_the_order_of_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script({i: [(100, 0.9), (300, 0.3 if i % 2 else 0.9)] for i in range(60)})
    frames = [Frame(i) for i in range(60)]
    at_once = scanned(frames, script, frame_stride=1, detection_fps_limit=24.0)
    monkeypatch.setattr(detection_table, "_ROWS_PER_CHUNK", 7)
    in_chunks = scanned(frames, script, frame_stride=1, detection_fps_limit=24.0)
    assert in_chunks.detections.num_rows == 120
    assert in_chunks.detections.combine_chunks() == at_once.detections.combine_chunks()


def test_a_shot_lasts_until_the_next_one_even_if_frames_are_skipped() -> None:
    frames = [Frame(i, scene=int(i >= 41)) for i in range(90) if i % 2 == 0]
    found = scanned(frames, Script())
    assert found.shots["start_frame"].to_pylist() == [0, 42]
    assert found.shots["end_frame"].to_pylist() == [41, 88]
    assert found.shots["end_s"].to_pylist()[0] == found.shots["start_s"].to_pylist()[1] == 42 / FPS


def test_skipped_frames_count_as_progress() -> None:
    passed: list[int] = []
    found = scanned([Frame(i) for i in (0, 1, 3, 5, 9)], Script(), on_frame=passed.append)
    assert passed == [1, 1, 2, 2, 4]
    assert found.frames == 5
