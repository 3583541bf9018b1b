"""From runs of a real instance to messages at a real web service; no video, no model."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from screenalytics_assets.automation.alerts.sensor import alert_sensor, ended_runs, notify, tick
from screenalytics_assets.partitions import EPISODES
from screenalytics_assets.services.dagster_instance.instance import open_instance
from screenalytics_assets.services.running.acceptance_runs import run_acceptance_checks
from tests.published import publish_figures
from tests.webhook import Webhook, listening

EP = "show-s01e01"


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    with open_instance() as instance:
        yield instance


class Daemon:
    """Ticks the alert sensor and keeps its cursor."""

    def __init__(self, instance: dg.DagsterInstance, **environment: str) -> None:
        self.instance, self.environment = instance, environment
        self.cursor: int | None = None

    def tick(self) -> list[str]:
        sentences, self.cursor = tick(self.instance, self.cursor, self.environment)
        return list(sentences)


@dg.asset(partitions_def=EPISODES)
def fragile() -> None:
    """Fails while the file `fails` exists."""
    if Path("fails").exists():
        raise dg.Failure("the video cannot be read", allow_retries=False)


def materialize_fragile(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("episodes", [EP])
    dg.materialize([fragile], instance=instance, partition_key=EP, raise_on_error=False)


def check(instance: dg.DagsterInstance, ep_id: str = EP, **figures: float) -> None:
    publish_figures(ep_id, **figures)  # type: ignore[arg-type]
    run_acceptance_checks(instance, ep_id, {})


def alerts(tmp_path: Path) -> list[str]:
    return [json.loads(line)["title"] for line in (tmp_path / "data" / "alerts.jsonl").read_text().splitlines()]


def test_a_breach_arrives_once_at_every_sink_and_so_does_its_end(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    webhook = Webhook()
    with listening(webhook) as port:
        daemon = Daemon(
            instance, SCREENALYTICS_ALERT_URLS=f"json://127.0.0.1:{port}", SCREENALYTICS_UI_URL="https://ui.example/"
        )
        check(instance, tracks_per_minute=70.0, clusters=2)
        daemon.tick()
        check(instance, tracks_per_minute=70.0, clusters=2)
        daemon.tick()
        daemon.tick()
        assert webhook.titles == [f"{EP}: 2 warned"]
        check(instance, tracks_per_minute=25.0, clusters=2)
        daemon.tick()
    assert webhook.titles == [f"{EP}: 2 warned", f"{EP}: 1 back in range"] == alerts(tmp_path)
    body = webhook.arrived[0]["message"]
    assert "tracks_per_minute is 70, the limit for a warning is at most 50 (target at most 30)" in body
    assert "docs/ops/troubleshooting_faces_pipeline.md#many-tracks" in body
    assert "https://ui.example/assets/track_metrics?view=checks&checkDetail=tracks_per_minute" in body
    assert f"https://ui.example/runs/{instance.get_runs()[-1].run_id}" in body
    assert (webhook.arrived[0]["type"], webhook.arrived[1]["type"]) == ("warning", "success")


def test_what_the_webhook_missed_arrives_when_it_is_back_and_the_file_does_not_wait_for_it(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    webhook = Webhook()
    with listening(webhook) as port:
        daemon = Daemon(instance, SCREENALYTICS_ALERT_URLS=f"json://127.0.0.1:{port}")
        webhook.status = 503
        check(instance, tracks_per_minute=70.0)
        sentences = daemon.tick()
        assert any("1 waiting" in line for line in sentences), sentences
        assert (webhook.titles, alerts(tmp_path)) == ([], [f"{EP}: 1 warned"])
        webhook.status = 200
        daemon.tick()
        assert webhook.titles == alerts(tmp_path) == [f"{EP}: 1 warned"]


def test_a_daemon_that_died_before_it_saved_its_cursor_reports_everything_once(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    daemon = Daemon(instance)
    check(instance, tracks_per_minute=70.0)
    check(instance, tracks_per_minute=25.0)
    daemon.tick()
    check(instance, "show-s01e02", clusters=1)
    restarted = Daemon(instance)
    restarted.tick()
    assert alerts(tmp_path) == [f"{EP}: 1 warned", f"{EP}: 1 back in range", "show-s01e02: 1 warned"]


def test_a_failed_run_is_reported_with_its_reason_and_so_is_the_recovery(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    daemon = Daemon(instance)
    (tmp_path / "fails").touch()
    materialize_fragile(instance)
    materialize_fragile(instance)
    daemon.tick()
    (tmp_path / "fails").unlink()
    materialize_fragile(instance)
    daemon.tick()
    assert alerts(tmp_path) == [f"{EP}: 1 failed", f"{EP}: 1 back in range"]
    first = json.loads((tmp_path / "data" / "alerts.jsonl").read_text().splitlines()[0])
    assert first["level"] == "failure"
    assert [(entry["subject"], entry["message"]) for entry in first["findings"]] == [
        ("step fragile", "the video cannot be read")
    ]


def test_a_run_whose_process_died_is_reported(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run = instance.create_run_for_job(
        dg.Definitions(assets=[fragile]).resolve_implicit_global_asset_job_def(),
        tags={"dagster/partition": EP},
        status=dg.DagsterRunStatus.STARTED,
    )
    instance.report_run_failed(run, message="the process that executed this run is gone")
    Daemon(instance).tick()
    assert alerts(tmp_path) == [f"{EP}: 1 failed"]
    assert "the process that executed this run is gone" in (tmp_path / "data" / "alerts.jsonl").read_text()


def test_a_run_whose_process_died_after_a_check_warned_is_reported_with_both(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    @dg.asset_check(asset=fragile, blocking=True)
    def whole() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)

    @dg.asset(partitions_def=EPISODES, deps=[fragile])
    def killed(context: dg.AssetExecutionContext) -> None:
        context.instance.report_run_failed(context.run, message="the process that executed this run is gone")
        Daemon(context.instance).tick()

    instance.add_dynamic_partitions("episodes", [EP])
    dg.materialize([fragile, whole, killed], instance=instance, partition_key=EP)
    (line,) = (tmp_path / "data" / "alerts.jsonl").read_text().splitlines()
    assert {entry["subject"] for entry in json.loads(line)["findings"]} == {"run", "fragile/whole"}


def test_a_blocking_check_that_fails_its_run_is_reported_as_the_check_alone(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    @dg.asset_check(asset=fragile, blocking=True)
    def whole() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description="3 rows are missing")

    instance.add_dynamic_partitions("episodes", [EP])
    dg.materialize([fragile, whole], instance=instance, partition_key=EP, raise_on_error=False)
    Daemon(instance).tick()
    (line,) = (tmp_path / "data" / "alerts.jsonl").read_text().splitlines()
    assert [entry["subject"] for entry in json.loads(line)["findings"]] == ["fragile/whole"]
    assert "3 rows are missing" in line


def test_notify_reports_a_key_once(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    assert notify("inbox:x.mp4:1", "x.mp4 is no video", "found text, expected a video; remove it")
    assert not notify("inbox:x.mp4:1", "x.mp4 is no video", "again")
    Daemon(instance).tick()
    assert alerts(tmp_path) == ["x.mp4 is no video"]


@pytest.mark.parametrize("runs_a_tick", [2, 50])
def test_runs_are_read_in_the_order_in_which_they_ended_however_many_there_are(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, runs_a_tick: int
) -> None:
    monkeypatch.setattr("screenalytics_assets.automation.alerts.sensor._RUNS_A_TICK", runs_a_tick)
    job = dg.Definitions(assets=[fragile]).resolve_implicit_global_asset_job_def()
    ended = []
    for fails in (True, True, True, False, False, True, False):
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        if fails:
            instance.report_run_failed(run)
        else:
            instance.report_run_canceled(run)
        ended.append(run.run_id)
    read: list[str] = []
    cursor: int | None = None
    for _ in range(6):
        runs, cursor = ended_runs(instance, cursor, now=time.time())
        read += runs
    assert read == ended


def test_runs_that_ended_more_than_a_day_before_the_first_tick_are_never_read(instance: dg.DagsterInstance) -> None:
    check(instance, tracks_per_minute=70.0)
    assert len(ended_runs(instance, None, now=time.time())[0]) == 1
    two_days_later = time.time() + 2 * 86_400
    runs, cursor = ended_runs(instance, None, now=two_days_later)
    assert runs == []
    assert ended_runs(instance, cursor, now=two_days_later)[0] == []


def test_a_run_that_was_taken_for_dead_and_then_succeeds_is_reported_as_over(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    daemon = Daemon(instance)

    @dg.asset(partitions_def=EPISODES)
    def slow(context: dg.AssetExecutionContext) -> None:
        context.instance.report_run_failed(context.run, message="it did not answer")
        daemon.tick()

    instance.add_dynamic_partitions("episodes", [EP])
    dg.materialize([slow], instance=instance, partition_key=EP)
    daemon.tick()
    assert alerts(tmp_path) == [f"{EP}: 1 failed", f"{EP}: 1 back in range"]


def test_the_sensor_runs_by_default_and_says_what_it_did(instance: dg.DagsterInstance) -> None:
    assert alert_sensor.default_status == dg.DefaultSensorStatus.RUNNING
    check(instance, tracks_per_minute=70.0)
    with dg.build_sensor_context(instance=instance) as context:
        skipped = alert_sensor(context)
        assert isinstance(skipped, dg.SkipReason)
        assert skipped.skip_message == f"{EP}: 1 warned; alerts.jsonl: 1 sent"
        assert context.cursor is not None
        again = alert_sensor(context)
        assert isinstance(again, dg.SkipReason)
        assert again.skip_message == "nothing new"
