from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from resources.models.embed_crops import embed_crops, embed_detections, face_patches
from resources.storage.crop_file import CropWriter
from resources.storage.local_store import LocalArtifactStore
from tests.unit.builders import EP_ID, faces_table

COUNT = 150


class CountingEmbedder:
    """Vectors made of the brightness of a crop; records what was embedded."""

    digest = "digest"
    provider = "CPUExecutionProvider"

    def __init__(self) -> None:
        self.brightness: list[int] = []
        self.loaded = 0

    def embed(self, crops_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = crops_bgr.reshape(len(crops_bgr), -1).mean(axis=1)
        self.brightness += found.round().astype(int).tolist()
        vectors = np.zeros((len(crops_bgr), 512), np.float32)
        vectors[:, 0], vectors[:, 1] = np.cos(found / 200), np.sin(found / 200)
        return vectors


@pytest.fixture
def crop_file(tmp_path: Path) -> Path:
    """Crop i, of detection ``det-{i + 1:06d}``, has brightness i."""
    path = tmp_path / "crops.parquet"
    with CropWriter(path) as writer:
        for i in range(COUNT):
            picture = np.full((112, 112, 3), i, np.uint8)
            writer.add(f"det-{i + 1:06d}", cv2.imencode(".png", picture)[1].tobytes())
    return path


def vector_of(brightness: int) -> NDArray[np.float32]:
    return CountingEmbedder().embed(np.full((1, 112, 112, 3), brightness, np.uint8))[0]


def embed_faces(
    crop_file: Path, embedder: CountingEmbedder, count: int, known: Sequence[int]
) -> tuple[NDArray[np.float32], int]:
    advanced: list[int] = []

    def load() -> CountingEmbedder:
        embedder.loaded += 1
        return embedder

    with LocalArtifactStore(crop_file.parent).staging("faces", EP_ID) as output:
        vectors = embed_crops(
            faces_table([0] * count, [0.5] * count),
            crop_file,
            load,
            output,
            known={f"det-{i + 1:06d}": -vector_of(i) for i in known},
            on_face=lambda: advanced.append(1),
        )
    return vectors, len(advanced)


def test_faces_with_a_known_vector_are_not_embedded(crop_file: Path) -> None:
    embedder = CountingEmbedder()
    known = [3, 4, 80]
    vectors, advanced = embed_faces(crop_file, embedder, 100, known)
    assert embedder.brightness == [i for i in range(100) if i not in known]
    assert advanced == 100
    for i in range(100):
        np.testing.assert_array_equal(vectors[i], -vector_of(i) if i in known else vector_of(i))


def test_the_embedder_is_not_loaded_if_every_vector_is_known(crop_file: Path) -> None:
    embedder = CountingEmbedder()
    embed_faces(crop_file, embedder, 20, range(100))
    assert (embedder.brightness, embedder.loaded) == ([], 0)


def test_faces_without_a_known_vector_are_embedded(crop_file: Path) -> None:
    embedder = CountingEmbedder()
    vectors, _ = embed_faces(crop_file, embedder, COUNT, [])
    np.testing.assert_array_equal(vectors, [vector_of(i) for i in range(COUNT)])
    assert embedder.loaded == 1


def test_a_crop_is_written_as_a_file_also_when_its_vector_is_known(crop_file: Path) -> None:
    faces = faces_table([0, 0], [0.5, 0.5])
    place = faces.schema.get_field_index("crop_path")
    faces = faces.set_column(place, faces.schema.field(place), [["a.jpg", "b.jpg"]])
    with LocalArtifactStore(crop_file.parent).staging("faces", EP_ID) as output:
        embed_crops(
            faces,
            crop_file,
            CountingEmbedder,
            output,
            known={"det-000001": vector_of(0)},
            on_face=lambda: None,
        )
        assert all(output.path_below_root(name).is_file() for name in ("a.jpg", "b.jpg"))


def test_the_vectors_of_detections_are_in_the_order_of_the_ids(crop_file: Path) -> None:
    wanted = [7, 140, 0, 99, *range(20, 90)]
    advanced: list[int] = []
    vectors = embed_detections(
        [f"det-{i + 1:06d}" for i in wanted], crop_file, CountingEmbedder(), on_face=lambda: advanced.append(1)
    )
    np.testing.assert_array_equal(vectors, [vector_of(i) for i in wanted])
    assert len(advanced) == len(wanted)
    assert embed_detections([], crop_file, CountingEmbedder(), on_face=lambda: None).shape == (0, 512)


def test_patches_are_in_the_order_of_the_ids_and_zero_without_a_crop(crop_file: Path) -> None:
    patches = face_patches(["det-000101", "det-000999", "det-000003"], crop_file)
    assert patches.shape == (3, 20, 20)
    assert [np.unique(patch).tolist() for patch in patches] == [[100], [0], [2]]
