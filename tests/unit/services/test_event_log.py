"""The event log of `dagster.yaml`, whose files are kept open."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from screenalytics_assets import event_log
from screenalytics_assets.event_log import CachedEngineEventLogStorage
from screenalytics_assets.services.dagster_instance.instance import open_instance


@dg.op
def nothing() -> None: ...


@dg.job
def idle() -> None:
    nothing()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    with open_instance() as instance:
        yield instance


def open_databases() -> list[str]:
    files = {path.resolve() for path in Path("/proc/self/fd").iterdir() if path.exists()}
    return sorted(str(path) for path in files if path.suffix == ".db")


def test_dagsters_own_class_reads_the_events_of_a_run_while_ours_has_the_file_open(
    instance: dg.DagsterInstance,
) -> None:
    storage = instance.event_log_storage
    assert isinstance(storage, CachedEngineEventLogStorage)
    run_id = idle.execute_in_process(instance=instance).run_id
    written = storage.get_logs_for_run(run_id)
    plain = SqliteEventLogStorage(str(Path(os.environ["DAGSTER_HOME"]) / "history" / "runs"))
    assert plain.get_logs_for_run(run_id) == written
    assert len(written) > 5


def test_only_the_files_of_the_latest_runs_are_kept_open(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "_MAX_OPEN_FILES", 3)
    runs = [idle.execute_in_process(instance=instance).run_id for _ in range(4)]
    opened = [path for path in open_databases() if path.startswith(os.environ["DAGSTER_HOME"] + "/history/runs")]
    assert len(opened) == 3
    for run_id in runs:
        assert instance.all_logs(run_id)


def test_a_deleted_run_leaves_no_events(instance: dg.DagsterInstance) -> None:
    run_id = idle.execute_in_process(instance=instance).run_id
    instance.delete_run(run_id)
    assert instance.all_logs(run_id) == []


def test_events_are_kept_though_another_program_has_deleted_all_runs(instance: dg.DagsterInstance) -> None:
    run_id = idle.execute_in_process(instance=instance).run_id
    plain = SqliteEventLogStorage(str(Path(os.environ["DAGSTER_HOME"]) / "history" / "runs"))
    plain.wipe()
    assert instance.all_logs(run_id) == []
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_engine_event("still here", run)
    assert [entry.message for entry in plain.get_logs_for_run(run_id)] == ["still here"]


def test_an_instance_that_is_disposed_of_has_no_file_open_and_can_be_used_again(instance: dg.DagsterInstance) -> None:
    runs = [idle.execute_in_process(instance=instance).run_id for _ in range(2)]
    instance.event_log_storage.dispose()
    assert not [path for path in open_databases() if path.startswith(os.environ["DAGSTER_HOME"] + "/history/runs")]
    for run_id in runs:
        assert instance.all_logs(run_id)
