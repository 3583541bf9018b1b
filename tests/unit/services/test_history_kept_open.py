"""The files of a run's history while the run goes on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite import sqlite_event_log

from screenalytics_assets.services.instance import history_kept_open


def test_events_go_to_the_log_as_ever_and_the_write_ahead_logs_are_folded_in_once_at_the_end(tmp_path: Path) -> None:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        run = instance.create_run_for_job(_job())
        with history_kept_open(instance, run.run_id):
            for word in ("one", "two"):
                instance.report_engine_event(word, run)
                assert {path.stem for path in _write_ahead_logs(tmp_path)} >= {"index", run.run_id}
            other = dg.DagsterInstance.from_ref(instance.get_ref())
            assert _told(other.all_logs(run.run_id))[-2:] == ["one", "two"]
        assert _write_ahead_logs(tmp_path) == []
        assert _told(instance.all_logs(run.run_id))[-2:] == ["one", "two"]


def test_an_engine_is_made_once_a_file_and_dagster_has_its_own_way_again_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    create_engine = vars(sqlite_event_log)["create_engine"]

    def counted(address: str, **options: Any) -> Any:
        made.append(Path(address).stem)
        return create_engine(address, **options)

    monkeypatch.setattr(sqlite_event_log, "create_engine", counted)
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        run = instance.create_run_for_job(_job())
        with history_kept_open(instance, run.run_id):
            made.clear()
            for word in ("one", "two"):
                instance.report_engine_event(word, run)
                instance.add_dynamic_partitions("episodes", [word])
            assert sorted(made) == sorted([run.run_id, sqlite_event_log.INDEX_SHARD_NAME])
            assert instance.get_dynamic_partitions("episodes") == ["one", "two"]
        made.clear()
        instance.report_engine_event("three", run)
        assert made == [run.run_id]


def test_an_instance_that_keeps_no_files_is_left_alone() -> None:
    with dg.DagsterInstance.ephemeral() as instance, history_kept_open(instance, "run"):
        assert instance.get_runs() == []


def _told(entries: Sequence[dg.EventLogEntry]) -> list[str | None]:
    return [entry.dagster_event.message for entry in entries if entry.dagster_event]


def _write_ahead_logs(home: Path) -> list[Path]:
    return [path for path in home.rglob("*.db-wal") if path.parent.name == "runs"]


def _job() -> dg.JobDefinition:
    @dg.op
    def nothing() -> None:
        """An op."""

    @dg.job
    def empty() -> None:
        nothing()

    return empty
