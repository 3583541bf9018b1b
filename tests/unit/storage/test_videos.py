import errno
import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from resources.system.error_translation import translated
from resources.videos import VideoLibraryResource
from screenalytics_assets.core.common.errors import SystemFailureError, VideoError
from tests.object_store import BucketPlace
from tests.unit.builders import EP_ID
from tests.unit.storage.store_sites import Folder, InBucket, StoreSite


@pytest.fixture(params=["folder", "bucket"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSite:
    if request.param == "folder":
        return Folder(tmp_path / "data")
    return InBucket(request.getfixturevalue("bucket"))


@pytest.fixture
def library(site: StoreSite) -> VideoLibraryResource:
    return library_of(site)


def library_of(site: StoreSite) -> VideoLibraryResource:
    assert isinstance(site, Folder | InBucket)
    return VideoLibraryResource(root=str(site.root) if isinstance(site, Folder) else site.bucket.url)


def at(name: str) -> str:
    """The place of a file in the episode's folder."""
    return f"videos/{EP_ID}/{name}"


def stored(site: StoreSite, name: str) -> set[str]:
    """The video as the library stores it; a folder has the checksum beside it, a bucket in the metadata."""
    return site.named(at(name), *([at(f".{name}.sha256")] if isinstance(site, Folder) else []))


def video(path: Path, content: bytes = b"moving pictures") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.MKV", "a.mov"])
def test_a_video_that_was_taken_in_is_found(
    name: str, site: StoreSite, library: VideoLibraryResource, tmp_path: Path
) -> None:
    place = library.add(EP_ID, video(tmp_path / name), replace=False)
    kept_as = f"episode{Path(name).suffix.lower()}"
    assert place == site.store.location(at(kept_as)) == library.locate(EP_ID)
    assert library.find(EP_ID).read_bytes() == b"moving pictures"
    assert library.find(EP_ID).suffix == Path(kept_as).suffix
    assert library.identify(EP_ID) == (kept_as, place, hashlib.sha256(b"moving pictures").hexdigest())


def test_taking_a_video_in_leaves_the_source_and_nothing_else(
    site: StoreSite, library: VideoLibraryResource, tmp_path: Path
) -> None:
    source = video(tmp_path / "a.mp4")
    library.add(EP_ID, source, replace=False)
    assert source.exists()
    assert set(site.files()) == stored(site, "episode.mp4")


def test_adding_the_same_video_again_returns_its_place_in_the_library(
    site: StoreSite, library: VideoLibraryResource, tmp_path: Path
) -> None:
    source = video(tmp_path / "a.mp4")
    place = library.add(EP_ID, source, replace=False)
    assert library.add(EP_ID, source, replace=False) == place
    assert library.add(EP_ID, video(tmp_path / "copy.mp4"), replace=False) == place
    assert library.add(EP_ID, library.find(EP_ID), replace=False) == place
    assert set(site.files()) == stored(site, "episode.mp4")


def test_another_video_is_refused_unless_it_is_to_replace_the_first(
    site: StoreSite, library: VideoLibraryResource, tmp_path: Path
) -> None:
    first, second = video(tmp_path / "a.mp4", b"first"), video(tmp_path / "b.mkv", b"other")
    library.add(EP_ID, first, replace=False)
    with pytest.raises(VideoError, match=r"already has the video .*episode\.mp4.*b\.mkv.*--replace"):
        library.add(EP_ID, second, replace=False)
    assert site.read(at("episode.mp4")) == b"first"
    library.add(EP_ID, second, replace=True)
    assert set(site.files()) == stored(site, "episode.mkv")
    assert library.find(EP_ID).read_bytes() == b"other"
    assert first.read_bytes() == b"first"


def test_replacing_a_video_by_one_of_the_same_kind(library: VideoLibraryResource, tmp_path: Path) -> None:
    library.add(EP_ID, video(tmp_path / "a.mp4", b"first"), replace=False)
    library.add(EP_ID, video(tmp_path / "b.mp4", b"other"), replace=True)
    assert library.find(EP_ID).read_bytes() == b"other"
    assert (tmp_path / "a.mp4").read_bytes() == b"first"


def test_the_error_about_a_missing_video_says_where_to_put_it(site: StoreSite, library: VideoLibraryResource) -> None:
    with pytest.raises(VideoError, match=rf"{EP_ID} has no video: .*/episode\.mp4.*--ep-id {EP_ID}") as refused:
        library.find(EP_ID)
    assert site.store.location(at("episode.mp4")) in str(refused.value)


def test_two_videos_of_an_episode_are_an_error(site: StoreSite, library: VideoLibraryResource) -> None:
    for name in ("episode.mp4", "episode.mkv"):
        site.put(at(name), b"moving pictures")
    with pytest.raises(VideoError, match=r"2 videos, expected one: .*episode\.mkv, .*episode\.mp4"):
        library.find(EP_ID)


def test_other_files_beside_the_video_are_ignored(site: StoreSite, library: VideoLibraryResource) -> None:
    for name in ("episode.mp4", "episode.srt", "notes.txt", "trailer.mp4", ".episode.mp4.123"):
        site.put(at(name), name.encode())
    assert library.find(EP_ID).read_bytes() == b"episode.mp4"


def test_a_video_that_another_program_has_put_there_is_identified_by_its_content(
    site: StoreSite, library: VideoLibraryResource
) -> None:
    site.put(at("episode.mp4"), b"first")
    assert library.identify(EP_ID).sha256 == hashlib.sha256(b"first").hexdigest()
    site.put(at("episode.mp4"), b"other")
    assert library.identify(EP_ID).sha256 == hashlib.sha256(b"other").hexdigest()
    assert library_of(site).find(EP_ID).read_bytes() == b"other"


def test_the_library_keeps_its_own_read_only_copy(tmp_path: Path) -> None:
    library, source = VideoLibraryResource(root=str(tmp_path / "data")), video(tmp_path / "a.mp4")
    library.add(EP_ID, source, replace=False)
    source.write_bytes(b"other")  # in place
    kept = library.find(EP_ID)
    assert kept.read_bytes() == b"moving pictures"
    assert (kept.stat().st_nlink, kept.stat().st_mode & 0o777) == (1, 0o444)


def hard_linked(tmp_path: Path) -> tuple[VideoLibraryResource, Path]:
    """A video as earlier versions stored it: the file of the user."""
    library, source = VideoLibraryResource(root=str(tmp_path / "data")), video(tmp_path / "a.mp4")
    kept = tmp_path / "data" / at("episode.mp4")
    kept.parent.mkdir(parents=True)
    kept.hardlink_to(source)
    return library, source


def test_a_hard_link_of_an_earlier_version_becomes_a_copy_when_the_video_is_given_again(tmp_path: Path) -> None:
    library, source = hard_linked(tmp_path)
    library.add(EP_ID, source, replace=False)
    source.write_bytes(b"other")
    assert library.find(EP_ID).read_bytes() == b"moving pictures"


def test_a_stored_video_that_was_changed_is_refused_until_it_is_stored_again(tmp_path: Path) -> None:
    library, source = VideoLibraryResource(root=str(tmp_path / "data")), video(tmp_path / "a.mp4")
    kept = Path(library.add(EP_ID, source, replace=False))
    kept.chmod(0o644)
    kept.write_bytes(b"moving_pictures")
    for read in (library.find, library.identify):
        with pytest.raises(
            VideoError, match=rf"episode\.mp4 was changed after it was stored.*--ep-id {EP_ID} --replace"
        ):
            read(EP_ID)
    library.add(EP_ID, source, replace=True)
    assert library.find(EP_ID).read_bytes() == b"moving pictures"
    kept.unlink()
    kept.write_bytes(b"a later one")
    later = video(tmp_path / "b.mp4", b"a later one")
    with pytest.raises(VideoError, match="differs from"):
        library.add(EP_ID, later, replace=False)
    library.add(EP_ID, later, replace=True)
    assert library.find(EP_ID).read_bytes() == b"a later one"


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_link_that_leaves_the_library_is_refused(is_folder: bool, tmp_path: Path) -> None:
    library, outside = VideoLibraryResource(root=str(tmp_path / "data")), video(tmp_path / "other" / "episode.mp4")
    link = tmp_path / "data" / (f"videos/{EP_ID}" if is_folder else at("episode.mp4"))
    link.parent.mkdir(parents=True)
    link.symlink_to(outside.parent if is_folder else outside)
    message = rf"{link.name} is a link that leads out of .*videos.*screenalytics run"
    with pytest.raises(VideoError, match=message):
        library.find(EP_ID)
    if is_folder:
        with pytest.raises(VideoError, match=message):
            library.add(EP_ID, outside, replace=True)
        assert list(outside.parent.iterdir()) == [outside]
        link.unlink()
    library.add(EP_ID, outside, replace=True)
    assert library.find(EP_ID).read_bytes() == b"moving pictures"


def test_a_video_that_was_changed_after_it_was_stored_is_not_held_and_can_be_stored_again(tmp_path: Path) -> None:
    library, source = VideoLibraryResource(root=str(tmp_path / "data")), video(tmp_path / "a.mp4")
    place = Path(library.add(EP_ID, source, replace=False))
    assert library.holds(EP_ID, source)
    place.chmod(0o644)
    place.write_bytes(b"Moving Pictures")
    assert not library.holds(EP_ID, source)
    library.add(EP_ID, source, replace=False)
    assert library.holds(EP_ID, source)


def test_too_little_room_is_noticed_before_anything_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library, source = VideoLibraryResource(root=str(tmp_path / "data")), video(tmp_path / "a.mp4")
    monkeypatch.setattr("resources.system.files.fcntl.ioctl", unsupported)
    monkeypatch.setattr("resources.system.files.shutil.disk_usage", lambda _: SimpleNamespace(free=3))
    with pytest.raises(OSError, match="are needed") as refused:
        library.add(EP_ID, source, replace=False)
    known = translated(refused.value)
    assert isinstance(known, SystemFailureError)
    assert str(known).endswith("the disk is full: free some space and run again (0.0 GB are needed, 0.0 GB are free)")
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []


def unsupported(*_: object) -> None:
    raise OSError(errno.EOPNOTSUPP, "not supported")


@pytest.mark.parametrize("name", ["a.txt", "a", "a.mp4.part"])
def test_a_file_that_the_library_would_not_find_again_is_refused(
    name: str, site: StoreSite, library: VideoLibraryResource, tmp_path: Path
) -> None:
    with pytest.raises(VideoError, match=rf"{name}.*\.mp4"):
        library.add(EP_ID, video(tmp_path / name), replace=False)
    assert site.files() == {}


def test_a_source_that_does_not_exist_is_refused_and_leaves_nothing(
    site: StoreSite, library: VideoLibraryResource, tmp_path: Path
) -> None:
    with pytest.raises(VideoError, match=r"gone\.mp4.*no such file"):
        library.add(EP_ID, tmp_path / "gone.mp4", replace=False)
    assert site.files() == {}


def test_the_data_root_of_the_environment_is_used_unless_one_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "elsewhere"))
    place = VideoLibraryResource().add(EP_ID, video(tmp_path / "a.mp4"), replace=False)
    assert place == str(tmp_path / "elsewhere" / at("episode.mp4"))


def test_a_video_that_was_just_taken_in_is_not_downloaded(
    bucket: BucketPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = VideoLibraryResource(root=bucket.url)
    library.add(EP_ID, video(tmp_path / "a.mp4"), replace=False)
    monkeypatch.setattr("resources.storage.bucket.Bucket.download", None)
    assert library.find(EP_ID).read_bytes() == b"moving pictures"


def test_a_video_whose_content_is_known_is_identified_without_a_download(
    bucket: BucketPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    VideoLibraryResource(root=bucket.url).add(EP_ID, video(tmp_path / "a.mp4"), replace=False)
    monkeypatch.setenv("SCREENALYTICS_S3_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setattr("resources.storage.bucket.Bucket.download", None)
    sha256 = VideoLibraryResource(root=bucket.url).identify(EP_ID).sha256
    assert sha256 == hashlib.sha256(b"moving pictures").hexdigest()
