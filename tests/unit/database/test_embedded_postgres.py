"""The embedded server, shared by processes that come, go and are killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
from rich.console import Console

from resources.database import limited_connection, postgres_server
from resources.database.access import database_made_in_background
from resources.database.embedded_postgres import EmbeddedPostgres
from resources.database.vector_database import VectorDatabase
from resources.progress import ProgressResource
from resources.system.liveness import LEASE_S
from resources.system.paths import embedded_database_dir, project_dir
from screenalytics_assets.cli import terminal
from screenalytics_assets.cli.episode.run import execute
from screenalytics_assets.core.common.errors import DatabaseError
from screenalytics_assets.services.dagster_instance import instance
from screenalytics_assets.services.running import runs

MODEL = "a" * 64
STORE = """
import sys, numpy as np, pyarrow as pa
from resources.progress import ProgressResource
from resources.database.vector_database import VectorDatabase
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


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A server's folder with empty tables: making one takes longer than a test."""
    root = Path(tempfile.mkdtemp(prefix="screenalytics-test-")).resolve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCREENALYTICS_DATA_ROOT", str(root))
        patch.delenv("SCREENALYTICS_DATABASE_URL", raising=False)
        VectorDatabase().close()
    yield root / "database"
    shutil.rmtree(root)


@pytest.fixture
def made(folder: Path, template: Path) -> Path:
    """The folder of a server that was used before."""
    shutil.copytree(template, folder)
    return folder


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


def test_concurrent_processes_share_one_server_which_ends_with_the_last_of_them(folder: Path) -> None:
    processes = [start(f"show-s01e0{i}", "x") for i in (1, 2, 2, 2)]
    for process in processes:
        finish(process)
    assert servers(folder) == []
    with VectorDatabase() as database:
        assert tracks_of(database) == {"show-s01e01": 50, "show-s01e02": 50}
        assert servers(folder)
    assert servers(folder) == []


def test_a_process_that_is_killed_in_a_transaction_leaves_what_was_there_and_no_running_server(made: Path) -> None:
    finish(start("show-s01e01", "x"))
    hanging = start("show-s01e01", "never")
    assert hanging.stdout is not None
    assert [hanging.stdout.readline() for _ in range(2)] == ["open\n", "inside\n"]
    hanging.kill()
    hanging.communicate()
    with VectorDatabase() as database:
        assert tracks_of(database) == {"show-s01e01": 50}
        assert database.episode_digest("show-s01e01") == "x"
    assert servers(made) == []


