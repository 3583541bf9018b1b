from pathlib import Path

import pytest

from resources.video_library import VideoLibraryResource
from screenalytics_assets.core.errors import VideoError

EP_ID = "show-s01e02"


@pytest.fixture
def library(tmp_path: Path) -> VideoLibraryResource:
    return VideoLibraryResource(root=str(tmp_path / "data"))


def video(path: Path, content: bytes = b"moving pictures") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.MKV", "a.mov"])
def test_a_video_that_was_taken_in_is_found(name: str, library: VideoLibraryResource, tmp_path: Path) -> None:
    place = library.add(EP_ID, video(tmp_path / name), replace=False)
    assert place == library.folder(EP_ID) / f"episode{Path(name).suffix.lower()}"
    assert library.find(EP_ID) == place
    assert place.read_bytes() == b"moving pictures"


def test_taking_a_video_in_leaves_the_source_and_nothing_else(library: VideoLibraryResource, tmp_path: Path) -> None:
    source = video(tmp_path / "a.mp4")
    library.add(EP_ID, source, replace=False)
    assert source.exists()
    assert [path.name for path in library.folder(EP_ID).iterdir()] == ["episode.mp4"]


def test_the_same_video_again_is_no_complaint_and_its_place_is_in_the_library(
    library: VideoLibraryResource, tmp_path: Path
) -> None:
    source = video(tmp_path / "a.mp4")
    place = library.add(EP_ID, source, replace=False)
    assert library.add(EP_ID, source, replace=False) == place
    assert library.add(EP_ID, video(tmp_path / "copy.mp4"), replace=False) == place
    assert library.add(EP_ID, place, replace=False) == place


def test_another_video_is_refused_unless_it_is_to_replace_the_first(
    library: VideoLibraryResource, tmp_path: Path
) -> None:
    first, second = video(tmp_path / "a.mp4", b"first"), video(tmp_path / "b.mkv", b"other")
    place = library.add(EP_ID, first, replace=False)
    with pytest.raises(VideoError, match=r"already has the video .*episode\.mp4.*b\.mkv.*--replace"):
        library.add(EP_ID, second, replace=False)
    assert place.read_bytes() == b"first"
    replaced = library.add(EP_ID, second, replace=True)
    assert library.find(EP_ID) == replaced
    assert replaced.read_bytes() == b"other"
    assert first.read_bytes() == b"first"


def test_replacing_a_video_by_one_of_the_same_kind(library: VideoLibraryResource, tmp_path: Path) -> None:
    library.add(EP_ID, video(tmp_path / "a.mp4", b"first"), replace=False)
    library.add(EP_ID, video(tmp_path / "b.mp4", b"other"), replace=True)
    assert library.find(EP_ID).read_bytes() == b"other"
    assert (tmp_path / "a.mp4").read_bytes() == b"first"


def test_an_episode_without_a_video_is_told_where_to_put_it(library: VideoLibraryResource) -> None:
    with pytest.raises(VideoError, match=rf"{EP_ID} has no video: .*videos/{EP_ID}/episode\.mp4.*--ep-id {EP_ID}"):
        library.find(EP_ID)


def test_two_videos_of_an_episode_are_one_too_many(library: VideoLibraryResource) -> None:
    for name in ("episode.mp4", "episode.mkv"):
        video(library.folder(EP_ID) / name)
    with pytest.raises(VideoError, match=r"2 videos, expected one: .*episode\.mkv, .*episode\.mp4"):
        library.find(EP_ID)


def test_other_files_beside_the_video_are_no_videos(library: VideoLibraryResource) -> None:
    place = video(library.folder(EP_ID) / "episode.mp4")
    for name in ("episode.srt", "notes.txt", "trailer.mp4", ".episode.mp4.123"):
        video(library.folder(EP_ID) / name)
    assert library.find(EP_ID) == place


@pytest.mark.parametrize("name", ["a.txt", "a", "a.mp4.part"])
def test_a_file_that_the_library_would_not_find_again_is_refused(
    name: str, library: VideoLibraryResource, tmp_path: Path
) -> None:
    with pytest.raises(VideoError, match=rf"{name}.*\.mp4"):
        library.add(EP_ID, video(tmp_path / name), replace=False)
    assert not library.folder(EP_ID).exists()


def test_a_source_that_does_not_exist_is_refused_and_leaves_nothing(
    library: VideoLibraryResource, tmp_path: Path
) -> None:
    with pytest.raises(VideoError, match=r"gone\.mp4.*no such file"):
        library.add(EP_ID, tmp_path / "gone.mp4", replace=False)
    assert not library.folder(EP_ID).exists()


def test_the_data_root_of_the_environment_counts_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "elsewhere"))
    assert VideoLibraryResource().folder(EP_ID) == tmp_path / "elsewhere" / "videos" / EP_ID
