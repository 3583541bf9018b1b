"""What only artifacts in a folder have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resources.artifact_store import ArtifactStoreResource
from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.errors import ConfigurationError
from tests.unit.builders import EP_ID
from tests.unit.storage.store_sites import ASSET, publish, publish_nothing_but


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "data")


def test_a_table_comes_back_unchanged_below_a_folder_whose_name_has_an_equals_sign(tmp_path: Path) -> None:
    artifact = publish(LocalArtifactStore(tmp_path / "season=5"))
    assert artifact.table("faces.parquet").schema.equals(schemas.FACES)


def test_a_folder_that_is_left_without_files_is_removed(store: LocalArtifactStore) -> None:
    publish(store, crops=3)
    publish(store, crops=0)
    assert not (store.root / "frames" / EP_ID).exists()


def dead_pid() -> int:
    finished = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return int(finished.stdout)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads from /proc whether a process lives")
def test_staging_of_dead_processes_is_removed_and_that_of_living_ones_kept(store: LocalArtifactStore) -> None:
    episode = store.root / ".staging" / EP_ID
    abandoned, alive = episode / f"tracks.{dead_pid()}", episode / f"tracks.{os.getppid()}"
    for folder in (abandoned, alive):
        folder.mkdir(parents=True)
        (folder / "half.parquet").write_bytes(b"half")
    with store.staging(ASSET, EP_ID):
        assert not abandoned.exists()
        assert alive.exists()
    assert (alive / "half.parquet").exists()


def test_the_lock_file_of_a_killed_process_does_not_block_a_publication(store: LocalArtifactStore) -> None:
    lock = store.root / ".staging" / EP_ID / f"{ASSET}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with store.staging(ASSET, EP_ID) as staged:
        staged.write_json("note.json", {})
        publish_nothing_but(store, staged)
    assert not (store.root / ".staging").exists()


def test_the_resource_uses_the_data_root_of_the_environment_unless_one_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    assert ArtifactStoreResource().store().location("a") == str(tmp_path / "data" / "a")
    assert ArtifactStoreResource(root=str(tmp_path / "own")).store().location("a") == str(tmp_path / "own" / "a")


def test_a_url_that_is_not_of_a_bucket_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", "gs://bucket/tv")
    with pytest.raises(ConfigurationError, match=r"gs://bucket/tv: expected a folder or s3://"):
        ArtifactStoreResource().store()
