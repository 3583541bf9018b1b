from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from resources.models.detector import load_detector
from resources.models.detector_nets import FaceDetector, input_size
from resources.models.packs import ModelPack, load_pack
from screenalytics_assets.core.common.errors import DeviceError, ModelPackError
from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.config.providers import CPU
from screenalytics_assets.core.detection.face_boxes import FrameFaces

Picture = NDArray[np.uint8]

# Faces of the group photo, from left to right, as a person would box them.
FACES_PX = np.array(
    [
        [60, 269, 168, 394],
        [274, 155, 371, 268],
        [464, 267, 572, 412],
        [746, 345, 847, 480],
        [903, 61, 1010, 204],
        [1135, 270, 1226, 395],
    ],
    np.float32,
)


def detector_of(pack: ModelPack, closeup_input_px: int = 256) -> FaceDetector:
    return load_detector(pack, device="cpu", threads=2, input_px=640, closeup_input_px=closeup_input_px, nms_iou=0.4)


@pytest.fixture(params=["open_pack", "scrfd_pack"])
def pack(request: pytest.FixtureRequest) -> ModelPack:
    chosen: ModelPack = request.getfixturevalue(request.param)
    return chosen


# YuNet sees faces of 20 px in the usual pass too, SCRFD only in the other.
@pytest.mark.parametrize(("name", "scale"), [("open_pack", 0.12), ("scrfd_pack", 0.2)])
def test_a_high_resolution_pass_starts_tracks_of_faces_too_small_for_the_usual_one(
    request: pytest.FixtureRequest, name: str, scale: float, group_photo: Picture
) -> None:
    """Faces of 12 or 20 px in a frame of 1280 px, which the usual pass sees at half its size."""
    pack: ModelPack = request.getfixturevalue(name)
    shrink = np.array([[scale, 0, 500], [0, scale, 300]])
    frame = np.asarray(cv2.warpAffine(group_photo, shrink, (1280, 720), borderValue=(90, 90, 90)), np.uint8)
    faces = (scale * FACES_PX + np.array([500, 300, 500, 300])).astype(np.float32)
    detector = load_detector(
        pack, device="cpu", threads=2, input_px=640, closeup_input_px=0, nms_iou=0.4, close_look_scale=1.5
    )
    track_thresh = pack.thresholds["track_thresh"]
    assert track_thresh is not None
    passes = [detector.detect(frame, confidence_th=track_thresh, high_resolution=high) for high in (False, True)]
    usual, close = (int((iou_matrix(faces, found.boxes_px).max(axis=1, initial=0) > 0.3).sum()) for found in passes)
    assert close == len(faces) > usual


def confidence_of(pack: ModelPack) -> float:
    confidence_th = pack.thresholds["confidence_th"]
    assert confidence_th is not None
    return confidence_th


