"""What is asked of CUDA, with real weights; the CPU stands in for the GPU."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from resources.models import onnx_session
from resources.models.detector import load_detector
from resources.models.detector_nets import FaceDetector
from resources.models.embedder import CUDA_BATCH_SIZE, load_embedder
from resources.models.packs import ModelPack
from screenalytics_assets.core.config.providers import CUDA
from screenalytics_assets.core.detection.alignment import aligned_crop
from tests.cuda_stand_in import Asked, stand_in_for_cuda

Picture = NDArray[np.uint8]
MEBIBYTE = 1024**2


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    return stand_in_for_cuda(monkeypatch)


def detector_of(pack: ModelPack, device: Any) -> FaceDetector:
    return load_detector(pack, device=device, threads=1, input_px=640, closeup_input_px=256, nms_iou=0.4)


@pytest.mark.usefixtures("card")
def test_a_detector_that_is_gone_leaves_nothing_on_the_gpu(open_pack: ModelPack, group_photo: Picture) -> None:
    detector = detector_of(open_pack, "cuda")
    assert detector.provider == CUDA
    assert len(detector.detect(group_photo, confidence_th=0.3)) == 6
    assert len(onnx_session._sessions) == 2  # with the verifier
    del detector
    assert len(onnx_session._sessions) == 0


def test_vectors_of_large_batches_on_a_gpu_are_those_of_the_cpu(
    open_pack: ModelPack, group_photo: Picture, card: list[Asked]
) -> None:
    faces = detector_of(open_pack, "cpu").detect(group_photo, confidence_th=0.4)
    crops = np.stack([aligned_crop(group_photo, points, crop_px=112) for points in faces.landmarks_px])
    many = np.concatenate([np.roll(crops, shift, axis=2) for shift in range(12)])
    assert len(many) > CUDA_BATCH_SIZE
    cpu, cuda = (load_embedder(open_pack, device=device, threads=1) for device in ("cpu", "cuda"))
    assert (cuda.provider, len(card)) == (CUDA, 1)
    np.testing.assert_allclose(cuda.embed(many), cpu.embed(many), atol=1e-5)


def test_gpu_memory_is_limited_only_if_a_limit_is_set(open_pack: ModelPack, card: list[Asked]) -> None:
    for memory_gb in (0.0, 1.5):
        load_embedder(open_pack, device="cuda", threads=1, cuda_memory_gb=memory_gb)
    assert "gpu_mem_limit" not in card[0].options
    assert card[1].options["gpu_mem_limit"] == str(1536 * MEBIBYTE)
    assert {asked.options["use_tf32"] for asked in card} == {"0"}
