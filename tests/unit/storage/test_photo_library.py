"""Photos in a folder of links."""

from pathlib import Path

import pytest

from resources.storage.photo_library import photos_in_folder
from screenalytics_assets.core.common.errors import FacebankError


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
