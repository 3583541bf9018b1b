"""The inbox sensor on a real instance, tick by tick."""

import errno
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.sensor import execute_sensor_iteration

from resources.artifact_store import ArtifactStoreResource
from resources.system.paths import project_dir
from resources.videos import VideoLibraryResource
from screenalytics_assets.assets.detect.episode_video import record_video
from screenalytics_assets.automation.inbox import new_episodes
from screenalytics_assets.automation.inbox.new_episodes import build_new_episode_sensor
from screenalytics_assets.automation.retention.tombstones import Retirement, write_tombstone
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.evaluation.truth import TruthDocument
from screenalytics_assets.definitions import defs
from screenalytics_assets.partitions import EPISODES_NAME
from screenalytics_assets.services.dagster_instance.instance import open_instance
from screenalytics_assets.services.running.runs import JOB, run_episode

SETTLE_S = 60.0


class Ticks:
    """Evaluates the sensor as the daemon does, with a clock that is moved by hand."""

    def __init__(self, instance: dg.DagsterInstance, config: Path) -> None:
        self.instance = instance
        self.config = config
        self.now_s = 1_000_000.0
        self.cursor: str | None = None
        self.refused: list[tuple[str, str]] = []
        self.sensor = build_new_episode_sensor(JOB, lambda name, reason: self.refused.append((name, reason)))

    def tick(self, wait_s: float = SETTLE_S) -> Any:
        self.now_s += wait_s
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            repository_def=defs.get_repository_def(),
            resources={"videos": VideoLibraryResource(), "artifacts": ArtifactStoreResource()},
        ) as context:
            data = self.sensor.evaluate_tick(context)
        for request in data.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        for event in data.asset_events:
            self.instance.report_runless_asset_event(event)
        self.cursor = data.cursor
        return data

    def message(self, wait_s: float = SETTLE_S) -> str:
        return str(self.tick(wait_s).skip_message)

    def episodes(self) -> set[str]:
        return set(self.instance.get_dynamic_partitions(EPISODES_NAME))


@pytest.fixture
def ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: Callable[..., Path]) -> Iterator[Ticks]:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    with dg.DagsterInstance.ephemeral() as instance:
        ticks = Ticks(instance, configured(inbox={"settle_s": SETTLE_S}))
        clock = SimpleNamespace(time=lambda: ticks.now_s, monotonic=time.monotonic)
        monkeypatch.setattr(new_episodes, "time", clock)
        yield ticks


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "inbox"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def video(demo_episode: tuple[Path, TruthDocument]) -> Path:
    return demo_episode[0]


