"""Digests of files that are remembered between processes."""

import hashlib
import os
import sqlite3
import time
from pathlib import Path

import pytest

from resources.system import digest_memory
from resources.system.digest_memory import memory_file, remembered_sha256
from resources.system.files import sha256_of_file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENALYTICS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(digest_memory, "_known", {})


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read, in order."""
    read: list[Path] = []

    def recorded(path: Path) -> str:
        read.append(path)
        return sha256_of_file(path)

    monkeypatch.setattr(digest_memory, "sha256_of_file", recorded)
    return read


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that has not been changed for a minute."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    later = time.time_ns() + 60 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_memory, "_known", {})


def test_an_unchanged_file_is_read_once_by_whichever_process(
    settled: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remembered_sha256(settled) == remembered_sha256(settled) == sha256(b"one")
    another_process(monkeypatch)
    assert remembered_sha256(settled) == sha256(b"one")
    assert reads == [settled]


def test_a_change_that_keeps_size_and_modification_time_is_noticed(
    settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = settled.stat()
    assert remembered_sha256(settled) == sha256(b"one")
    while settled.stat().st_ctime_ns == before.st_ctime_ns:
        settled.write_bytes(b"two")
    os.utime(settled, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert remembered_sha256(settled) == sha256(b"two")
    another_process(monkeypatch)
    assert remembered_sha256(settled) == sha256(b"two")


def test_another_file_of_the_same_size_and_time_in_its_place_is_noticed(settled: Path, tmp_path: Path) -> None:
    assert remembered_sha256(settled) == sha256(b"one")
    other = tmp_path / "other"
    other.write_bytes(b"two")
    os.utime(other, ns=(settled.stat().st_atime_ns, settled.stat().st_mtime_ns))
    other.replace(settled)
    assert remembered_sha256(settled) == sha256(b"two")


def test_a_file_that_has_just_been_changed_is_read_every_time(tmp_path: Path, reads: list[Path]) -> None:
    path = tmp_path / "file"
    for content in (b"one", b"two", b"six"):
        path.write_bytes(content)
        assert remembered_sha256(path) == sha256(content)
    assert len(reads) == 3


def test_a_damaged_memory_is_replaced(settled: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    memory_file().parent.mkdir()
    memory_file().write_bytes(b"not a database" * 1000)
    assert remembered_sha256(settled) == sha256(b"one")
    for _ in range(2):
        another_process(monkeypatch)
        assert remembered_sha256(settled) == sha256(b"one")
    assert len(reads) == 2


def test_a_cache_that_cannot_be_written_only_costs_time(settled: Path) -> None:
    memory_file().parent.write_bytes(b"a file where the folder should be")
    assert remembered_sha256(settled) == sha256(b"one")


def test_the_oldest_digests_are_forgotten(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_memory, "_MOST_FILES", 2)
    for name in "abcd":
        path = settled.with_name(name)
        path.write_bytes(b"x")
        remembered_sha256(path)
    with sqlite3.connect(memory_file()) as connection:
        places = connection.execute("SELECT place FROM digests ORDER BY rowid").fetchall()
    connection.close()
    assert [Path(place).name for (place,) in places] == ["c", "d"]


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        remembered_sha256(tmp_path / "gone")


def test_the_digest_of_a_file_is_remembered_though_its_name_is_not_utf8(
    settled: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = settled.with_name(os.fsdecode(b"caf\xe9.mp4"))
    settled.rename(path)
    assert remembered_sha256(path) == sha256(b"one")
    another_process(monkeypatch)
    assert remembered_sha256(path) == sha256(b"one")
    assert reads == [path]
