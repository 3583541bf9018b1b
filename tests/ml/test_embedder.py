from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from numpy.typing import NDArray

from resources.models.detector import load_detector
from resources.models.embedder import FaceEmbedder, load_embedder
from resources.models.packs import ModelPack, load_pack
from screenalytics_assets.core.common.errors import ModelPackError
from screenalytics_assets.core.config.providers import CPU

Crops = NDArray[np.uint8]

# Where ArcFace wants eyes, nose and mouth in its 112×112 crop (Deng et al., CVPR 2019; InsightFace's arcface_dst).
TEMPLATE_PX = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def faces_from_left_to_right(picture: Crops, pack: ModelPack) -> Crops:
    detector = load_detector(pack, device="cpu", threads=2, input_px=640, closeup_input_px=256, nms_iou=0.4)
    faces = detector.detect(picture, confidence_th=0.5)
    crops = []
    for index in np.argsort(faces.boxes_px[:, 0]):
        matrix, _ = cv2.estimateAffinePartial2D(faces.landmarks_px[index], TEMPLATE_PX, method=cv2.LMEDS)
        crops.append(cv2.warpAffine(picture, matrix, (112, 112)))
    return np.asarray(crops, np.uint8)


@pytest.fixture(scope="module")
def crops(group_photo: Crops, open_pack: ModelPack) -> Crops:
    """Aligned crops of the six people in the sample photo, (6, 112, 112, 3)."""
    return faces_from_left_to_right(group_photo, open_pack)


@pytest.fixture(scope="module")
def embedder(open_pack: ModelPack) -> FaceEmbedder:
    return load_embedder(open_pack, device="cpu", threads=2)


@pytest.mark.parametrize("count", [1, 2, 8, 9, 19])
def test_a_vector_does_not_depend_on_what_else_is_in_the_batch(
    embedder: FaceEmbedder, crops: Crops, count: int
) -> None:
    many = np.concatenate([crops, crops[:, :, ::-1], 255 - crops, crops // 2])[:count]
    one_by_one = np.concatenate([embedder.embed(crop[None]) for crop in many])
    np.testing.assert_allclose(embedder.embed(many), one_by_one, atol=1e-5)
    assert len(np.unique(one_by_one.round(3), axis=0)) == count


def test_eight_threads_get_the_vectors_that_one_gets(embedder: FaceEmbedder, crops: Crops) -> None:
    batches = [crops[start : start + count] for start in range(3) for count in (1, 2, 3)] * 2
    alone = [embedder.embed(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(embedder.embed, batches))
    for vectors, same in zip(alone, together, strict=True):
        np.testing.assert_array_equal(vectors, same)


def test_vectors_have_512_numbers_and_unit_norm(embedder: FaceEmbedder, crops: Crops) -> None:
    vectors = embedder.embed(crops)
    assert vectors.shape == (6, 512)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_crops_give_no_vectors(embedder: FaceEmbedder) -> None:
    vectors = embedder.embed(np.empty((0, 112, 112, 3), np.uint8))
    assert vectors.shape == (0, 512)
    assert vectors.dtype == np.float32


def test_a_person_is_more_similar_to_a_worse_picture_of_themself_than_to_anybody_else(
    embedder: FaceEmbedder, open_pack: ModelPack, group_photo: Crops, crops: Crops
) -> None:
    smaller = cv2.resize(group_photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    darker = np.asarray(cv2.convertScaleAbs(smaller, alpha=0.6), np.uint8)
    similarity = embedder.embed(crops) @ embedder.embed(faces_from_left_to_right(darker, open_pack)).T
    same, different = np.diag(similarity), similarity[~np.eye(6, dtype=bool)]
    assert same.min() > 2 * different.max()
    cluster_thresh = open_pack.embedder.entry.cluster_thresh
    assert cluster_thresh is not None
    assert same.min() > cluster_thresh > different.mean()


def test_the_same_crops_give_the_same_vectors_to_the_bit(
    embedder: FaceEmbedder, open_pack: ModelPack, crops: Crops
) -> None:
    again = load_embedder(open_pack, device="cpu", threads=2)
    np.testing.assert_array_equal(again.embed(crops), embedder.embed(crops))


@pytest.mark.parametrize("crops", [np.zeros((2, 112, 112, 3), np.float32), np.zeros((2, 96, 112, 3), np.uint8)])
def test_crops_of_another_form_are_refused(embedder: FaceEmbedder, crops: Crops) -> None:
    with pytest.raises(ValueError, match="112"):
        embedder.embed(crops)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_zero_or_non_finite_vector_is_an_error_and_not_a_face(
    embedder: FaceEmbedder, crops: Crops, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    def get_feat(_net: ArcFaceONNX, pictures: list[Crops]) -> NDArray[np.float32]:
        output = np.ones((len(pictures), 512), np.float32)
        output[-1] = value
        return output

    monkeypatch.setattr(ArcFaceONNX, "get_feat", get_feat)
    with pytest.raises(ModelPackError, match="zero or non-finite vector for crop 2 of 3"):
        embedder.embed(crops[:3])


def test_an_embedder_says_which_weights_run_where(embedder: FaceEmbedder, open_pack: ModelPack) -> None:
    assert embedder.digest == open_pack.embedder.file.sha256
    assert embedder.provider == CPU


def test_the_input_scale_of_the_registry_is_used(
    open_pack: ModelPack, registry: Path, tmp_path: Path, embedder: FaceEmbedder, crops: Crops
) -> None:
    (tmp_path / "centerface.onnx").write_bytes(open_pack.detector.file.path.read_bytes())
    (tmp_path / "net.onnx").write_bytes(open_pack.embedder.file.path.read_bytes())
    (tmp_path / "pack.yaml").write_text("embedder: {input_mean: 100, input_std: 60}\n")
    other = load_embedder(load_pack("open", tmp_path, registry), device="cpu", threads=2)
    assert np.abs(other.embed(crops) - embedder.embed(crops)).max() > 0.01


def test_a_model_that_is_not_an_embedder_is_refused_for_its_form(
    open_pack: ModelPack, registry: Path, tmp_path: Path
) -> None:
    for name in ("centerface.onnx", "net.onnx"):
        (tmp_path / name).write_bytes(open_pack.detector.file.path.read_bytes())
    with pytest.raises(ModelPackError, match=r"net\.onnx does not have the form of an embedder"):
        load_embedder(load_pack("open", tmp_path, registry), device="cpu", threads=2)


def test_altered_weights_are_refused_even_after_the_right_ones_were_loaded(
    open_pack: ModelPack, registry: Path, tmp_path: Path
) -> None:
    (tmp_path / "centerface.onnx").write_bytes(open_pack.detector.file.path.read_bytes())
    (tmp_path / "net.onnx").write_bytes(open_pack.embedder.file.path.read_bytes())
    pack = load_pack("open", tmp_path, registry)
    load_embedder(pack, device="cpu", threads=2)
    with (tmp_path / "net.onnx").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ModelPackError, match="altered"):
        load_embedder(pack, device="cpu", threads=2)
