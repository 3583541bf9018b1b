"""What runs on a card, run here on the CPU: batches, I/O binding and 16 bits, with real weights."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from resources.models import cuda_session, onnx_session
from resources.models.cuda_session import (
    BatchedSession,
    BoundSession,
    batch_equals_singles,
    detector_session,
    run_batch,
    split_output,
)
from resources.models.detector import FaceDetector, load_detector
from resources.models.embedder import CUDA_BATCH_SIZE, load_embedder
from resources.models.model_packs import ModelPack
from resources.models.onnx_session import create_session
from screenalytics_assets.core.config.providers import CPU, CUDA, Cuda
from screenalytics_assets.core.detection.alignment import aligned_crop
from tests.cuda_stand_in import Asked, stand_in_for_cuda

Picture = NDArray[np.uint8]
MEBIBYTE = 1024**2


@pytest.fixture(params=["open_pack", "scrfd_pack"])
def pack(request: pytest.FixtureRequest) -> ModelPack:
    chosen: ModelPack = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    return stand_in_for_cuda(monkeypatch)


def detector_of(pack: ModelPack, device: Any, overlapping: int = 1, *, fp16: bool = False) -> FaceDetector:
    return load_detector(
        pack,
        device=device,
        threads=1,
        input_px=640,
        closeup_input_px=256,
        nms_iou=0.4,
        close_look_scale=1.5,
        overlapping=overlapping,
        cuda=Cuda(fp16=fp16),
    )


def session_of(pack: ModelPack) -> tuple[Any, int]:
    """The detector's session with a free batch axis, and its boxes a cell."""
    content = pack.detector.file.read_verified()
    session = create_session(content, device="cpu", threads=1, free_axes=(0, 2, 3))
    return session, 2 if len(session.get_outputs()) == 9 else 1


@pytest.mark.parametrize("pictures", [1, 2, 5])
def test_maps_of_a_batch_are_those_of_its_pictures_alone(pack: ModelPack, pictures: int) -> None:
    session, anchors = session_of(pack)
    name = session.get_inputs()[0].name
    blobs = np.random.default_rng(1).uniform(-1, 1, (pictures, 3, 96, 160)).astype(np.float32)
    batch = session.run(None, {name: blobs})
    parts = [split_output(output, pictures, anchors) for output in batch]
    for i in range(pictures):
        alone = session.run(None, {name: blobs[i : i + 1]})
        for output, part in zip(alone, parts, strict=True):
            assert part[i].shape == output.shape
            np.testing.assert_allclose(part[i], output, atol=1e-5 * np.abs(output).max())


def test_maps_that_are_taken_apart_in_another_way_are_noticed(scrfd_pack: ModelPack) -> None:
    session, anchors = session_of(scrfd_pack)
    assert batch_equals_singles(session, anchors)
    assert not batch_equals_singles(session, anchors=1)


def test_a_detector_whose_batches_differ_runs_picture_by_picture(
    scrfd_pack: ModelPack, card: list[Asked], caplog: pytest.LogCaptureFixture
) -> None:
    content = scrfd_pack.detector.file.read_verified()
    session = create_session(content, device="cuda", threads=1, cuda=Cuda(free_batch=True))
    assert len(card) == 1
    assert isinstance(detector_session(session, 8, 2), BatchedSession)
    assert isinstance(detector_session(session, 8, 1), BoundSession)
    assert "one by one" in caplog.text


def test_threads_whose_pictures_share_batches_get_what_one_thread_gets_on_the_cpu(
    pack: ModelPack, group_photo: Picture, card: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def counted(session: Any, anchors: int, blobs: Sequence[NDArray[np.float32]]) -> Any:
        sizes.append(len(blobs))
        return run_batch(session, anchors, blobs)

    monkeypatch.setattr(cuda_session, "run_batch", counted)
    sides = [group_photo[:720], group_photo[:720, ::-1], 255 - group_photo[:720], group_photo[:600, :400]]
    looks = [(np.ascontiguousarray(picture), closely) for closely in (False, True) for picture in sides] * 2
    plain, batched = detector_of(pack, "cpu"), detector_of(pack, "cuda", 4)
    assert (plain.provider, batched.provider, len(card)) == (CPU, CUDA, 1)
    alone = [plain.detect(picture, confidence_th=0.2, closely=closely) for picture, closely in looks]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda look: batched.detect(look[0], confidence_th=0.2, closely=look[1]), looks))
    assert sum(map(len, alone)) > 20
    assert 1 < max(sizes) <= 4
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.boxes_px, other.boxes_px, atol=0.01)
        np.testing.assert_allclose(one.landmarks_px, other.landmarks_px, atol=0.01)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


