"""What only a GPU can show; what is asked of CUDA is tested on the CPU in ``tests/ml/test_cuda_provider.py``."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from resources.models.detector import load_detector
from resources.models.detector_nets import FaceDetector
from resources.models.embedder import CUDA_BATCH_SIZE, load_embedder
from resources.models.packs import ModelPack
from screenalytics_assets.core.config.providers import CUDA, Device
from screenalytics_assets.core.detection.alignment import aligned_crop
from screenalytics_assets.core.detection.face_boxes import FrameFaces
from tests.ml.conftest import group_photo, scrfd_pack

__all__ = ["group_photo", "scrfd_pack"]

Picture = NDArray[np.uint8]


@pytest.fixture(params=["open_pack", "scrfd_pack"])
def pack(request: pytest.FixtureRequest) -> ModelPack:
    chosen: ModelPack = request.getfixturevalue(request.param)
    return chosen


def detector_of(pack: ModelPack, device: Device, overlapping: int = 1, memory_gb: float = 0.0) -> FaceDetector:
    return load_detector(
        pack,
        device=device,
        threads=0,
        input_px=640,
        closeup_input_px=256,
        nms_iou=0.4,
        close_look_scale=1.5,
        overlapping=overlapping,
        cuda_memory_gb=memory_gb,
    )


def assert_same_faces(expected: FrameFaces, found: FrameFaces) -> None:
    assert len(expected) == len(found)
    np.testing.assert_allclose(found.boxes_px, expected.boxes_px, atol=0.1)
    np.testing.assert_allclose(found.landmarks_px, expected.landmarks_px, atol=0.1)


@pytest.mark.parametrize("memory_gb", [0, 2])
def test_the_gpu_finds_the_faces_of_the_cpu(pack: ModelPack, group_photo: Picture, memory_gb: float) -> None:
    on_cpu, on_gpu = detector_of(pack, "cpu"), detector_of(pack, "cuda", memory_gb=memory_gb)
    assert on_gpu.provider == CUDA
    for picture in (group_photo, np.ascontiguousarray(group_photo[::2, ::2])):
        assert_same_faces(on_cpu.detect(picture, confidence_th=0.3), on_gpu.detect(picture, confidence_th=0.3))


def test_eight_threads_get_what_one_thread_gets(pack: ModelPack, group_photo: Picture) -> None:
    one, shared = (detector_of(pack, "cuda", overlapping) for overlapping in (1, 8))
    pictures = [np.ascontiguousarray(np.roll(group_photo, 40 * i, axis=1)) for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda picture: shared.detect(picture, confidence_th=0.3), pictures))
    for picture, found in zip(pictures, together, strict=True):
        assert_same_faces(one.detect(picture, confidence_th=0.3), found)


def test_vectors_of_the_gpu_are_those_of_the_cpu(open_pack: ModelPack, group_photo: Picture) -> None:
    faces = detector_of(open_pack, "cpu").detect(group_photo, confidence_th=0.4)
    crops = np.stack([aligned_crop(group_photo, points, crop_px=112) for points in faces.landmarks_px])
    many = np.concatenate([np.roll(crops, shift, axis=2) for shift in range(12)])
    assert len(many) > CUDA_BATCH_SIZE
    on_cpu, on_gpu = (load_embedder(open_pack, device=device, threads=0).embed(many) for device in ("cpu", "cuda"))
    assert (on_cpu * on_gpu).sum(axis=1).min() >= 0.99999
