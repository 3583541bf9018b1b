from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from resources.storage.crop_file import CropWriter, read_crops
from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.detection.alignment import decode_jpeg, decode_reduced_gray


def write(path: Path, count: int) -> dict[str, bytes]:
    crops = {f"det-{i + 1:06d}": b"jpeg of %d" % i for i in range(count)}
    with CropWriter(path) as writer:
        for detection_id, jpeg in crops.items():
            writer.add(detection_id, jpeg)
        assert writer.count == count
    return crops


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 1300])
def test_crops_come_back_as_they_went_in_and_in_order(count: int, tmp_path: Path) -> None:
    path = tmp_path / "crops.parquet"
    crops = write(path, count)
    assert list(read_crops(path, crops)) == list(crops.items())
    assert pq.read_schema(path).equals(schemas.FACE_CROPS)


def test_a_full_disk_names_the_file_from_its_first_bytes_on(tmp_path: Path) -> None:
    """/dev/full answers every write with ENOSPC."""
    path = tmp_path / "crops.parquet"
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space") as refused:
        write(path, 0)
    assert refused.value.filename == str(path)


def test_only_wanted_crops_are_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "crops.parquet"
    crops = write(path, 1300)
    wanted = ["det-001299", "det-000002", "det-000600"]
    assert list(read_crops(path, wanted)) == [(i, crops[i]) for i in sorted(wanted)]


def test_a_crop_that_does_not_exist_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "crops.parquet"
    write(path, 3)
    assert [i for i, _ in read_crops(path, ["det-000002", "det-000009"])] == ["det-000002"]
    assert list(read_crops(path, [])) == []


def test_the_file_is_written_in_groups_that_fit_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "crops.parquet"
    write(path, 1300)
    metadata = pq.ParquetFile(path).metadata
    assert metadata.num_rows == 1300
    assert max(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)) <= 512


def test_the_same_crops_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 700)
    write(tmp_path / "b.parquet", 700)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_stored_picture_is_bgr() -> None:
    blue = np.full((32, 24, 3), (250, 10, 5), np.uint8)
    ok, jpeg = cv2.imencode(".jpg", blue)
    assert ok
    picture = decode_jpeg(jpeg.tobytes())
    assert picture.dtype == np.uint8
    assert picture.shape == (32, 24, 3)
    np.testing.assert_allclose(picture[16, 12], (250, 10, 5), atol=4)


def test_a_stored_picture_can_be_read_gray_and_reduced() -> None:
    picture = np.zeros((160, 160, 3), np.uint8)
    picture[:, 80:] = 200
    gray = decode_reduced_gray(cv2.imencode(".jpg", picture)[1].tobytes())
    assert gray.dtype == np.uint8
    assert gray.shape == (40, 40)
    assert gray[:, :18].max() < 10
    assert gray[:, 22:].min() > 190


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut short"])
def test_bytes_that_are_not_a_picture_are_refused_with_what_to_do(content: bytes) -> None:
    with pytest.raises(ArtifactError, match=f"{len(content)} bytes is not a JPEG.*--force"):
        decode_jpeg(content)
    with pytest.raises(ArtifactError, match=f"{len(content)} bytes is not a JPEG.*--force"):
        decode_reduced_gray(content)