@pytest.mark.usefixtures("card")
def test_a_detector_that_is_gone_leaves_nothing_on_the_card(open_pack: ModelPack, group_photo: Picture) -> None:
    detector = detector_of(open_pack, "cuda", 4)
    assert len(detector.detect(group_photo, confidence_th=0.3)) == 6
    assert len(onnx_session._sessions) == 1
    del detector
    assert len(onnx_session._sessions) == 0


def test_a_bound_session_gives_what_the_session_gives_for_shapes_that_change(open_pack: ModelPack) -> None:
    session, _ = session_of(open_pack)
    bound = BoundSession(session)
    name = session.get_inputs()[0].name
    rng = np.random.default_rng(2)
    shapes = [(1, 3, 32 * (1 + i % shapes), 64) for shapes in (2, 11) for i in range(15)]
    blobs = [rng.uniform(0, 255, shape).astype(np.float32) for shape in shapes]
    results = [bound.run(None, {name: blob}) for blob in blobs]
    for blob, outputs in zip(blobs, results, strict=True):
        for output, expected in zip(outputs, session.run(None, {name: blob}), strict=True):
            np.testing.assert_array_equal(output, expected)
    last = session.get_outputs()[-1].name
    np.testing.assert_array_equal(bound.run([last], {name: blobs[0]})[0], results[0][-1])


def crops_of(picture: Picture, pack: ModelPack) -> Picture:
    faces = detector_of(pack, "cpu").detect(picture, confidence_th=0.4)
    return np.stack([aligned_crop(picture, points, crop_px=112) for points in faces.landmarks_px])


def test_vectors_of_large_batches_on_a_card_are_those_of_the_cpu(
    open_pack: ModelPack, group_photo: Picture, card: list[Asked]
) -> None:
    crops = crops_of(group_photo, open_pack)
    many = np.concatenate([np.roll(crops, shift, axis=2) for shift in range(12)])
    assert len(many) > CUDA_BATCH_SIZE
    cpu, cuda = (load_embedder(open_pack, device=device, threads=1) for device in ("cpu", "cuda"))
    assert (cuda.provider, len(card)) == (CUDA, 1)
    np.testing.assert_allclose(cuda.embed(many), cpu.embed(many), atol=1e-5)


def weight_types(model_bytes: bytes) -> set[int]:
    weights = onnx.load_from_string(model_bytes).graph.initializer
    return {tensor.data_type for tensor in weights if np.prod(tensor.dims) > 100}


def test_in_16_bits_faces_stay_within_a_pixel(pack: ModelPack, group_photo: Picture, card: list[Asked]) -> None:
    whole, half = detector_of(pack, "cuda"), detector_of(pack, "cuda", fp16=True)
    assert [weight_types(asked.model_bytes) for asked in card] == [{TensorProto.FLOAT}, {TensorProto.FLOAT16}]
    assert [asked.options["use_tf32"] for asked in card] == ["0", "1"]
    for picture in (group_photo, np.ascontiguousarray(group_photo[::2, ::2]), group_photo // 3):
        one, other = (detector.detect(picture, confidence_th=0.3) for detector in (whole, half))
        assert len(one) == len(other) >= 6
        np.testing.assert_allclose(one.boxes_px, other.boxes_px, atol=1)
        np.testing.assert_allclose(one.landmarks_px, other.landmarks_px, atol=1)


@pytest.mark.usefixtures("card")
def test_in_16_bits_a_vector_keeps_its_direction(open_pack: ModelPack, group_photo: Picture) -> None:
    crops = crops_of(group_photo, open_pack)
    many = np.concatenate([crops, crops[:, :, ::-1], crops // 3, np.roll(crops, 5, axis=1)])
    whole, half = (
        load_embedder(open_pack, device="cuda", threads=1, cuda=Cuda(fp16=fp16)).embed(many) for fp16 in (False, True)
    )
    assert np.abs(whole - half).max() > 0
    assert (whole * half).sum(axis=1).min() >= 0.999


def test_the_card_s_memory_is_limited_where_a_limit_is_set(open_pack: ModelPack, card: list[Asked]) -> None:
    for memory_gb in (0.0, 1.5):
        load_embedder(open_pack, device="cuda", threads=1, cuda=Cuda(memory_gb=memory_gb))
    assert "gpu_mem_limit" not in card[0].options
    assert card[1].options["gpu_mem_limit"] == str(1536 * MEBIBYTE)
