"""``screenalytics models int8`` with real weights; the runs that it compares are runs of the graph."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, load_from_string

from resources.models.int8_detector import detector_inputs, quantise_detector, write_int8_pack
from resources.models.model_packs import ModelPack, load_pack
from screenalytics_assets.core.common.errors import ConfigurationError, ModelPackError
from screenalytics_assets.core.config.detection_keys import DetectionSettings
from screenalytics_assets.core.evaluation.agreement import compare_faces
from screenalytics_assets.services import int8
from tests.ml.test_detectors import detector_of
from tests.video_fixtures import write_video

Picture = NDArray[np.uint8]


@pytest.fixture(params=["open_pack", "scrfd_pack"])
def pack(request: pytest.FixtureRequest) -> ModelPack:
    chosen: ModelPack = request.getfixturevalue(request.param)
    return chosen


def shifted(photo: Picture, count: int) -> list[Picture]:
    """Frames 1280×720 of the photo, moved and darkened."""
    return [np.asarray(np.roll(photo, 37 * i, axis=1)[:720, :] // (1 + i % 3), np.uint8) for i in range(count)]


def test_a_detector_in_8_bits_finds_the_faces_and_its_pack_says_what_it_is(
    pack: ModelPack, group_photo: Picture, registry: Path, tmp_path: Path
) -> None:
    frames = shifted(group_photo, 12)
    content = quantise_detector(pack, detector_inputs(pack, frames[::2], DetectionSettings()))
    folder = tmp_path / "int8"
    write_int8_pack(pack, content, folder)
    made = load_pack("", folder, registry)
    types = {tensor.data_type for tensor in load_from_string(made.detector.file.read_verified()).graph.initializer}
    assert TensorProto.INT8 in types
    assert made.detector.file.sha256 != pack.detector.file.sha256
    assert made.embedder.file.sha256 == pack.embedder.file.sha256
    assert (made.thresholds, made.licence, made.commercial_use) == (pack.thresholds, pack.licence, pack.commercial_use)
    confidence_th = pack.detector.entry.confidence_th
    assert confidence_th is not None
    whole, small = (
        [detector_of(each).detect(frame, confidence_th=confidence_th) for frame in frames[1::2]]
        for each in (pack, made)
    )
    agreement = compare_faces(whole, small, input_px_per_frame_px=0.5)
    assert agreement.faces >= 30
    assert min(agreement.found, agreement.right) > 0.9


@pytest.fixture
def two_videos(group_photo: Picture, tmp_path: Path) -> tuple[Path, Path]:
    small = np.ascontiguousarray(group_photo[:720:2, ::2])
    frames = [np.asarray(np.roll(small, i // 2, axis=1)) for i in range(36)]
    return write_video(tmp_path / "one.mp4", frames), write_video(tmp_path / "two.mp4", frames[::-1])


def test_a_pack_that_agrees_is_kept_and_one_that_does_not_leaves_nothing(
    scrfd_pack: ModelPack,
    two_videos: tuple[Path, Path],
    registry: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = two_videos
    told: list[int8.Verdict] = []
    int8.make_int8_pack(scrfd_pack, [one], [two], tmp_path / "kept", registry, told.append)
    assert load_pack("", tmp_path / "kept", registry).detector.file.path.name == "det_int8.onnx"
    assert told[0].people is not None
    assert (told[0].people.identities, told[0].people.rand) == (6, 1.0)

    noise = np.random.default_rng(0)
    monkeypatch.setattr(
        int8,
        "detector_inputs",
        lambda *_: [noise.uniform(-0.01, 0.01, (1, 3, 384, 640)).astype(np.float32)],
    )
    with pytest.raises(ModelPackError, match=r"not kept: two\.mp4: it finds 0\.\d+ of the faces"):
        int8.make_int8_pack(scrfd_pack, [one], [two], tmp_path / "refused", registry, told.append)
    assert not list(tmp_path.glob("*refused*"))


def test_a_folder_that_exists_is_not_written_to(open_pack: ModelPack, registry: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="exists already"):
        int8.make_int8_pack(open_pack, [Path("a.mp4")], [Path("b.mp4")], tmp_path, registry, lambda _verdict: None)


def test_a_video_cannot_be_to_calibrate_and_to_check(open_pack: ModelPack, registry: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"a\.mp4 is to calibrate and to check"):
        int8.make_int8_pack(
            open_pack, [Path("a.mp4")], [Path("a.mp4")], tmp_path / "new", registry, lambda _verdict: None
        )
