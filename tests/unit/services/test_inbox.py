import os
from pathlib import Path

import pytest
import yaml

from resources.system.paths import project_dir
from screenalytics_assets.automation.inbox.inbox import (
    Cursor,
    FolderInbox,
    InboxFile,
    InboxSettings,
    inbox_settings,
    open_inbox,
)
from screenalytics_assets.core.common.errors import ConfigurationError, VideoError
from tests.object_store import BucketPlace

A, B = InboxFile("a.mp4", 10, 1), InboxFile("b.mp4", 20, 2)


def drop(path: Path, content: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_file_is_complete_once_it_did_not_change_for_the_settle_time() -> None:
    cursor = Cursor().observe([A], 100.0)
    assert cursor.settled([A], 100.0, 60.0) == []
    cursor = cursor.observe([A], 159.0)
    assert cursor.settled([A], 159.0, 60.0) == []
    assert cursor.observe([A], 160.0).settled([A], 160.0, 60.0) == [A]


@pytest.mark.parametrize("changed", [InboxFile("a.mp4", 11, 1), InboxFile("a.mp4", 10, 3)])
def test_a_file_whose_size_or_time_changed_waits_from_then_on(changed: InboxFile) -> None:
    cursor = Cursor().observe([A], 0.0).observe([changed], 50.0)
    assert cursor.settled([changed], 100.0, 60.0) == []
    assert cursor.settled([changed], 110.0, 60.0) == [changed]


def test_a_processed_file_is_not_examined_again_until_it_changes() -> None:
    cursor = Cursor().observe([A, B], 0.0).with_done([A])
    assert cursor.observe([A, B], 100.0).settled([A, B], 100.0, 1.0) == [B]
    changed = InboxFile("a.mp4", 11, 5)
    assert "a.mp4" in cursor.observe([changed], 100.0).waiting


def test_a_file_that_was_taken_away_and_comes_back_is_new() -> None:
    cursor = Cursor().observe([A], 0.0).with_done([A]).observe([], 10.0)
    assert cursor == Cursor()
    assert cursor.observe([A], 20.0).settled([A], 20.0, 0.0) == [A]


@pytest.mark.parametrize("text", [None, "", "no json", '{"version": 2}', "[]", '{"done": 3}'])
def test_a_cursor_that_cannot_be_read_is_replaced_by_an_empty_one(text: str | None) -> None:
    assert Cursor.parse(text) == Cursor()


def test_a_cursor_is_kept_as_it_is() -> None:
    cursor = Cursor().observe([A, B], 3.5).with_done([B])
    assert Cursor.parse(cursor.model_dump_json()) == cursor


def test_the_cursor_of_a_thousand_files_stays_below_64_kilobytes() -> None:
    files = [InboxFile(f"rhobh-s{i // 99:02d}e{i % 99:02d}.mp4", 10**10 + i, 10**18 + i) for i in range(1000)]
    assert len(Cursor().observe(files, 0.0).with_done(files).model_dump_json()) < 64 * 1024


def test_a_folder_lists_its_files_and_those_of_its_subfolders_but_nothing_hidden_or_half_copied(tmp_path: Path) -> None:
    for name in ("b.mp4", "season 5/a.mov", "readme.txt"):
        drop(tmp_path / name)
    for name in (".DS_Store", ".hidden/c.mp4", "d.mp4.part", "e.crdownload", "~lock.mp4"):
        drop(tmp_path / name)
    (tmp_path / "broken.mp4").symlink_to(tmp_path / "nowhere")
    files = FolderInbox(tmp_path, create=False).files()
    assert [file.name for file in files] == ["b.mp4", "readme.txt", "season 5/a.mov"]
    assert files[2].stem == "a"


def test_size_and_time_of_change_make_the_stamp(tmp_path: Path) -> None:
    drop(tmp_path / "a.mp4", b"1")
    inbox = FolderInbox(tmp_path, create=False)
    (first,) = inbox.files()
    assert inbox.files()[0].stamp == first.stamp
    os.utime(tmp_path / "a.mp4", ns=(1, 1))
    assert inbox.files()[0].stamp != first.stamp


def test_an_inbox_that_is_not_mounted_is_an_error_and_the_one_below_the_data_root_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    with pytest.raises(VideoError, match=r"inbox .*elsewhere does not exist: .*SCREENALYTICS_INBOX"):
        open_inbox(InboxSettings(folder=str(tmp_path / "elsewhere"))).files()
    assert open_inbox(InboxSettings()).files() == []
    assert (tmp_path / "data" / "inbox").is_dir()


def test_the_inbox_is_configured_by_its_file_and_the_folder_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_CONFIG_DIR", str(tmp_path))
    monkeypatch.delenv("SCREENALYTICS_INBOX", raising=False)
    assert inbox_settings() == InboxSettings()
    (tmp_path / "inbox.yaml").write_text("folder: dropped\nsettle_s: 5\ninterval_s: 10\nautorun: true\n")
    assert inbox_settings() == InboxSettings(folder="dropped", settle_s=5, interval_s=10, autorun=True)
    monkeypatch.setenv("SCREENALYTICS_INBOX", "/mnt/episodes")
    assert inbox_settings().folder == "/mnt/episodes"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("settle: 5", "unknown key 'settle'"),
        ("settle_s: -1", "settle_s = -1: expected a number ≥ 0 and ≤ 86,400"),
        ("interval_s: 1", "interval_s = 1: expected a whole number ≥ 5 and ≤ 86,400"),
        ("autorun: maybe", "autorun = 'maybe'"),
        ("folder: ''", "folder = ''"),
    ],
)
def test_a_mistake_in_the_file_is_reported_with_its_key(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_CONFIG_DIR", str(tmp_path))
    (tmp_path / "inbox.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=rf"inbox\.yaml: .*{message}"):
        inbox_settings()


def test_the_shipped_file_lists_every_key_with_its_default() -> None:
    text = (project_dir() / "config" / "inbox.yaml").read_text()
    for name, field in InboxSettings.model_fields.items():
        assert f"# {name}: {yaml.safe_dump(field.default).split()[0].removesuffix('.0')}\n" in text


def test_an_inbox_below_a_bucket_lists_lends_and_removes_its_objects(bucket: BucketPlace) -> None:
    for key in ("inbox/b.mp4", "inbox/season 5/a.mov", "inbox/.hidden/c.mp4", "inbox/d.mp4.part", "inbox/", "e.mp4"):
        bucket.put(key, key.encode())
    for inbox in (open_inbox(InboxSettings()), open_inbox(InboxSettings(folder=f"{bucket.url}/inbox"))):
        files = inbox.files()
        assert [(file.name, file.size) for file in files] == [("b.mp4", 11), ("season 5/a.mov", 20)]
        assert inbox.files()[0].stamp == files[0].stamp
        with inbox.local("season 5/a.mov") as path:
            assert path.name == "a.mov"
            assert path.read_bytes() == b"inbox/season 5/a.mov"
        assert not path.exists()
    bucket.put("inbox/b.mp4", b"longer than it was before")
    assert inbox.files()[0].stamp != files[0].stamp
    inbox.remove("b.mp4")
    assert [file.name for file in inbox.files()] == ["season 5/a.mov"]


@pytest.mark.parametrize("target", ["outside.mp4", "nowhere.mp4"])
def test_a_link_that_leads_out_of_the_inbox_is_not_read(target: str, tmp_path: Path) -> None:
    drop(tmp_path / "outside.mp4")
    inbox = FolderInbox(tmp_path / "inbox", create=True)
    drop(tmp_path / "inbox" / "b.mp4")
    (tmp_path / "inbox" / "a.mp4").symlink_to(tmp_path / target)
    (tmp_path / "inbox" / "c.mp4").symlink_to("b.mp4")
    with pytest.raises(VideoError, match=r"a\.mp4 is a link that leads out of the inbox"), inbox.local("a.mp4"):
        pass
    for name in ("b.mp4", "c.mp4"):
        with inbox.local(name) as path:
            assert path.read_bytes() == b"x"