def enlarged(picture: Picture, face_px: NDArray[np.float32], share: float) -> tuple[Picture, NDArray[np.float64]]:
    """A 1280×720 frame around a face that is ``share`` of the frame's height, and the face's box in it."""
    scale = share * 720 / (face_px[3] - face_px[1])
    shift = np.array([640, 360]) - scale * (face_px[:2] + face_px[2:]) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    frame = cv2.warpAffine(picture, matrix, (1280, 720), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(frame, np.uint8), face_px * scale + np.tile(shift, 2)


def test_the_six_faces_of_the_sample_photo_are_found_and_nothing_else(pack: ModelPack, group_photo: Picture) -> None:
    faces = detector_of(pack).detect(group_photo, confidence_th=confidence_of(pack))
    assert len(faces) == 6
    assert iou_matrix(FACES_PX, faces.boxes_px).max(axis=1).min() > 0.6
    assert list(faces.scores) == sorted(faces.scores, reverse=True)


def test_landmarks_are_in_their_box_as_eyes_nose_and_mouth_from_left_to_right(
    pack: ModelPack, group_photo: Picture
) -> None:
    faces = detector_of(pack).detect(group_photo, confidence_th=confidence_of(pack))
    corners, far_corners = faces.boxes_px[:, None, :2], faces.boxes_px[:, None, 2:]
    assert ((faces.landmarks_px > corners) & (faces.landmarks_px < far_corners)).all()
    left_eye, right_eye, nose, left_mouth, right_mouth = faces.landmarks_px.transpose(1, 0, 2)
    assert (left_eye[:, 0] < right_eye[:, 0]).all()
    assert (left_mouth[:, 0] < right_mouth[:, 0]).all()
    assert (np.maximum(left_eye[:, 1], right_eye[:, 1]) < nose[:, 1]).all()
    assert (nose[:, 1] < np.minimum(left_mouth[:, 1], right_mouth[:, 1])).all()


def test_the_picture_is_taken_as_bgr(pack: ModelPack, group_photo: Picture) -> None:
    detector = detector_of(pack)
    as_it_is = detector.detect(group_photo, confidence_th=0.1).scores[:6].mean()
    swapped = np.ascontiguousarray(group_photo[:, :, ::-1])
    assert as_it_is > detector.detect(swapped, confidence_th=0.1).scores[:6].mean()


@pytest.mark.parametrize("share", [0.5, 0.85, 1.0, 1.2])
def test_faces_that_fill_the_frame_are_found(pack: ModelPack, group_photo: Picture, share: float) -> None:
    detector = detector_of(pack)
    for face_px in FACES_PX:
        frame, box = enlarged(group_photo, face_px, share)
        faces = detector.detect(frame, confidence_th=confidence_of(pack))
        overlaps = iou_matrix(box[None].astype(np.float32), faces.boxes_px)
        assert overlaps.max(initial=0) > 0.5


@pytest.mark.parametrize("side_px", [40, 50, 64, 90, 130, 180, 250, 350, 500, 650, 720])
def test_a_face_is_found_from_40_px_to_the_full_height_of_the_frame(
    pack: ModelPack, group_photo: Picture, side_px: int
) -> None:
    """Up to 180 px the shorter side of the box, which is its width here; above, its height, until it is the frame's."""
    detector = detector_of(pack)
    for face_px in FACES_PX:
        width, height = face_px[2:] - face_px[:2]
        share = side_px / 720 * (height / width if side_px <= 180 else 1)
        frame, box = enlarged(group_photo, face_px, share)
        faces = detector.detect(frame, confidence_th=confidence_of(pack))
        overlaps = iou_matrix(box[None].astype(np.float32), faces.boxes_px)
        assert overlaps.max(initial=0) > 0.5


def test_the_closeup_pass_is_what_finds_them_with_scrfd(scrfd_pack: ModelPack, group_photo: Picture) -> None:
    frame, _ = enlarged(group_photo, FACES_PX[0], 1.5)
    assert len(detector_of(scrfd_pack, closeup_input_px=0).detect(frame, confidence_th=0.5)) == 0
    assert len(detector_of(scrfd_pack).detect(frame, confidence_th=0.5)) == 1


def test_boxes_are_in_pixels_of_the_frame_whatever_its_size(pack: ModelPack, group_photo: Picture) -> None:
    detector = detector_of(pack)
    twice = np.asarray(cv2.resize(group_photo, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR), np.uint8)
    faces = detector.detect(twice, confidence_th=confidence_of(pack))
    assert iou_matrix(FACES_PX * 2, faces.boxes_px).max(axis=1).min() > 0.6


@pytest.mark.parametrize("shape", [(720, 1280, 3), (1280, 720, 3), (16, 16, 3), (17, 333, 3)])
def test_an_empty_picture_of_any_shape_has_no_faces(pack: ModelPack, shape: tuple[int, int, int]) -> None:
    faces = detector_of(pack).detect(np.full(shape, 90, np.uint8), confidence_th=confidence_of(pack))
    assert faces.boxes_px.shape == (0, 4)
    assert faces.scores.shape == (0,)
    assert faces.landmarks_px.shape == (0, 5, 2)
    assert faces.landmarks_px.dtype == np.float32


def test_the_same_frame_gives_the_same_faces_to_the_bit(pack: ModelPack, group_photo: Picture) -> None:
    first = detector_of(pack).detect(group_photo, confidence_th=0.2)
    again = detector_of(pack).detect(group_photo, confidence_th=0.2)
    np.testing.assert_array_equal(first.boxes_px, again.boxes_px)
    np.testing.assert_array_equal(first.landmarks_px, again.landmarks_px)


@pytest.mark.parametrize("overlapping", [1, 8])
def test_eight_threads_get_what_one_gets(pack: ModelPack, group_photo: Picture, overlapping: int) -> None:
    """Pictures of several sizes, thresholds and both kinds of passes, so that a call could disturb another."""
    detector = load_detector(
        pack,
        device="cpu",
        threads=2,
        input_px=320,
        closeup_input_px=128,
        nms_iou=0.4,
        close_look_scale=1.5,
        overlapping=overlapping,
    )
    small = group_photo[:720, :400]
    pictures = [group_photo, group_photo[:, ::-1], 255 - group_photo, small, group_photo // 2, small[::-1]]
    tasks = [(picture, th, high) for th in (0.1, 0.4) for high in (False, True) for picture in pictures] * 3

    def detect(task: tuple[Picture, float, bool]) -> FrameFaces:
        picture, confidence_th, high_resolution = task
        return detector.detect(
            np.ascontiguousarray(picture), confidence_th=confidence_th, high_resolution=high_resolution
        )

    alone = [detect(task) for task in tasks]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(detect, tasks))
    assert len({len(faces) for faces in alone}) > 3
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.boxes_px, other.boxes_px)
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_array_equal(one.landmarks_px, other.landmarks_px)


