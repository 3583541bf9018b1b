"""Photos in a folder of links, and photos that are too large."""

import os
from pathlib import Path

import pytest

from resources.storage.photo_library import MAX_PHOTO_BYTES, photos_in_bucket, photos_in_folder
from screenalytics_assets.core.common.errors import FacebankError
from tests.object_store import BucketPlace


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"jpeg")
    return path


@pytest.mark.parametrize("link", ["PERSON", "Amy/1.jpg", "Amy/PERSON"])
@pytest.mark.parametrize("target", ["../outside", "../outside/shadow", "/etc", "nowhere", "PERSON"])
def test_a_link_that_leads_out_of_the_folder_or_nowhere_is_refused(link: str, target: str, tmp_path: Path) -> None:
    photo(tmp_path / "outside" / "shadow")
    folder = tmp_path / "show"
    photo(folder / "Amy" / "2.jpg")
    (folder / link).symlink_to(target if target in ("/etc", "nowhere", "PERSON") else tmp_path / target[3:])
    with pytest.raises(FacebankError, match=rf"{Path(link).name} is a link that leads out of .*show"):
        photos_in_folder(folder)


def test_links_within_the_folder_and_a_link_to_the_folder_itself_are_followed(tmp_path: Path) -> None:
    photo(tmp_path / "disk" / "Amy" / "1.jpg")
    (tmp_path / "disk" / "Amy" / "2.jpg").symlink_to("1.jpg")
    (tmp_path / "show").symlink_to("disk")
    assert [found.photo_id for found in photos_in_folder(tmp_path / "show")] == ["Amy/1.jpg", "Amy/2.jpg"]


def test_more_photos_than_the_limit_are_refused_before_any_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.storage.photo_library.MAX_PHOTOS", 2)
    for number in range(2):
        photo(tmp_path / "Amy" / f"{number}.jpg")
    assert len(photos_in_folder(tmp_path)) == 2
    photo(tmp_path / "Bob" / "1.jpg").chmod(0)
    with pytest.raises(FacebankError, match=r"3 photos; expected at most 2\. A few photos of each person"):
        photos_in_folder(tmp_path)


def test_a_photo_of_too_many_bytes_is_listed_and_not_read(tmp_path: Path) -> None:
    """The large files take no space on the disk: they have no content."""
    for name, size in (("most", MAX_PHOTO_BYTES), ("more", MAX_PHOTO_BYTES + 1)):
        os.truncate(photo(tmp_path / "Amy" / name), size)
    more, most = photos_in_folder(tmp_path)
    assert (more.photo_id, more.size_bytes, more.content) == ("Amy/more", MAX_PHOTO_BYTES + 1, None)
    assert most.content is not None
    assert len(most.content) == MAX_PHOTO_BYTES


def test_a_photo_of_too_many_bytes_in_a_bucket_is_listed_and_not_read(
    bucket: BucketPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.storage.photo_library.MAX_PHOTO_BYTES", 4)
    for name, content in (("1", b"jpeg"), ("2", b"jpegs")):
        bucket.client.put_object(Bucket=bucket.name, Key=f"photos/Amy/{name}", Body=content)
    found = photos_in_bucket(f"s3://{bucket.name}/photos")
    assert [(photo.photo_id, photo.size_bytes, photo.content) for photo in found] == [
        ("Amy/1", 4, b"jpeg"),
        ("Amy/2", 5, None),
    ]
