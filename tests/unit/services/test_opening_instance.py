"""Opening an instance that is new, broken, or opened by several processes at once."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy.exc import IntegrityError

from resources.system.paths import project_dir
from screenalytics_assets.partitions import EPISODES_NAME, register
from screenalytics_assets.services.dagster_instance.instance import open_instance
from screenalytics_assets.services.dagster_instance.instance_files import POSTGRES_URL


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(POSTGRES_URL, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def revisions(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [str(row[0]) for row in connection.execute("select version_num from alembic_version")]


def test_five_runs_at_once_in_a_new_home_all_start() -> None:
    command = [sys.executable, "-m", "tests.faults.new_homes", "--homes", "1", "--processes", "5"]
    done = subprocess.run(command, cwd=project_dir(), capture_output=True, text=True, check=False)
    assert "5 starts each: 0 failures" in done.stdout, done.stderr


@pytest.mark.parametrize("name", ["history/runs.db", "schedules/schedules.db"])
def test_a_home_that_two_processes_made_at_once_is_mended_and_keeps_its_runs(name: str, home: Path) -> None:
    with open_instance() as instance:
        run = instance.add_run(dg.DagsterRun("episode_job"))
        instance.report_run_failed(run)
    whole = revisions(home / name)
    with closing(sqlite3.connect(home / name)) as connection, connection:
        connection.execute("insert into alembic_version values ('5771160a95ad')")
    with open_instance() as instance:
        assert [found.run_id for found in instance.get_runs()] == [run.run_id]
    assert revisions(home / name) == whole


@pytest.mark.parametrize(
    ("database", "tables"),
    [
        ("history/runs.db", ("alembic_version", "run_tags")),
        ("history/runs/index.db", ("dynamic_partitions",)),
        ("schedules/schedules.db", ("alembic_version", "jobs")),
    ],
)
def test_a_home_whose_making_was_interrupted_is_made_again(database: str, tables: tuple[str, ...], home: Path) -> None:
    """As on a disk that was full: Dagster does not notice that tables are missing from a file that exists."""
    with open_instance():
        pass
    with closing(sqlite3.connect(home / database)) as connection, connection:
        for table in tables:
            connection.execute(f"drop table {table}")
    (home / ".being_made").touch()
    with open_instance() as instance:
        instance.add_run(dg.DagsterRun("episode_job", tags={"a": "b"}))
        assert len(instance.get_runs(filters=dg.RunsFilter(tags={"a": "b"}))) == 1
        register(instance, EPISODES_NAME, "demo-s01e01")
        assert list(instance.get_dynamic_partitions(EPISODES_NAME)) == ["demo-s01e01"]
        assert not list(instance.all_instigator_state())
    assert not (home / ".being_made").exists()


def test_runs_are_kept_even_if_the_mark_of_an_interruption_is_there(home: Path) -> None:
    with open_instance() as instance:
        instance.add_run(dg.DagsterRun("episode_job"))
    (home / ".being_made").touch()
    with open_instance() as instance:
        assert len(instance.get_runs()) == 1


def test_a_partition_that_another_process_registers_in_between_is_registered_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not home.exists()
    with open_instance() as instance:
        refuse = dg.DagsterInstance.add_dynamic_partitions

        def second(_: dg.DagsterInstance, name: str, keys: list[str]) -> None:
            refuse(instance, name, keys)
            raise IntegrityError("insert", {}, sqlite3.IntegrityError("UNIQUE constraint failed"))

        monkeypatch.setattr(dg.DagsterInstance, "add_dynamic_partitions", second)
        register(instance, EPISODES_NAME, "demo-s01e01")
        assert list(instance.get_dynamic_partitions(EPISODES_NAME)) == ["demo-s01e01"]
