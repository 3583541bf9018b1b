"""Seasons on a schedule: the real UI, its daemon, and files that are dropped into a folder."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import dagster as dg
import pytest
import yaml
from playwright.sync_api import expect

from resources.artifact_store import ArtifactStoreResource
from resources.models.packs import ModelPack
from resources.system.files import sha256_of_file
from resources.system.paths import project_dir
from resources.videos import VideoLibraryResource
from screenalytics_assets.automation.seasons.season_config import season_named
from screenalytics_assets.automation.seasons.season_runs import LAUNCH_TAG, SEASON_TAG, read_season
from screenalytics_assets.automation.seasons.season_state import EpisodeState
from screenalytics_assets.definitions import ASSETS
from screenalytics_assets.partitions import EPISODES_NAME, PARTITION_TAG
from screenalytics_assets.run_owner import executed_by
from screenalytics_assets.services.demo import render_demo_episode
from screenalytics_assets.services.running.runs import run_episode
from screenalytics_assets.services.running.season_launch import runs_url
from tests.e2e.conftest import Ui, serve
from tests.object_store import TIMED
from tests.synthetic_episodes import GRAPH

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium: apt-get install chromium"),
]

SEASON = "demo-s01"
COMPLETE = "demo-s02e01"
"""Of another season, which nothing runs."""
FIRST, SECOND = "demo-s01e01", "demo-s01e02"
"""Of the season that is run every minute, once they are registered: both at once, when both are copied."""
BAD_NAME, NO_VIDEO = "Episode 3 (final).mp4", "demo-s01e04.mp4"
PATIENCE_S = 240
GPU_STEPS = {asset.op.name for asset in ASSETS if asset.op.pool == "gpu"}


T = TypeVar("T")


class Night(NamedTuple):
    """What happened until the season was done.

    Attributes:
        launch_id: The launch of the season's schedule that ran its episodes.
        first_message: What the sensor said when it refused two files while two were still being copied.
        known_then: The episodes at that moment.
        killed: The run that was killed.
    """

    launch_id: str
    first_message: str
    known_then: list[str]
    killed: str

    @property
    def tick(self) -> datetime:
        """When the schedule ticked."""
        return datetime.strptime(self.launch_id, "demo_s01_%Y%m%dT%H%M").replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def place(place: Path) -> Path:
    """Also an inbox and a season, and a daemon with short intervals."""
    config = place / "config"
    shutil.copytree(project_dir() / "config", config)
    season = {"show": "demo", "season": 1, "cron": "* * * * *", "profile": "fast_cpu"}
    _write_yaml(config / "seasons.yaml", {"seasons": [season]})
    _write_yaml(config / "inbox.yaml", {"settle_s": 2.0, "interval_s": 5})
    # A few seconds of many faces, on whatever machine: limits for this season, as a user would set them.
    limits = yaml.safe_load((config / "acceptance.yaml").read_text())
    own = {"tracks_per_minute": 200, "singleton_fraction": 1.0, "runtime_per_duration_cpu": 1000}
    limits["seasons"] = {"demo-s01": {metric: {"warn": warn} for metric, warn in own.items()}}
    _write_yaml(config / "acceptance.yaml", limits)
    instance = yaml.safe_load((project_dir() / "dagster.yaml").read_text())
    instance["run_monitoring"] |= {"poll_interval_seconds": 2, "free_slots_after_run_end_seconds": 1}
    (place / "home").mkdir()
    _write_yaml(place / "home" / "dagster.yaml", instance)
    os.environ["SCREENALYTICS_CONFIG_DIR"] = str(config)
    return place


@pytest.fixture(scope="module")
def ui_url(place: Path, instance: dg.DagsterInstance, open_pack: ModelPack) -> Iterator[str]:
    assert instance
    assert open_pack
    with serve(place / "ui.log") as url:
        yield url


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    for seed, (ep_id, duration_s) in enumerate({FIRST: 3.0, SECOND: 10.0}.items()):
        render_demo_episode(folder / f"{ep_id}.mp4", seed=seed, duration_s=duration_s)
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def night(place: Path, instance: dg.DagsterInstance, videos: dict[str, Path], ui_url: str) -> Night:
    """Files are dropped, two of them slowly; the schedule ticks; a run is killed; the season is done."""
    assert ui_url
    inbox = place / "data" / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    shutil.copy(videos[FIRST], inbox / f"{COMPLETE}.mp4")
    shutil.copy(videos[FIRST], inbox / BAD_NAME)
    (inbox / NO_VIDEO).write_text("a shopping list")
    copied = 0

    def first_tick_that_refuses() -> str | None:
        nonlocal copied
        copied += 100
        for ep_id in (FIRST, SECOND):
            (inbox / f"{ep_id}.mp4").write_bytes(videos[ep_id].read_bytes()[:copied])
        return next((message for message in _sensor_messages(instance) if f"refused {BAD_NAME}" in message), None)

    first_message = _until(first_tick_that_refuses)
    known_then = list(instance.get_dynamic_partitions(EPISODES_NAME))
    for ep_id in (FIRST, SECOND):
        shutil.copy(videos[ep_id], place / f"{ep_id}.mp4")
    for ep_id in (FIRST, SECOND):
        (place / f"{ep_id}.mp4").replace(inbox / f"{ep_id}.mp4")
    killed = _kill_in_detection(place, instance, SECOND)
    _until(lambda: all(state.state == "ok" for state in _season(instance).values()))
    killed_run = instance.get_run_by_id(killed)
    assert killed_run is not None
    return Night(killed_run.tags[LAUNCH_TAG], first_message, known_then, killed)


def test_complete_and_well_named_files_are_episodes_and_the_others_are_refused_with_a_reason(night: Night) -> None:
    assert night.known_then == [COMPLETE]
    assert f"new: {COMPLETE}" in night.first_message
    assert f"refused {BAD_NAME}: 'Episode 3 (final)' is not an episode id" in night.first_message
    assert f"refused {NO_VIDEO}: " in night.first_message
    assert "not a video" in night.first_message
    assert f"waiting until unchanged: {FIRST}.mp4, {SECOND}.mp4" in night.first_message


def test_a_bad_file_is_reported_once_and_never_becomes_an_episode(night: Night, instance: dg.DagsterInstance) -> None:
    assert night
    assert sorted(instance.get_dynamic_partitions(EPISODES_NAME)) == [FIRST, SECOND, COMPLETE]
    assert sum(f"refused {BAD_NAME}" in message for message in _sensor_messages(instance)) == 1


def test_the_schedule_launched_one_run_an_episode_and_later_ticks_launched_none(
    night: Night, instance: dg.DagsterInstance
) -> None:
    assert night
    runs = instance.get_runs(filters=dg.RunsFilter(tags={SEASON_TAG: SEASON}))
    launched = [run for run in runs if run.parent_run_id is None]
    assert sorted(run.tags[PARTITION_TAG] for run in launched) == [FIRST, SECOND]
    for run in runs:
        assert run.run_config == season_named(SEASON).run_config()
        assert run.tags["dagster/schedule_name"] == "season_demo_s01"
    assert {run.status for run in runs if run.run_id != night.killed} == {dg.DagsterRunStatus.SUCCESS}


def test_all_assets_and_checks_of_the_season_are_green(night: Night, instance: dg.DagsterInstance) -> None:
    assert night
    states = _season(instance)
    assert list(states) == [FIRST, SECOND]
    for state in states.values():
        assert set(state.assets.values()) == {"ok"}
        assert set(state.checks.values()) == {"passed"}


def test_the_same_tick_evaluated_again_launches_nothing(
    night: Night, ui_url: str, instance: dg.DagsterInstance
) -> None:
    runs = instance.get_runs(filters=dg.RunsFilter(tags={LAUNCH_TAG: night.launch_id}))
    tick = _evaluate_schedule(ui_url, "season_demo_s01", night.tick)
    assert tick["evaluationResult"]["skipReason"] == "demo-s01: none of 2 episodes is missing or stale"
    assert len(instance.get_runs(filters=dg.RunsFilter(tags={LAUNCH_TAG: night.launch_id}))) == len(runs)


def test_two_runs_never_held_the_gpu_slot_together(night: Night, instance: dg.DagsterInstance) -> None:
    assert night
    held = sorted(span for run in instance.get_runs() for span in _gpu_spans(instance, run.run_id))
    assert len({run_id for _, _, run_id in held}) >= 2
    for (_, end, _), (start, _, _) in pairwise(held):
        assert end <= start
    assert instance.event_log_storage.get_concurrency_info("gpu").active_slot_count == 0


def test_the_killed_run_was_retried_and_gave_the_same_bytes_as_an_undisturbed_one(
    night: Night, place: Path, instance: dg.DagsterInstance, videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = instance.get_run_by_id(night.killed)
    assert killed is not None
    assert killed.status is dg.DagsterRunStatus.FAILURE
    (retry,) = [run for run in instance.get_runs() if run.parent_run_id == killed.run_id]
    assert retry.status is dg.DagsterRunStatus.SUCCESS
    after_kill = _artifacts(place / "data", SECOND)

    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(place / "undisturbed"))
    VideoLibraryResource().add(SECOND, videos[SECOND], replace=False)
    assert run_episode(instance, SECOND, profile="fast_cpu").success
    assert after_kill == _artifacts(place / "undisturbed", SECOND)
    assert any(path.endswith("face_crops.parquet") for path in after_kill)


def test_the_ui_shows_the_runs_of_a_launch_the_schedule_and_the_message_of_the_sensor(night: Night, ui: Ui) -> None:
    ui.page.goto(runs_url(night.launch_id).removeprefix("http://127.0.0.1:3000"))
    expect(ui.page.get_by_text(night.killed[:8]).first).to_be_visible()
    expect(ui.page.get_by_text("Success").first).to_be_visible()
    ui.screenshot("season_runs")
    ui.page.goto("/locations/screenalytics/schedules/season_demo_s01")
    # The tick after the one that launched the season, up to a minute later.
    expect(ui.page.get_by_text("0 runs requested").first).to_be_visible(timeout=90_000)
    ui.screenshot("season_schedule")
    ui.page.goto("/locations/screenalytics/sensors/new_episodes")
    expect(ui.page.get_by_text("0 runs requested").first).to_be_visible()
    ui.screenshot("inbox_sensor")
    ui.page.goto("/assets/identities?view=partitions")
    expect(ui.page.get_by_text(FIRST).first).to_be_visible()
    ui.screenshot("season_partitions")


def _write_yaml(path: Path, values: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def _until(look: Callable[[], T | None]) -> T:
    deadline_s = time.monotonic() + PATIENCE_S
    while not (seen := look()):
        assert time.monotonic() < deadline_s, f"waited for {PATIENCE_S} s"
        time.sleep(0.05)
    return seen


def _sensor_messages(instance: dg.DagsterInstance) -> list[str]:
    sensors = [state for state in instance.all_instigator_state() if state.instigator_name == "new_episodes"]
    ticks = [tick for s in sensors for tick in instance.get_ticks(s.instigator_origin_id, s.selector_id, limit=100)]
    return [tick.skip_reason for tick in ticks if tick.skip_reason]


def _kill_in_detection(place: Path, instance: dg.DagsterInstance, ep_id: str) -> str:
    """Kill the process that is in the middle of detecting the faces of an episode; returns its run."""
    staged = place / "data" / ".staging" / ep_id

    def pid_of_run_that_detects() -> tuple[str, str] | None:
        if not list(staged.glob("face_crops.*/frames/*/face_crops.parquet")):
            return None
        runs = instance.get_runs(filters=dg.RunsFilter(tags={PARTITION_TAG: ep_id}))
        running = [run.run_id for run in runs if run.status is dg.DagsterRunStatus.STARTED]
        # "process 123 of host"
        return (running[0], executed_by(instance, running[0]).split()[1]) if running else None

    run_id, pid = _until(pid_of_run_that_detects)
    os.kill(int(pid), signal.SIGKILL)
    assert ArtifactStoreResource().store().manifest("detections", ep_id) is None
    return run_id


def _season(instance: dg.DagsterInstance) -> dict[str, EpisodeState]:
    return {state.ep_id: state for state in read_season(instance, GRAPH, season_named(SEASON))}


def _gpu_spans(instance: dg.DagsterInstance, run_id: str) -> Iterator[tuple[float, float, str]]:
    """From start to end of each step that holds the slot; a killed one ends with its run."""
    logs = instance.all_logs(run_id)
    for step in {log.step_key for log in logs if log.step_key in GPU_STEPS}:
        times = {log.dagster_event_type: log.timestamp for log in logs if log.step_key == step}
        ended = (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE)
        if dg.DagsterEventType.STEP_START in times:
            run_failed = [log.timestamp for log in logs if log.dagster_event_type == dg.DagsterEventType.RUN_FAILURE]
            end = next((times[event] for event in ended if event in times), *run_failed[:1])
            yield times[dg.DagsterEventType.STEP_START], end, run_id


def _artifacts(root: Path, ep_id: str) -> dict[str, str]:
    files = [path for folder in root.glob(f"*/{ep_id}") for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): sha256_of_file(path) for path in files if not path.name.endswith(TIMED)}


def _evaluate_schedule(ui_url: str, name: str, moment: datetime) -> Any:
    """What "Test schedule" does in the UI."""
    query = """mutation($selector: ScheduleSelector!, $at: Float) {
      scheduleDryRun(selectorData: $selector, timestamp: $at) {
        ... on DryRunInstigationTick { evaluationResult { skipReason error { message } } }
        ... on PythonError { message }
      }
    }"""
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "screenalytics",
        "scheduleName": name,
    }
    body = json.dumps({"query": query, "variables": {"selector": selector, "at": moment.timestamp()}})
    with closing(HTTPConnection(ui_url.removeprefix("http://"), timeout=60)) as connection:
        connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())["data"]["scheduleDryRun"]
