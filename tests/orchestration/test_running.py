"""Unattended runs: retries, pools, slots, time limits. One test for each pitfall of Dagster that was met."""

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring import execute_concurrency_slots_iteration, execute_run_monitoring_iteration

from resources.system.paths import project_dir
from screenalytics_assets import failures
from screenalytics_assets.automation.seasons import declarative
from screenalytics_assets.core.common.errors import ConfigurationError, UnavailableError, VideoError
from screenalytics_assets.definitions import ASSETS, defs
from screenalytics_assets.failures import translate_errors
from screenalytics_assets.partitions import EPISODES, EPISODES_NAME
from screenalytics_assets.run_owner import claim_run, executed_by, owned_run, release_dead_runs
from screenalytics_assets.services.dagster_instance.instance import prepare_home


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance with the project's own dagster.yaml."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    prepare_home()
    with dg.DagsterInstance.get() as instance:
        yield instance


def attempts(error: Exception, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often a step runs that always fails with this error."""
    monkeypatch.setattr(failures, "RETRY_DELAY_S", 0.0)
    made = []

    @dg.asset
    def fails() -> None:
        made.append(1)
        with translate_errors():
            raise error

    with dg.DagsterInstance.ephemeral() as instance:
        assert not dg.materialize([fails], instance=instance, raise_on_error=False).success
    return len(made)


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("the bucket did not answer"),
        ConnectionResetError(104, "Connection reset by peer"),
        TimeoutError("timed out"),
        OSError(5, "Input/output error"),
        OSError(116, "Stale file handle"),
    ],
)
def test_a_step_with_a_transient_error_is_retried(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempts(error, monkeypatch) == 1 + failures.RETRIES


@pytest.mark.parametrize(
    "error",
    [
        VideoError("the video ends early"),
        ConfigurationError("no such key"),
        FileNotFoundError(2, "No such file or directory"),
        PermissionError(13, "Permission denied"),
        OSError(28, "No space left on device"),
        ValueError("a fault of the program"),
    ],
)
def test_a_step_with_a_permanent_error_runs_once(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempts(error, monkeypatch) == 1


def test_a_run_is_not_launched_again_after_a_failed_step(shipped: dg.DagsterInstance) -> None:
    """`run_retries` ignores allow_retries=False, so that only runs whose process died are launched again."""
    assert shipped.run_retries_enabled
    assert shipped.run_retries_max_retries == 1
    assert not shipped.run_retries_retry_on_asset_or_op_failure


def test_every_pool_has_one_slot_and_few_runs_start_at_once(shipped: dg.DagsterInstance) -> None:
    pools = shipped.get_concurrency_config().pool_config
    assert pools.default_pool_limit == 1
    queue = shipped.get_concurrency_config().run_queue_config
    assert queue is not None
    assert queue.max_concurrent_runs == 4
    assert {asset.op.pool for asset in ASSETS} == {None, "gpu"}


def test_killed_and_endless_runs_are_ended_by_run_monitoring(shipped: dg.DagsterInstance) -> None:
    assert shipped.run_monitoring_enabled
    assert shipped.run_monitoring_settings["free_slots_after_run_end_seconds"] > 0
    assert 0 < shipped.run_monitoring_max_runtime_seconds <= 24 * 3600
    assert shipped.run_monitoring_start_timeout_seconds > 0


def test_telemetry_is_off_and_old_ticks_are_purged(shipped: dg.DagsterInstance) -> None:
    assert not shipped.telemetry_enabled
    assert not shipped.nux_enabled
    kept = shipped.get_tick_retention_settings(InstigatorType.SENSOR)
    assert kept[TickStatus.SKIPPED] == 7
    assert kept[TickStatus.SUCCESS] == -1
    assert shipped.get_tick_retention_settings(InstigatorType.SCHEDULE)[TickStatus.SKIPPED] == 90


def test_a_slow_sensor_delays_neither_alerts_nor_schedules(shipped: dg.DagsterInstance) -> None:
    assert shipped.get_sensor_settings()["use_threads"]
    assert shipped.get_scheduler_settings()["use_threads"]


def test_the_shipped_file_names_no_pool_because_dagster_refuses_it() -> None:
    config = yaml.safe_load((project_dir() / "dagster.yaml").read_text())
    assert set(config["concurrency"]["pools"]) <= {"default_limit", "granularity", "op_granularity_run_buffer"}
    assert "run_queue" not in config


def test_the_steps_of_a_run_share_a_process_so_that_models_load_once() -> None:
    assert defs.resolve_job_def("episode_job").executor_def is dg.in_process_executor
    assert defs.resolve_implicit_global_asset_job_def().executor_def is dg.in_process_executor


def started_run(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    """A run with status STARTED that holds the GPU slot."""
    run = dg.DagsterRun(job_name="episode_job", status=dg.DagsterRunStatus.STARTING, tags=tags)
    instance.add_run(run)
    started = DagsterEvent(DagsterEventType.PIPELINE_START.value, run.job_name)
    instance.report_dagster_event(started, run.run_id)
    instance.event_log_storage.initialize_concurrency_limit_to_default("gpu")
    claim = instance.event_log_storage.claim_concurrency_slot("gpu", run.run_id, "detections")
    assert claim.is_claimed
    return run


def slots_in_use(instance: dg.DagsterInstance) -> int:
    return instance.event_log_storage.get_concurrency_info("gpu").active_slot_count


KILLED = """
import os, signal, sys
import dagster as dg
from screenalytics_assets.run_owner import owned_run
with dg.DagsterInstance.get() as instance, owned_run(instance, sys.argv[1]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_whose_process_was_killed_releases_its_slot_at_the_next_start(shipped: dg.DagsterInstance) -> None:
    run = started_run(shipped)
    subprocess.run([sys.executable, "-c", KILLED, run.run_id], cwd=project_dir(), check=False)
    assert slots_in_use(shipped) == 1
    assert release_dead_runs(shipped) == [run.run_id]
    assert slots_in_use(shipped) == 0
    found = shipped.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.FAILURE
    assert release_dead_runs(shipped) == []


def test_a_run_that_is_alive_or_of_another_home_is_left_alone(shipped: dg.DagsterInstance) -> None:
    run = started_run(shipped)
    assert release_dead_runs(shipped) == []
    with owned_run(shipped, run.run_id):
        assert release_dead_runs(shipped) == []
    assert slots_in_use(shipped) == 1


def test_what_a_finished_run_held_is_removed(shipped: dg.DagsterInstance) -> None:
    run = started_run(shipped)
    shipped.report_run_failed(run)
    subprocess.run([sys.executable, "-c", KILLED, run.run_id], cwd=project_dir(), check=False)
    held = Path(shipped.root_directory) / "running" / f"{run.run_id}.held"
    assert held.exists()
    assert release_dead_runs(shipped) == []
    assert not held.exists()


def test_the_process_of_a_run_that_dagster_started_holds_it(shipped: dg.DagsterInstance) -> None:
    @dg.asset
    def claims(context: dg.AssetExecutionContext) -> None:
        claim_run(context)

    result = dg.materialize([claims], instance=shipped)
    assert executed_by(shipped, result.run_id) == f"process {os.getpid()} of {socket.gethostname()}"


def test_a_run_past_its_time_is_ended_and_its_slot_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = yaml.safe_load((project_dir() / "dagster.yaml").read_text())
    config["run_monitoring"]["free_slots_after_run_end_seconds"] = 1
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    logger = logging.getLogger("monitoring")
    with (
        dg.DagsterInstance.get() as instance,
        create_test_daemon_workspace_context(EmptyWorkspaceTarget(), instance) as workspace,
    ):
        late = started_run(instance, **{"dagster/max_runtime": "0.001"})
        time.sleep(0.01)
        assert list(execute_run_monitoring_iteration(workspace, logger)) == [None]
        found = instance.get_run_by_id(late.run_id)
        assert found is not None
        assert found.status is dg.DagsterRunStatus.FAILURE
        assert slots_in_use(instance) == 1
        time.sleep(1.1)
        list(execute_concurrency_slots_iteration(workspace, logger))
        assert slots_in_use(instance) == 0
        in_time = started_run(instance)
        list(execute_run_monitoring_iteration(workspace, logger))
        found = instance.get_run_by_id(in_time.run_id)
        assert found is not None
        assert found.status is dg.DagsterRunStatus.STARTED


def test_declarative_automation_is_off_by_default() -> None:
    sensor = defs.get_repository_def().get_sensor_def(declarative.SENSOR)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    graph = defs.resolve_asset_graph()
    keys = {key for key in graph.get_all_asset_keys() if graph.get(key).partitions_def == EPISODES}
    assert sensor.asset_selection is not None
    assert sensor.asset_selection.resolve(defs.resolve_asset_graph()) == keys
    automatic = [s.name for s in defs.get_repository_def().sensor_defs if "automation" in s.sensor_type.value.lower()]
    assert automatic in ([], [declarative.SENSOR])


def test_declarative_automation_requests_missing_assets_of_a_new_episode_once() -> None:
    everything = dg.AssetSelection.assets(*ASSETS)
    with dg.DagsterInstance.ephemeral() as instance:
        before = dg.evaluate_automation_conditions(defs, instance, everything)
        instance.add_dynamic_partitions(EPISODES_NAME, ["demo-s01e01"])
        seen = dg.evaluate_automation_conditions(defs, instance, everything, cursor=before.cursor)
        video = dg.AssetKey("episode_video")
        assert seen.get_requested_partitions(video) == {"demo-s01e01"}
        again = dg.evaluate_automation_conditions(defs, instance, everything, cursor=seen.cursor)
        assert again.total_requested == 0
