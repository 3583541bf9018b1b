import gc
import hashlib
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from resources.storage.file_cache import CachedFile, FileCache
from screenalytics_assets.core.common.errors import ArtifactError, StorageError

CONTENT = b"x" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> FileCache:
    """Room for three files."""
    return FileCache(folder, 350)


def writes(content: bytes = CONTENT, seen: list[Path] | None = None) -> Callable[[Path], None]:
    def download(target: Path) -> None:
        if seen is not None:
            seen.append(target)
        target.write_bytes(content)

    return download


def never(_target: Path) -> None:
    raise AssertionError("downloaded although it is here")


def fetch(cache: FileCache, name: str, download: Callable[[Path], None] | None = None) -> CachedFile:
    return cache.fetch(name, size=100, sha256=SHA256, download=download or writes())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def age(folder: Path, name: str, seconds: int) -> None:
    then = time.time() - seconds
    os.utime(folder / name, (then, then))


def test_a_file_is_downloaded_once(cache: FileCache, folder: Path) -> None:
    assert fetch(cache, "a").path.read_bytes() == CONTENT
    assert fetch(cache, "a", never).path == folder / "a"
    assert fetch(FileCache(folder, 350), "a", never).path == folder / "a"


def test_the_least_recently_used_file_is_evicted_when_there_is_no_room(cache: FileCache, folder: Path) -> None:
    for name, seconds in (("a", 30), ("b", 20), ("c", 10)):
        fetch(cache, name)
        age(folder, name, seconds)
    fetch(cache, "a", never)  # used now
    fetch(cache, "d")
    assert names(folder) == {"a", "c", "d"}


def test_a_file_in_use_is_only_evicted_after_its_use(cache: FileCache, folder: Path) -> None:
    held = fetch(cache, "a")
    age(folder, "a", 100)
    for name in "bcd":
        fetch(FileCache(folder, 350), name)
    assert "a" in names(folder)
    assert len(names(folder)) == 3
    del held
    gc.collect()
    age(folder, "a", 100)
    fetch(cache, "e")
    assert "a" not in names(folder)


def hold(folder: Path, holding: Event, stop: Event) -> None:
    held = fetch(FileCache(folder, 350), "a", never)
    holding.set()
    stop.wait(30)
    assert held.path.exists()


def test_a_file_that_another_process_uses_is_kept_until_that_process_is_gone(cache: FileCache, folder: Path) -> None:
    fetch(cache, "a")
    spawn = multiprocessing.get_context("spawn")
    holding, stop = spawn.Event(), spawn.Event()
    process = spawn.Process(target=hold, args=(folder, holding, stop))
    process.start()
    assert holding.wait(60)
    age(folder, "a", 100)
    for name in "bcd":
        fetch(cache, name)
    assert "a" in names(folder)
    process.kill()
    process.join()
    age(folder, "a", 100)
    fetch(cache, "e")
    assert "a" not in names(folder)


def test_concurrent_users_get_whole_files_and_keep_the_limit(folder: Path) -> None:
    def use(number: int) -> None:
        own = FileCache(folder, 350)
        for turn in range(8):
            held = fetch(own, f"{(number + turn) % 6}")
            assert held.path.read_bytes() == CONTENT

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
    gc.collect()
    fetch(FileCache(folder, 350), "last")
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 350


def test_the_partial_file_of_a_killed_download_is_removed(cache: FileCache, folder: Path) -> None:
    folder.mkdir()
    (folder / "half.part").write_bytes(b"half")
    fetch(cache, "a")
    assert names(folder) == {"a"}


def test_a_failed_download_leaves_nothing(cache: FileCache, folder: Path) -> None:
    def fail(target: Path) -> None:
        target.write_bytes(b"half")
        raise StorageError("no answer")

    with pytest.raises(StorageError, match="no answer"):
        fetch(cache, "a", fail)
    assert names(folder) == set()


def test_a_copy_that_was_damaged_on_this_machine_is_downloaded_again(cache: FileCache, folder: Path) -> None:
    fetch(cache, "a")
    (folder / "a").write_bytes(b"y" * 100)
    assert fetch(FileCache(folder, 350), "a").path.read_bytes() == CONTENT


def test_a_download_that_was_damaged_on_the_way_is_tried_again(cache: FileCache) -> None:
    contents = [b"y" * 100, CONTENT]
    assert fetch(cache, "a", lambda target: writes(contents.pop(0))(target)).path.read_bytes() == CONTENT


@pytest.mark.parametrize(("content", "problem"), [(b"y" * 100, "another SHA-256"), (b"x", "1 bytes instead of 100")])
def test_what_is_damaged_at_its_source_is_refused_and_not_kept(
    content: bytes, problem: str, cache: FileCache, folder: Path
) -> None:
    seen: list[Path] = []
    with pytest.raises(ArtifactError, match=problem):
        fetch(cache, "a", writes(content, seen))
    assert len(seen) == 2
    assert names(folder) == set()


def test_a_file_that_cannot_fit_is_refused_with_the_variable_that_makes_room(cache: FileCache, folder: Path) -> None:
    with pytest.raises(StorageError, match="SCREENALYTICS_S3_CACHE_GB"):
        cache.fetch("a", size=351, sha256=None, download=never)
    assert not folder.exists()


def test_what_was_just_uploaded_is_taken_in_without_a_copy(cache: FileCache, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    cache.adopt(source, "a")
    assert not source.exists()
    assert fetch(cache, "a", never).path == folder / "a"
