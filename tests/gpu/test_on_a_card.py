"""What only a card can show; the same code runs on the CPU in ``tests/ml/test_cuda_session.py``."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from resources.models.detector import FaceDetector, load_detector
from resources.models.embedder import CUDA_BATCH_SIZE, load_embedder
from resources.models.model_packs import ModelPack
from screenalytics_assets.core.config.providers import CUDA, Cuda, Device
from screenalytics_assets.core.detection.alignment import aligned_crop
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from tests.ml.conftest import group_photo, scrfd_pack

__all__ = ["group_photo", "scrfd_pack"]

Picture = NDArray[np.uint8]


@pytest.fixture(params=["open_pack", "scrfd_pack"])
def pack(request: pytest.FixtureRequest) -> ModelPack:
    chosen: ModelPack = request.getfixturevalue(request.param)
    return chosen


def detector_of(pack: ModelPack, device: Device, overlapping: int = 1, cuda: Cuda | None = None) -> FaceDetector:
    return load_detector(
        pack,
        device=device,
        threads=0,
        input_px=640,
        closeup_input_px=256,
        nms_iou=0.4,
        close_look_scale=1.5,
        overlapping=overlapping,
        cuda=cuda or Cuda(),
    )


def assert_same_faces(expected: FrameFaces, found: FrameFaces, within_px: float) -> None:
    assert len(expected) == len(found)
    np.testing.assert_allclose(found.boxes_px, expected.boxes_px, atol=within_px)
    np.testing.assert_allclose(found.landmarks_px, expected.landmarks_px, atol=within_px)


@pytest.mark.parametrize("cuda", [Cuda(), Cuda(memory_gb=2), Cuda(fp16=True)])
def test_the_card_finds_the_faces_of_the_cpu(pack: ModelPack, group_photo: Picture, cuda: Cuda) -> None:
    on_cpu, on_card = detector_of(pack, "cpu"), detector_of(pack, "cuda", cuda=cuda)
    assert on_card.provider == CUDA
    for picture in (group_photo, np.ascontiguousarray(group_photo[::2, ::2])):
        expected = on_cpu.detect(picture, confidence_th=0.3)
        assert_same_faces(expected, on_card.detect(picture, confidence_th=0.3), within_px=1 if cuda.fp16 else 0.1)


@pytest.mark.parametrize("fp16", [False, True])
def test_threads_that_share_batches_get_what_one_thread_gets(pack: ModelPack, group_photo: Picture, fp16: bool) -> None:
    one, pool_of_8 = (detector_of(pack, "cuda", overlapping, Cuda(fp16=fp16)) for overlapping in (1, 8))
    pictures = [np.ascontiguousarray(np.roll(group_photo, 40 * i, axis=1)) for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda picture: pool_of_8.detect(picture, confidence_th=0.3), pictures))
    for picture, found in zip(pictures, together, strict=True):
        assert_same_faces(one.detect(picture, confidence_th=0.3), found, within_px=1 if fp16 else 0.1)


@pytest.mark.parametrize("fp16", [False, True])
def test_vectors_of_the_card_are_those_of_the_cpu(open_pack: ModelPack, group_photo: Picture, fp16: bool) -> None:
    faces = detector_of(open_pack, "cpu").detect(group_photo, confidence_th=0.4)
    crops = np.stack([aligned_crop(group_photo, points, crop_px=112) for points in faces.landmarks_px])
    many = np.concatenate([np.roll(crops, shift, axis=2) for shift in range(12)])
    assert len(many) > CUDA_BATCH_SIZE
    on_cpu = load_embedder(open_pack, device="cpu", threads=0).embed(many)
    on_card = load_embedder(open_pack, device="cuda", threads=0, cuda=Cuda(fp16=fp16)).embed(many)
    assert (on_cpu * on_card).sum(axis=1).min() >= (0.999 if fp16 else 0.99999)