def test_a_killed_server_is_reported_and_the_next_one_has_everything_that_was_stored(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited_connection, "CONNECT_TIMEOUT_S", 1)
    finish(start("show-s01e01", "x"))
    with VectorDatabase() as database:
        postmaster = int((made / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        wait_until(lambda: not servers(made))
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


def test_the_server_starts_if_its_old_process_id_belongs_to_another_process(made: Path) -> None:
    stale = made / "postgres" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{made / 'postgres'}\n1700000000\n5432\n{made / 'postgres'}\n\n1 1\nready\n")
    VectorDatabase().close()
    assert not stale.exists()


NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
OPEN = """
import sys
from pathlib import Path
from resources.database.embedded_postgres import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1])).open()
print("open", flush=True)
sys.stdin.read()
"""


def started_in_container(folder: Path) -> "subprocess.Popen[str]":
    """A process that uses the server and does not see other processes, nor they it."""
    return subprocess.Popen(
        [*NAMESPACE, sys.executable, "-c", OPEN, str(folder)],
        cwd=project_dir(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*NAMESPACE, "true"], check=False).returncode != 0,
    reason="no process namespaces here",
)
def test_a_second_container_on_the_same_files_is_refused_until_the_first_is_killed(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_server, "_CLEANUP_TIMEOUT_S", 1.0)
    container = started_in_container(made)
    assert container.stdout is not None
    assert container.stdout.readline() == "open\n"
    pid_file = (made / "postgres" / "postmaster.pid").read_text()
    with pytest.raises(DatabaseError, match=r"uses it, .* another machine or container .*server\.held"):
        EmbeddedPostgres(made).open()
    assert (made / "postgres" / "postmaster.pid").read_text() == pid_file
    container.kill()
    container.communicate()
    VectorDatabase().close()
    assert servers(made) == []


def test_a_server_on_another_machine_is_refused_while_it_is_in_use(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_server, "_CLEANUP_TIMEOUT_S", 0.0)
    held = made / "server.held"
    held.write_text(json.dumps({"host": "far", "boot": "another kernel", "pid": 7, "note": ""}))
    with pytest.raises(DatabaseError, match=r"far uses it"):
        EmbeddedPostgres(made).open()
    os.utime(held, (time.time() - LEASE_S - 1,) * 2)
    VectorDatabase().close()


def test_an_interrupted_initialisation_is_repeated(folder: Path) -> None:
    half = folder / "postgres.new-1234"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    VectorDatabase().close()
    assert not half.exists()


def test_files_made_in_the_background_have_no_running_server_and_are_used_by_the_first_user(
    folder: Path,
) -> None:
    with database_made_in_background():
        pass
    assert servers(folder) == []
    made_s = (folder / "postgres" / "PG_VERSION").stat().st_mtime_ns
    with database_made_in_background(), VectorDatabase() as database:
        assert tracks_of(database) == {}
    assert (folder / "postgres" / "PG_VERSION").stat().st_mtime_ns == made_s


def test_no_files_are_made_if_a_url_names_a_database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENALYTICS_DATABASE_URL", "postgresql://somewhere/else")
    with database_made_in_background():
        pass
    assert not folder.exists()


def test_an_error_in_the_background_is_raised_when_the_database_is_opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise subprocess.CalledProcessError(1, "initdb")

    monkeypatch.setattr(postgres_server.server_package(), "pgexec", broken)
    with database_made_in_background():
        pass
    assert not (folder / "postgres").exists()
    with pytest.raises(DatabaseError, match=r"does not start: .*initdb"):
        VectorDatabase()


@pytest.mark.parametrize(("select", "is_made"), [([], True), (["episode_vectors"], True), (["tracks"], False)])
def test_a_run_makes_the_files_in_the_background_only_if_it_will_store_vectors(
    select: list[str], is_made: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance, "open_instance", lambda: None)
    monkeypatch.setattr(terminal, "TerminalProgress", ProgressResource)
    monkeypatch.setattr(runs, "run_episode", lambda *_, **__: runs.RunOutcome("run", success=False))
    execute(Console(quiet=True), "show-s01e01", None, {}, force=False, select=select)
    assert (folder / "postgres" / "PG_VERSION").exists() == is_made


def test_files_that_another_version_of_postgresql_made_are_refused(folder: Path) -> None:
    data = folder / "postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("12\n")
    with pytest.raises(DatabaseError, match=r"made by PostgreSQL 12.*move the folder away"):
        VectorDatabase()


def test_a_server_that_cannot_start_names_its_log(made: Path) -> None:
    with (made / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(DatabaseError, match=r"does not start.*postgres/log"):
        EmbeddedPostgres(made).open()


as_another_user = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


@as_another_user
@pytest.mark.parametrize("command", ["initdb", "pg_ctl"])
def test_a_parent_folder_that_another_program_closes_is_opened_again(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a second session of pytest does to the folder of all of them."""
    package, asked = postgres_server.server_package(), []
    pgexec = package.pgexec

    def closing(name: str, *arguments: Any, **options: Any) -> Any:
        asked.append(name)
        if name == command and asked.count(command) == 1:
            folder.parent.chmod(0o700)
        return pgexec(name, *arguments, **options)

    monkeypatch.setattr(package, "pgexec", closing)
    VectorDatabase().close()
    assert asked.count(command) == 2


def test_the_server_starts_if_an_earlier_one_could_not_remove_its_socket(made: Path) -> None:
    lock = made / "postgres" / ".s.PGSQL.5432.lock"
    lock.write_text(f"{os.getpid()}\n{made / 'postgres'}\n1700000000\n5432\n{made / 'postgres'}\n")
    VectorDatabase().close()
    assert not lock.exists()


@as_another_user
@pytest.mark.parametrize("name", ["two words", "it's", "a;b", "$HOME"])
def test_a_path_that_the_server_cannot_start_in_is_refused_with_what_to_do(name: str, made: Path) -> None:
    folder = made.with_name(f"{made.name}-{name}")
    shutil.copytree(made, folder)
    try:
        with pytest.raises(DatabaseError, match=r"contains .* use a data root .* SCREENALYTICS_DATABASE_URL"):
            EmbeddedPostgres(folder).open()
    finally:
        shutil.rmtree(folder)


def test_the_error_of_a_failed_server_program_is_part_of_the_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = postgres_server.server_package()
    pgexec = package.pgexec

    def closing(*arguments: Any, **options: Any) -> Any:
        folder.parent.chmod(0o700)
        return pgexec(*arguments, **options)

    monkeypatch.setattr(package, "pgexec", closing)
    with pytest.raises(DatabaseError, match=r"does not start: .*initdb.*; .*Permission denied.*Its log is"):
        VectorDatabase()
    assert not (folder / "postgres").exists()


@as_another_user
def test_files_that_root_restored_from_a_copy_are_given_back_to_the_servers_user(made: Path) -> None:
    finish(start("show-s01e01", "x"))
    copy = made.with_name("copy")
    shutil.copytree(made, copy)
    shutil.rmtree(made)
    copy.rename(made)
    with VectorDatabase() as database:
        assert tracks_of(database) == {"show-s01e01": 50}


def test_a_locale_that_does_not_exist_here_is_ignored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")
    VectorDatabase().close()
    assert os.environ["LC_ALL"] == "xx_XX.UTF-8"
    assert (folder / "postgres" / "PG_VERSION").exists()


def test_the_server_of_data_in_a_bucket_is_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCREENALYTICS_CACHE_DIR", str(tmp_path))
    places = set()
    for root in ("s3://bucket/one", "s3://bucket/two"):
        monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", root)
        places.add(embedded_database_dir())
    assert len(places) == 2
    assert all(place.is_relative_to(tmp_path / "database") for place in places)
