"""The embedded server, shared by processes that come, go and are killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest

from resources import vector_database
from resources.embedded_postgres import EmbeddedPostgres, embedded_dir
from resources.vector_database import VectorDatabase
from screenalytics_assets.core.errors import DatabaseError
from screenalytics_assets.paths import project_dir

MODEL = "a" * 64
STORE = """
import sys, numpy as np, pyarrow as pa
from resources.vector_database import VectorDatabase
ep_id, digest = sys.argv[1:3]
row = {"identity_id": None, "start_s": 0.0, "end_s": 1.0, "detection_id": "d"}
rows = [row | {"track_id": f"t{i}"} for i in range(50)]
with VectorDatabase() as database:
    print("open", flush=True)
    if digest == "never":
        with database._transaction() as connection:
            connection.execute("delete from screenalytics.episode")
            print("inside", flush=True)
            sys.stdin.read()
    database.replace_episode(
        ep_id, show="show", content_digest=digest, model_digest="a" * 64, tracks=pa.Table.from_pylist(rows),
        vectors=np.full((50, 512), 512**-0.5, np.float32),
    )
"""


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data root that the server's own user can reach, which a folder of pytest's is not."""
    root = Path(tempfile.mkdtemp(prefix="screenalytics-test-")).resolve()
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(root))
    monkeypatch.delenv("SCREENALYTICS_DATABASE_URL", raising=False)
    yield root / "database"
    shutil.rmtree(root)


def start(ep_id: str, digest: str) -> "subprocess.Popen[str]":
    """Another process that stores an episode, or hangs in the middle of it."""
    return subprocess.Popen(
        [sys.executable, "-c", STORE, ep_id, digest],
        cwd=project_dir(),
        env=os.environ | {"PYTHONPATH": str(project_dir())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


def servers(folder: Path) -> list[psutil.Process]:
    """Live processes whose working folder is the server's."""
    return [
        process
        for process in psutil.process_iter(["cwd", "status"])
        if process.info["cwd"] == str(folder / "postgres") and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def tracks_of(database: VectorDatabase) -> dict[str, int]:
    found = database.find_tracks(np.full(512, 512**-0.5, np.float32), MODEL, min_similarity=0.5, min_identity_sim=0.5)
    return {entry["values"]: entry["counts"] for entry in found["ep_id"].value_counts().to_pylist()}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("did not happen within 30 s")


def test_processes_at_once_share_one_server_which_ends_with_the_last_of_them(folder: Path) -> None:
    processes = [start(f"show-s01e0{i}", "x") for i in (1, 2, 2, 2)]
    for process in processes:
        finish(process)
    assert servers(folder) == []
    with VectorDatabase() as database:
        assert tracks_of(database) == {"show-s01e01": 50, "show-s01e02": 50}
        assert servers(folder)
    assert servers(folder) == []


def test_a_process_that_is_killed_in_a_transaction_leaves_what_was_there_and_no_running_server(folder: Path) -> None:
    finish(start("show-s01e01", "x"))
    hanging = start("show-s01e01", "never")
    assert hanging.stdout is not None
    assert [hanging.stdout.readline() for _ in range(2)] == ["open\n", "inside\n"]
    hanging.kill()
    hanging.communicate()
    with VectorDatabase() as database:
        assert tracks_of(database) == {"show-s01e01": 50}
        assert database.episode_digest("show-s01e01") == "x"
    assert servers(folder) == []


def test_a_server_that_is_killed_is_told_and_the_next_one_has_everything_that_was_stored(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_database, "CONNECT_TIMEOUT_S", 1)
    finish(start("show-s01e01", "x"))
    with VectorDatabase() as database:
        postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        wait_until(lambda: not servers(folder))
        with pytest.raises(DatabaseError, match=r"does not answer.*run again"):
            database.replace_episode(
                "show-s01e01",
                show="show",
                content_digest="y",
                model_digest=MODEL,
                tracks=pa.table({"track_id": []}),
                vectors=np.empty((0, 512), np.float32),
            )
    with VectorDatabase() as database:
        assert tracks_of(database) == {"show-s01e01": 50}
        assert database.episode_digest("show-s01e01") == "x"


def test_a_process_id_that_somebody_else_has_by_now_does_not_keep_the_server_from_starting(folder: Path) -> None:
    VectorDatabase().close()
    stale = folder / "postgres" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{folder / 'postgres'}\n1700000000\n5432\n{folder / 'postgres'}\n\n1 1\nready\n")
    VectorDatabase().close()
    assert not stale.exists()


def test_a_server_whose_making_was_interrupted_is_made_again(folder: Path) -> None:
    half = folder / "postgres.new-1234"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    VectorDatabase().close()
    assert not half.exists()


def test_files_that_another_version_of_postgresql_made_are_refused(folder: Path) -> None:
    data = folder / "postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("12\n")
    with pytest.raises(DatabaseError, match=r"made by PostgreSQL 12.*move the folder away"):
        VectorDatabase()


def test_a_server_that_cannot_start_names_its_log(folder: Path) -> None:
    VectorDatabase().close()
    with (folder / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(DatabaseError, match=r"does not start.*postgres/log"):
        EmbeddedPostgres(folder).open()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_files_that_root_restored_from_a_copy_are_given_back_to_the_servers_user(folder: Path) -> None:
    finish(start("show-s01e01", "x"))
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    shutil.rmtree(folder)
    copy.rename(folder)
    with VectorDatabase() as database:
        assert tracks_of(database) == {"show-s01e01": 50}


def test_a_locale_that_does_not_exist_here_does_no_harm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")
    VectorDatabase().close()
    assert os.environ["LC_ALL"] == "xx_XX.UTF-8"
    assert (folder / "postgres" / "PG_VERSION").exists()


def test_the_server_of_data_in_a_bucket_is_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCREENALYTICS_CACHE_DIR", str(tmp_path))
    places = set()
    for root in ("s3://bucket/one", "s3://bucket/two"):
        monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", root)
        places.add(embedded_dir())
    assert len(places) == 2
    assert all(place.is_relative_to(tmp_path / "database") for place in places)
