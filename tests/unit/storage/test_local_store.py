"""What only artifacts in a folder have."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from resources.artifact_store import ArtifactStoreResource
from resources.storage.local_store import LocalArtifactStore
from resources.system.liveness import LEASE_S
from resources.system.paths import project_dir
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


KILLED = """
import os, signal, sys
from pathlib import Path
from resources.storage.local_store import LocalArtifactStore
with LocalArtifactStore(Path(sys.argv[1])).staging(sys.argv[2], sys.argv[3]) as staged:
    staged.write_json("half.json", {})
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_staged_is_removed_and_that_of_a_living_one_kept(store: LocalArtifactStore) -> None:
    command = [sys.executable, "-c", KILLED, str(store.root), ASSET, EP_ID]
    subprocess.run(command, cwd=project_dir(), check=False)
    with store.staging(ASSET, EP_ID) as alive:
        alive.write_json("half.json", {})
        folders = [path for path in (store.root / ".staging" / EP_ID).iterdir() if path.is_dir()]
        assert len(folders) == 1
        with store.staging(ASSET, EP_ID):
            pass
        assert folders[0].exists()
    assert not (store.root / ".staging").exists()


@pytest.mark.parametrize(("age_s", "is_kept"), [(0.0, True), (LEASE_S + 1, False)])
def test_what_another_machine_stages_is_kept_while_it_says_that_it_is_alive(
    age_s: float, is_kept: bool, store: LocalArtifactStore
) -> None:
    elsewhere = store.root / ".staging" / EP_ID / f"{ASSET}.0123456789ab"
    elsewhere.mkdir(parents=True)
    held = elsewhere.with_name(f"{elsewhere.name}.held")
    held.write_text(json.dumps({"host": "far", "boot": "another kernel", "pid": 7, "note": ""}))
    os.utime(held, (time.time() - age_s,) * 2)
    with store.staging(ASSET, EP_ID):
        pass
    assert elsewhere.exists() is is_kept


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


def test_of_a_folder_that_is_a_link_only_the_link_is_listed_and_removed(
    store: LocalArtifactStore, tmp_path: Path
) -> None:
    precious = tmp_path / "elsewhere" / "precious"
    precious.parent.mkdir()
    precious.write_text("kept")
    link = store.root / "manifests" / EP_ID
    link.parent.mkdir(parents=True)
    link.symlink_to(precious.parent)
    assert store.files_of(EP_ID) == [str(link)]
    store.remove_files_of(EP_ID)
    assert store.files_of(EP_ID) == []
    assert precious.read_text() == "kept"