def test_concurrent_calls_share_the_threads(pack: ModelPack, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]
        def __init__(self, model: bytes, options: onnxruntime.SessionOptions, **rest: Any) -> None:
            threads.append(options.intra_op_num_threads)
            super().__init__(model, options, **rest)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    for overlapping in (1, 2, 4):
        load_detector(
            pack,
            device="cpu",
            threads=13,
            input_px=640,
            closeup_input_px=0,
            nms_iou=0.4,
            overlapping=overlapping,
        )
    nets = 2 if pack.verifier else 1
    assert threads == [count for count in (13, 6, 3) for _ in range(nets)]


def test_a_detector_says_which_weights_run_where(pack: ModelPack) -> None:
    detector = detector_of(pack)
    assert detector.digest == pack.detector.file.sha256
    assert detector.provider == CPU


@pytest.mark.parametrize(
    ("frame", "long_side_px", "expected"),
    [
        ((1280, 720), 640, (640, 384)),
        ((720, 1280), 640, (384, 640)),
        ((1920, 800), 640, (640, 288)),
        ((640, 480), 640, (640, 480)),
        ((1280, 720), 256, (256, 160)),
        ((1280, 720), 500, (512, 288)),
        ((4000, 10), 640, (640, 32)),
    ],
)
def test_the_input_keeps_the_frame_s_aspect_in_multiples_of_32(
    frame: tuple[int, int], long_side_px: int, expected: tuple[int, int]
) -> None:
    assert input_size(*frame, long_side_px) == expected


def copied_folder(open_pack: ModelPack, folder: Path, detector: bytes, embedder: bytes | None = None) -> Path:
    folder.mkdir()
    (folder / "centerface.onnx").write_bytes(detector)
    (folder / "embedder.onnx").write_bytes(embedder or open_pack.embedder.file.path.read_bytes())
    (folder / "pack.yaml").write_text(f"sha256: {{centerface.onnx: {open_pack.detector.file.sha256}}}\n")
    return folder


def test_one_flipped_bit_in_the_weights_is_refused(open_pack: ModelPack, registry: Path, tmp_path: Path) -> None:
    content = bytearray(open_pack.detector.file.path.read_bytes())
    content[len(content) // 2] ^= 1
    tampered = load_pack("open", copied_folder(open_pack, tmp_path / "mine", bytes(content)), registry)
    with pytest.raises(ModelPackError, match=r"centerface\.onnx is altered"):
        detector_of(tampered)


@pytest.mark.parametrize("name", ["centerface.onnx", "det_x.onnx"])
def test_a_model_that_is_not_a_detector_is_refused_for_its_form(
    open_pack: ModelPack, registry: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(open_pack.embedder.file.path.read_bytes())
    (tmp_path / "embedder.onnx").write_bytes(open_pack.embedder.file.path.read_bytes())
    with pytest.raises(ModelPackError, match=rf"{name} does not have the form of a detector.*expected"):
        detector_of(load_pack("open", tmp_path, registry))


def test_a_file_that_is_not_a_model_is_named(open_pack: ModelPack, registry: Path, tmp_path: Path) -> None:
    (tmp_path / "det_x.onnx").write_text("<html>404</html>")
    (tmp_path / "embedder.onnx").write_bytes(open_pack.embedder.file.path.read_bytes())
    with pytest.raises(ModelPackError, match=r"det_x\.onnx: not an ONNX model"):
        detector_of(load_pack("open", tmp_path, registry))


def test_cuda_asked_for_and_not_available_is_an_error(open_pack: ModelPack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(DeviceError, match="CUDAExecutionProvider"):
        load_detector(open_pack, device="cuda", threads=1, input_px=640, closeup_input_px=0, nms_iou=0.4)