def test_four_files_one_still_copied_one_badly_named_one_no_video(ticks: Ticks, inbox: Path, video: Path) -> None:
    shutil.copy(video, inbox / "demo-s01e01.mp4")
    shutil.copy(video, inbox / "Demo Episode 2.mp4")
    (inbox / "demo-s01e03.mp4").write_text("this is no video, whatever it is called")
    content = video.read_bytes()
    (inbox / "demo-s01e04.mp4").write_bytes(content[: len(content) // 2])
    assert "waiting until unchanged" in ticks.message(0)
    (inbox / "demo-s01e04.mp4").write_bytes(content[:-100])

    message = ticks.message()
    assert "new: demo-s01e01" in message
    assert "waiting until unchanged: demo-s01e04.mp4" in message
    assert ticks.episodes() == {"demo-s01e01"}
    assert {name for name, _ in ticks.refused} == {"Demo Episode 2.mp4", "demo-s01e03.mp4"}
    reasons = dict(ticks.refused)
    assert "not an episode id" in reasons["Demo Episode 2.mp4"]
    assert "not a video" in reasons["demo-s01e03.mp4"] or "no video" in reasons["demo-s01e03.mp4"]

    (inbox / "demo-s01e04.mp4").write_bytes(content)
    assert "nothing new" in ticks.message()
    assert "new: demo-s01e04" in ticks.message()
    assert ticks.episodes() == {"demo-s01e01", "demo-s01e04"}
    assert len(ticks.refused) == 2
    assert ticks.message() == "nothing new; 4 files known"


def test_the_video_is_recorded_as_a_run_of_the_asset_would(
    ticks: Ticks, inbox: Path, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(video, inbox / "demo-s01e01.mp4")
    ticks.tick(0)
    ticks.tick()
    by_sensor = ArtifactStoreResource().store().manifest("episode_video", "demo-s01e01")
    stored = tmp_path / "data/videos/demo-s01e01/episode.mp4"
    assert stored.read_bytes() == (inbox / "demo-s01e01.mp4").read_bytes()
    assert not stored.samefile(inbox / "demo-s01e01.mp4")
    record = ticks.instance.get_latest_materialization_event(dg.AssetKey("episode_video"))
    assert record is not None
    assert record.asset_materialization is not None
    assert by_sensor is not None
    assert (record.asset_materialization.tags or {})["dagster/data_version"] == by_sensor.content_digest
    assert record.asset_materialization.partition == "demo-s01e01"

    outcome = run_episode(ticks.instance, "demo-s01e01", select=["episode_video"])
    assert outcome.reused == ["episode_video"]

    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "other"))
    VideoLibraryResource().add("demo-s01e01", video, replace=False)
    assert run_episode(ticks.instance, "demo-s01e01", select=["episode_video"]).success
    by_run = ArtifactStoreResource().store().manifest("episode_video", "demo-s01e01")
    assert by_run is not None
    assert by_run.model_copy(update={"metrics": {}}) == by_sensor.model_copy(update={"metrics": {}})


def test_an_id_that_has_another_video_is_refused_and_keeps_its_own(
    ticks: Ticks, inbox: Path, video: Path, tmp_path: Path
) -> None:
    shutil.copy(video, inbox / "demo-s01e01.mp4")
    ticks.tick(0)
    ticks.tick()
    before = ArtifactStoreResource().store().manifest("episode_video", "demo-s01e01")
    other = inbox / "again"
    other.mkdir()
    shutil.copy(video, other / "demo-s01e01.mp4")
    with (other / "demo-s01e01.mp4").open("ab") as stream:
        stream.write(b"\0" * 16)
    ticks.tick(0)
    assert "refused again/demo-s01e01.mp4: demo-s01e01 already has the video" in ticks.message()
    assert ArtifactStoreResource().store().manifest("episode_video", "demo-s01e01") == before
    assert (tmp_path / "data/videos/demo-s01e01/episode.mp4").read_bytes() == video.read_bytes()


def test_after_a_lost_cursor_known_files_are_recognised(ticks: Ticks, inbox: Path, video: Path) -> None:
    shutil.copy(video, inbox / "demo-s01e01.mp4")
    ticks.tick(0)
    ticks.tick()
    ticks.cursor = "from another version"
    ticks.tick(0)
    data = ticks.tick()
    assert data.skip_message == "nothing new; 1 files known"
    assert not data.asset_events


def test_no_run_is_launched_unless_autorun_says_so(ticks: Ticks, inbox: Path, video: Path) -> None:
    shutil.copy(video, inbox / "demo-s01e01.mp4")
    ticks.tick(0)
    assert not ticks.tick().run_requests


def test_autorun_runs_the_episode_with_the_profile_and_overrides_of_its_season(
    ticks: Ticks, inbox: Path, video: Path, configured: Callable[..., Path]
) -> None:
    season = {"show": "demo", "season": 1, "profile": "fast_cpu", "overrides": {"frame_stride": 6}}
    configured(inbox={"settle_s": SETTLE_S, "autorun": True}, seasons={"seasons": [season]})
    shutil.copy(video, inbox / "demo-s01e01.mp4")
    shutil.copy(video, inbox / "demo-s02e01.mp4")
    ticks.tick(0)
    requests = {request.partition_key: request for request in ticks.tick().run_requests}
    assert requests["demo-s01e01"].run_config == {
        "resources": {"settings": {"config": {"profile": "fast_cpu", "overrides": {"frame_stride": 6}}}}
    }
    assert requests["demo-s02e01"].run_config == {}


def test_a_tick_that_launches_runs_leaves_refusals_to_a_tick_that_shows_a_message(
    ticks: Ticks, inbox: Path, video: Path, configured: Callable[..., Path]
) -> None:
    configured(inbox={"settle_s": 0, "autorun": True})
    shutil.copy(video, inbox / "demo-s01e01.mp4")
    (inbox / "notes.txt").write_text("not a video")
    assert ticks.tick().run_requests
    assert ticks.refused == []
    assert "refused notes.txt" in ticks.message()
    assert "refused" not in ticks.message()
    assert len(ticks.refused) == 1


def test_the_daemon_registers_records_and_queues_the_run_of_a_new_episode(
    tmp_path: Path, video: Path, configured: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(inbox={"settle_s": 0, "autorun": True})
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    (tmp_path / "data" / "inbox").mkdir(parents=True)
    shutil.copy(video, tmp_path / "data/inbox/demo-s01e01.mp4")
    code = ModuleTarget("screenalytics_assets.definitions", None, str(project_dir()), "screenalytics")
    with open_instance() as instance, create_test_daemon_workspace_context(code, instance) as workspace:
        list(execute_sensor_iteration(workspace, logging.getLogger("sensors"), None, None))
        assert instance.get_dynamic_partitions(EPISODES_NAME) == ["demo-s01e01"]
        assert instance.get_materialized_partitions(dg.AssetKey("episode_video")) == {"demo-s01e01"}
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.QUEUED
        assert run.job_name == JOB
        assert run.tags["dagster/partition"] == "demo-s01e01"


def test_a_run_key_depends_on_the_content_and_on_retirements(
    ticks: Ticks, inbox: Path, video: Path, configured: Callable[..., Path]
) -> None:
    configured(inbox={"settle_s": 0, "autorun": True})

    def run_key() -> str:
        ticks.cursor = None
        ticks.instance.delete_dynamic_partition(EPISODES_NAME, "demo-s01e01")
        (request,) = ticks.tick().run_requests
        return str(request.run_key)

    shutil.copy(video, inbox / "demo-s01e01.mp4")
    first = run_key()
    assert run_key() == first
    write_tombstone(
        ArtifactStoreResource().store(), "demo-s01e01", Retirement(at="2026-11-21T02:00:00+00:00", removed={})
    )
    assert run_key() != first


def test_a_tick_takes_at_least_one_file_and_leaves_the_rest_when_its_time_is_over(
    ticks: Ticks, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_episodes, "TICK_BUDGET_S", -1.0)
    for number in range(3):
        (inbox / f"not an episode {number}.mp4").write_text("no video")
    ticks.tick(0)
    for refused in (1, 2, 3, 3):
        ticks.tick()
        assert len(ticks.refused) == refused


def test_an_error_of_the_file_system_postpones_its_file_and_not_the_others(
    ticks: Ticks, inbox: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(video, inbox / "demo-s01e01.mp4")
    shutil.copy(video, inbox / "demo-s01e02.mp4")
    add = VideoLibraryResource.add

    def fails_once(self: VideoLibraryResource, ep_id: str, source: Path, *, replace: bool) -> str:
        if ep_id == "demo-s01e01" and not failures:
            failures.append(ep_id)
            raise OSError(5, "Input/output error")
        return add(self, ep_id, source, replace=replace)

    failures: list[str] = []
    monkeypatch.setattr(VideoLibraryResource, "add", fails_once)
    ticks.tick(0)
    message = ticks.message()
    assert "new: demo-s01e02" in message
    assert "trying demo-s01e01.mp4 again: demo-s01e01.mp4: the disk or network drive reports an error" in message
    assert ticks.refused == []
    assert "new: demo-s01e01" in ticks.message()


@pytest.mark.parametrize("where", ["while it is copied", "while it is published", "in the configuration"])
def test_what_is_not_the_fault_of_a_file_does_not_drop_it(
    where: str, ticks: Ticks, inbox: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    shutil.copy(video, inbox / "demo-s01e01.mp4")
    expected = "the disk is full"
    with monkeypatch.context() as broken:
        if where == "while it is copied":
            broken.setattr("resources.storage.videos.copy_content", full)
        elif where == "while it is published":
            broken.setattr("screenalytics_assets.assets.detect.episode_video._publish", full)
        else:
            broken.setenv("SCREENALYTICS_FRAME_STRIDE", "0")
            expected = "frame_stride = 0 is not allowed"
        ticks.tick(0)
        message = ticks.message()
    assert "trying demo-s01e01.mp4 again" in message
    assert expected in message
    assert ticks.refused == []
    assert "new: demo-s01e01" in ticks.message()


def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_being_taken(
    ticks: Ticks, inbox: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(video, inbox / "demo-s01e09.mp4")
    (inbox / "demo-s01e01.mp4").symlink_to("demo-s01e01.mp4")
    os.mkfifo(inbox / "demo-s01e02.mp4")
    Path(os.fsdecode(os.fsencode(inbox) + b"/caf\xe9.mp4")).write_bytes(b"no video")
    folder = Path(os.fsdecode(os.fsencode(inbox) + b"/saison\xff"))
    folder.mkdir()
    (folder / "demo-s01e03.mp4").write_bytes(b"no video")
    shutil.copy(video, inbox / "demo-s01e04.mp4")

    def record(ep_id: str, *arguments: Any, **options: Any) -> Any:
        if ep_id == "demo-s01e04":
            raise IndexError("tuple index out of range")  # as libraries do on some damaged files
        return record_video(ep_id, *arguments, **options)

    monkeypatch.setattr(new_episodes, "record_video", record)
    ticks.tick(0)
    message = ticks.message()
    assert "new: demo-s01e09" in message
    reasons = dict(ticks.refused)
    assert reasons["demo-s01e01.mp4"] == "demo-s01e01.mp4 is a symbolic link that leads back to itself"
    assert reasons["demo-s01e02.mp4"] == "demo-s01e02.mp4 is not a regular file"
    assert "not an episode id" in reasons["caf\\xe9.mp4"]
    assert set(reasons) == {
        "demo-s01e01.mp4",
        "demo-s01e02.mp4",
        "caf\\xe9.mp4",
        "saison\\xff/demo-s01e03.mp4",
        "demo-s01e04.mp4",
    }
    assert "IndexError: tuple index out of range" in reasons["demo-s01e04.mp4"]
    assert ticks.episodes() == {"demo-s01e09"}
    assert "nothing new" in ticks.message()
    assert len(ticks.refused) == 5


def test_a_mistake_in_seasons_yaml_is_reported_and_only_holds_up_what_it_may_concern(
    ticks: Ticks, inbox: Path, video: Path
) -> None:
    listed = "seasons: [{show: demo, season: 1, profile: balanced}, {show: demo, season: 2, crom: x}]"
    (ticks.config / "seasons.yaml").write_text(listed)
    (ticks.config / "inbox.yaml").write_text(f"settle_s: {SETTLE_S}\nautorun: true\n")
    shutil.copy(video, inbox / "demo-s01e01.mp4")
    shutil.copy(video, inbox / "demo-s02e01.mp4")
    ticks.tick(0)
    assert [request.partition_key for request in ticks.tick().run_requests] == ["demo-s01e01"]
    message = ticks.message()
    assert "unknown key 'seasons.1.crom'" in message
    assert "trying demo-s02e01.mp4 again" in message
    (ticks.config / "seasons.yaml").write_text(listed.replace("crom: x", "profile: balanced"))
    assert [request.partition_key for request in ticks.tick().run_requests] == ["demo-s02e01"]
    assert ticks.refused == []


def test_a_mistake_in_inbox_yaml_is_reported_by_the_tick_and_the_sensor_is_there(ticks: Ticks) -> None:
    (ticks.config / "inbox.yaml").write_text("settle: 5")
    assert build_new_episode_sensor(JOB).minimum_interval_seconds == 30
    with pytest.raises(ConfigurationError, match="unknown key 'settle'"):
        ticks.tick()
