"""What becomes of the boxes of a scan, with a detector that finds what the test says."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import boxes_of, landmarks_of
from screenalytics_assets.core.config.detection_keys import DetectionSettings
from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from screenalytics_assets.core.detection.scan import ScanResult, scan
from screenalytics_assets.core.embedding.face_selection import select_faces
from screenalytics_assets.core.tracking.bytetrack import track_faces

EP_ID = "show-s01e02"
WIDTH, HEIGHT, FPS = 320, 180, 24.0
Picture = NDArray[np.uint8]
# Eyes, nose and mouth corners within a box, as shares of its sides.
WITHIN_BOX = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)

TEXTURE = np.asarray(
    cv2.resize(np.random.default_rng(0).integers(0, 256, (18, 32, 3), np.uint8), (WIDTH, HEIGHT)), np.uint8
)
OTHER_TEXTURE = np.ascontiguousarray(255 - TEXTURE[::-1, ::-1])
GREY = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)


@dataclass(frozen=True)
class Still:
    """A frame of a picture that does not change."""

    index: int
    picture: Picture = field(repr=False)
    is_corrupt: bool = False

    @property
    def ts_s(self) -> float:
        return self.index / FPS

    def bgr(self) -> Picture:
        return self.picture

    def small_bgr(self, width: int, height: int) -> Picture:
        return np.asarray(cv2.resize(self.picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


class FixedDetector:
    """A detector that reports the same boxes in every frame."""

    def __init__(self, boxes_px: Sequence[Sequence[float]], landmarks_px: NDArray[np.float32] | None = None) -> None:
        boxes = np.array(boxes_px, np.float32).reshape(-1, 4)
        with np.errstate(invalid="ignore", over="ignore"):
            sides = boxes[:, None, 2:] - boxes[:, None, :2]
            landmarks = boxes[:, None, :2] + WITHIN_BOX * sides if landmarks_px is None else landmarks_px
        self._faces = FrameFaces(boxes, np.full(len(boxes), 0.9, np.float32), landmarks.astype(np.float32))

    def detect(self, frame_bgr: Picture, *, confidence_th: float, high_resolution: bool = False) -> FrameFaces:  # noqa: ARG002
        assert frame_bgr.shape == (HEIGHT, WIDTH, 3)
        assert confidence_th <= 0.5
        return self._faces


def scanned(detector: FixedDetector, *, picture: Picture = TEXTURE, frames: int = 9) -> tuple[ScanResult, list[str]]:
    crops: list[str] = []

    def keep(detection_id: str, jpeg: bytes) -> None:
        assert jpeg.startswith(b"\xff\xd8")
        crops.append(detection_id)

    found = scan(
        EP_ID,
        [Still(i, picture) for i in range(frames)],
        detector,
        DetectionSettings(frame_stride=1, detection_fps_limit=60, still_interval_s=0),
        confidence_th=0.5,
        fps=FPS,
        keep_crop=keep,
        on_frame=lambda _: None,
    )
    return found, crops


def embedded(found: ScanResult, crops: list[str], **keys: object) -> tuple[pa.Table, pa.Table]:
    """The faces that would be embedded, and the rejected ones, from the stages after the scan."""
    tracking = track_faces(
        found.analysed_frames,
        found.detections,
        frame_size_px=(WIDTH, HEIGHT),
        track_thresh=0.5,
        match_thresh=0.2,
        track_buffer_s=0.6,
    )
    selection = select_faces(
        tracking.tracks,
        found.detections,
        pa.chunked_array([pa.array(crops, pa.string())]),
        FacesSettings.model_validate(keys),
        min_confidence=0.5,
        model_digest="digest",
    )
    return selection.faces, selection.rejected


def test_a_face_is_detected_once_a_frame_with_its_crop() -> None:
    found, crops = scanned(FixedDetector([(100, 40, 180, 140)]))
    assert found.detections.num_rows == found.analysed_frames.num_rows == len(crops) == 9
    assert found.refused.num_rows == found.blank_crops == 0
    np.testing.assert_allclose(boxes_of(found.detections["bbox"])[0], [100 / 320, 40 / 180, 180 / 320, 140 / 180])


def test_a_box_that_reaches_outside_the_frame_is_cut_off_at_its_edges() -> None:
    found, _ = scanned(FixedDetector([(-30, -20, 60, 90), (280, 120, 400, 260)]), frames=1)
    assert boxes_of(found.detections["bbox"]).tolist() == [
        pytest.approx([0, 0, 60 / 320, 0.5]),
        pytest.approx([280 / 320, 120 / 180, 1, 1]),
    ]
    assert found.detections["face_px"].to_pylist() == [60, 40]


@pytest.mark.parametrize(
    "box",
    [
        (100, 40, 100, 140),
        (100, 40, 180, 40),
        (180, 140, 100, 40),
        (100, 40, 111, 140),
        (-200, 40, -100, 140),
        (400, 40, 500, 140),
        (float("nan"), 40, 180, 140),
        (float("-inf"), float("-inf"), float("inf"), float("inf")),
    ],
    ids=["no width", "no height", "inside out", "under min_box_px", "left of", "right of", "not a number", "infinite"],
)
def test_a_degenerate_box_is_refused_with_the_reason_and_has_no_crop(box: tuple[float, ...]) -> None:
    landmarks = WITHIN_BOX[None] * 80 + 60
    found, crops = scanned(FixedDetector([box], landmarks), frames=1)
    assert found.detections.num_rows == len(crops) == 0
    (row,) = found.refused.to_pylist()
    assert (row["status"], row["reason"], row["frame_idx"]) == ("refused", "degenerate_box", 0)
    assert row["confidence"] == pytest.approx(0.9)
    assert all(0 <= side <= 1 for side in row["bbox"])


@pytest.mark.parametrize("landmarks", [np.full((1, 5, 2), 50.0), np.full((1, 5, 2), np.nan)], ids=["coincide", "nan"])
def test_a_box_whose_landmarks_make_no_face_is_refused(landmarks: NDArray[np.float64]) -> None:
    found, crops = scanned(FixedDetector([(100, 40, 180, 140)], landmarks.astype(np.float32)), frames=1)
    assert found.refused["reason"].to_pylist() == ["degenerate_box"]
    assert found.detections.num_rows == len(crops) == 0


def test_grey_crops_are_counted_never_written_and_never_embedded() -> None:
    found, crops = scanned(FixedDetector([(100, 40, 180, 140)]), picture=GREY)
    assert (found.detections.num_rows, found.blank_crops, crops) == (9, 9, [])
    faces, rejected = embedded(found, crops, min_sharpness=0)
    assert faces.num_rows == 0
    assert set(rejected["reason"].to_pylist()) == {"blank"}


def test_a_crop_from_outside_the_picture_is_blank() -> None:
    beyond = np.array([[-200, -200], [-160, -200], [-180, -180], [-195, -165], [-165, -165]], np.float32)
    found, crops = scanned(FixedDetector([(100, 40, 180, 140)], beyond[None]), frames=1)
    assert (found.blank_crops, crops) == (1, [])


def analysed(frames: list[Still], **keys: object) -> list[int]:
    found = scan(
        EP_ID,
        frames,
        FixedDetector([]),
        DetectionSettings.model_validate({"still_interval_s": 0.0, **keys}),
        confidence_th=0.5,
        fps=FPS,
        keep_crop=lambda _name, _jpeg: None,
        on_frame=lambda _: None,
    )
    frame_idx: list[int] = found.analysed_frames["frame_idx"].to_pylist()
    return frame_idx


def test_the_first_and_the_last_frame_of_each_shot_are_always_analysed() -> None:
    frames = [Still(i, TEXTURE if i < 20 else OTHER_TEXTURE) for i in range(40)]
    assert analysed(frames, frame_stride=1000) == [0, 19, 20, 39]
    assert analysed(frames, frame_stride=8) == [0, 8, 16, 19, 20, 28, 36, 39]


def test_the_rate_limit_wins_over_a_shorter_stride() -> None:
    frames = [Still(i, TEXTURE) for i in range(25)]
    assert analysed(frames, frame_stride=1, detection_fps_limit=4) == [0, 6, 12, 18, 24]
    assert analysed(frames, frame_stride=8, detection_fps_limit=24) == [0, 8, 16, 24]


def test_a_corrupt_frame_is_replaced_by_the_next_one() -> None:
    frames = [Still(i, TEXTURE, is_corrupt=i in (0, 8)) for i in range(17)]
    assert analysed(frames, frame_stride=8) == [1, 9, 16]


sides = st.one_of(
    st.floats(-400, 800, width=32), st.sampled_from([0.0, 100.0, 320.0, float("nan"), float("inf"), float("-inf")])
)
any_boxes = st.lists(st.tuples(sides, sides, sides, sides), max_size=6)


@given(any_boxes, st.data())
@settings(max_examples=80)
def test_whatever_the_detector_finds_only_its_faces_are_embedded_and_every_box_is_accounted_for(
    boxes_px: list[tuple[float, float, float, float]], data: st.DataObject
) -> None:
    landmarks = None
    if data.draw(st.booleans()):
        points = st.lists(sides, min_size=10 * len(boxes_px), max_size=10 * len(boxes_px))
        landmarks = np.array(data.draw(points), np.float32).reshape(-1, 5, 2)
    found, crops = scanned(FixedDetector(boxes_px, landmarks), frames=3)
    detections, refused = found.detections, found.refused
    assert detections.num_rows + refused.num_rows == 3 * len(boxes_px)
    assert len(crops) + found.blank_crops == detections.num_rows
    assert set(refused["reason"].to_pylist()) <= {"degenerate_box"}
    boxes = boxes_of(detections["bbox"])
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert np.isfinite(landmarks_of(detections["landmarks"])).all()

    faces, rejected = embedded(found, crops, min_quality_score=0, min_sharpness=0, min_face_size=1)
    face_ids, known = faces["detection_id"].to_pylist(), set(detections["detection_id"].to_pylist())
    assert len(set(face_ids)) == len(face_ids)
    assert set(face_ids) <= known & set(crops)
    assert not set(face_ids) & set(rejected["detection_id"].to_pylist())
    box_of = dict(zip(detections["detection_id"].to_pylist(), detections["bbox"].to_pylist(), strict=True))
    assert all(face["bbox"] == box_of[face["detection_id"]] for face in faces.to_pylist())
