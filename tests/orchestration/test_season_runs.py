"""Seasons on a real instance, with published artifacts of a few bytes."""

import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus

from resources.artifact_store import ArtifactStoreResource
from resources.progress import ProgressResource
from resources.settings import SettingsResource
from resources.storage.store import ArtifactStore
from resources.videos import VideoLibraryResource
from screenalytics_assets.automation.seasons.season_config import Season, What
from screenalytics_assets.automation.seasons.season_runs import (
    LAUNCH_TAG,
    SEASON_TAG,
    build_season_schedule,
    plan_launch,
    read_season,
    season_schedules,
)
from screenalytics_assets.automation.seasons.season_state import EpisodeState
from screenalytics_assets.automation.unfinished_runs import RETRY_DELAY, unfinished_runs
from screenalytics_assets.definitions import build_definitions, defs
from screenalytics_assets.partitions import PARTITION_TAG
from screenalytics_assets.services.running.runs import JOB, asset_names
from tests.synthetic_episodes import (
    ASSETS,
    GRAPH,
    publish,
    publish_episode,
    register,
    report_checks,
    request_backfill,
    write_video,
)

LISTED = {
    "show": "demo",
    "season": 1,
    "cron": "0 2 * * *",
    "run": ["missing", "stale"],
    "profile": "fast_cpu",
    "overrides": {"min_shot_s": 0.15},
}
SEASON = Season.model_validate(LISTED)
SETTINGS = SettingsResource(profile=SEASON.profile, overrides=dict(SEASON.overrides))
TICK = datetime.datetime(2026, 11, 21, 2, 0, tzinfo=datetime.UTC)
TOMORROW = TICK + datetime.timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    return ArtifactStoreResource().store()


@pytest.fixture(autouse=True)
def config(configured: Callable[..., Path]) -> Path:
    """The configuration of these tests, in which the season is listed."""
    return configured(seasons={"seasons": [LISTED]})


@pytest.fixture
def instance(store: ArtifactStore, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    assert store
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def states(instance: dg.DagsterInstance, season: Season = SEASON) -> dict[str, EpisodeState]:
    return {state.ep_id: state for state in read_season(instance, GRAPH, season)}


def tick(
    instance: dg.DagsterInstance, season: Season = SEASON, moment: datetime.datetime = TICK
) -> Sequence[dg.RunRequest] | str:
    """The runs that a tick of the schedule requests, or the reason why it requests none."""
    schedule = build_season_schedule(season, str(season.cron), JOB)
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=moment,
        repository_def=defs.get_repository_def(),
        resources={"videos": VideoLibraryResource(), "artifacts": ArtifactStoreResource()},
    ) as context:
        data = schedule.evaluate_tick(context)
    return data.run_requests or str(data.skip_message)


def launch(
    instance: dg.DagsterInstance,
    requests: Sequence[dg.RunRequest] | str,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.NOT_STARTED,
) -> list[dg.DagsterRun]:
    """The runs of a tick, as the scheduler creates them."""
    assert not isinstance(requests, str), requests
    return [
        instance.create_run_for_job(
            defs.resolve_job_def(JOB), run_config=request.run_config, tags=request.tags, status=status
        )
        for request in requests
    ]


def test_every_asset_of_an_episode_is_in_the_table_upstream_first() -> None:
    assert set(ASSETS) == set(asset_names())
    assert ASSETS.index("episode_video") < ASSETS.index("tracks") < ASSETS.index("identities")


def test_what_is_published_and_unchanged_is_ok_and_the_others_are_missing(
    instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    register(instance, "demo-s01e01", "demo-s01e02", "demo-s02e01")
    publish_episode(store, "demo-s01e01", settings=SETTINGS)
    found = states(instance)
    assert list(found) == ["demo-s01e01", "demo-s01e02"]
    assert set(found["demo-s01e01"].assets.values()) == {"ok"}
    assert set(found["demo-s01e02"].assets.values()) == {"missing"}
    assert found["demo-s01e02"].state == "missing"


def test_a_partition_key_that_is_not_an_episode_id_is_ignored(
    instance: dg.DagsterInstance,
) -> None:
    register(instance, "demo-s01e01", "demo-s01 e02", "né", "a,b", "x...y")
    assert list(states(instance)) == ["demo-s01e01"]
    assert [request.partition_key for request in tick(instance)] == ["demo-s01e01"]  # type: ignore[union-attr]


def test_a_recorded_materialization_without_files_counts_as_missing(instance: dg.DagsterInstance) -> None:
    register(instance, "demo-s01e01")
    report_checks(instance, "demo-s01e01")
    state = states(instance)["demo-s01e01"]
    assert set(state.assets.values()) == {"missing"}
    assert set(state.checks.values()) == {"not run"}


def test_a_lost_file_is_missing_even_though_its_manifest_is_there(
    instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    register(instance, "demo-s01e01")
    publish_episode(store, "demo-s01e01", settings=SETTINGS)
    (Path(store.location("")) / "manifests/demo-s01e01/tracks.json").unlink()
    found = states(instance)["demo-s01e01"].assets
    assert found["tracks"] == "missing"
    assert found["identities"] == "stale"
    assert found["detections"] == "ok"


def test_what_came_from_another_input_is_stale_and_so_is_what_follows(
    instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    register(instance, "demo-s01e01")
    publish_episode(store, "demo-s01e01", settings=SETTINGS)
    publish(store, "tracks", "demo-s01e01", settings=SETTINGS, content="others")
    found = states(instance)["demo-s01e01"].assets
    assert found["tracks"] == "ok"
    assert found["faces"] == found["identities"] == found["episode_report"] == "stale"


def test_other_code_another_configuration_and_another_video_make_stale(
    instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    for number, asset in enumerate(("detections", "identities", "faces"), 1):
        register(instance, ep_id := f"demo-s01e0{number}")
        publish_episode(store, ep_id, settings=SETTINGS)
        assert states(instance)[ep_id].state == "ok"
        match asset:
            case "detections":
                publish(store, asset, ep_id, settings=SETTINGS, code_version="0")
            case "identities":
                publish(store, asset, ep_id, settings=SETTINGS, config={"cluster_thresh": 0.7})
            case _:
                publish(store, asset, ep_id, settings=SETTINGS, config={"embedder": "of another model"})
        found = states(instance)[ep_id]
        assert found.assets[asset] == found.state == "stale"
    register(instance, "demo-s01e04")
    publish_episode(store, "demo-s01e04", settings=SETTINGS)
    write_video(VideoLibraryResource().find("demo-s01e04"), b"another cut of the episode")
    assert states(instance)["demo-s01e04"].assets["episode_video"] == "stale"


def test_the_configuration_is_that_of_the_season(instance: dg.DagsterInstance, store: ArtifactStore) -> None:
    register(instance, "demo-s01e01")
    publish_episode(store, "demo-s01e01", settings=SETTINGS)
    assert states(instance)["demo-s01e01"].state == "ok"
    found = states(instance, Season(show="demo", season=1, profile="fast_cpu"))["demo-s01e01"].assets
    assert found["episode_video"] == "ok"
    assert found["detections"] == found["identities"] == "stale"


def test_what_a_run_would_compute_again_is_stale(instance: dg.DagsterInstance, store: ArtifactStore) -> None:
    """Each of these is part of a fingerprint and no configuration key that the manifest has by its name."""
    register(instance, "demo-s01e01")
    publish_episode(store, "demo-s01e01", settings=SETTINGS)
    twins = Season(show="demo", season=1, profile="fast_cpu", overrides={**SEASON.overrides, "write_jsonl": False})
    assert "ok" not in set(states(instance, twins)["demo-s01e01"].assets.values())
    store.write("corrections/demo-s01e01.yaml", b"ep_id: demo-s01e01\ncorrections: not a list\n")
    found = states(instance)["demo-s01e01"].assets
    assert {name for name, state in found.items() if state == "stale"} == {
        "corrections",
        "group_clusters",
        "episode_vectors",
        "screen_time",
        "cleanup_report",
        "episode_report",
    }
    store.remove("corrections/demo-s01e01.yaml")
    assert states(instance)["demo-s01e01"].state == "ok"
    with store.staging("facebank", "demo") as staged:
        staged.write_json("facebank.json", {"version": "1" * 64})
        store.publish(staged, fingerprint="", code_version="1", config={}, inputs={}, metrics={})
    assert states(instance)["demo-s01e01"].assets["group_clusters"] == "stale"
    assert states(instance)["demo-s01e01"].assets["recluster"] == "ok"


def test_check_results_are_those_of_the_current_materialization(
    instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    register(instance, "demo-s01e01", "demo-s01e02")
    publish_episode(store, "demo-s01e01", settings=SETTINGS)
    publish_episode(store, "demo-s01e02", settings=SETTINGS)
    failing = {"tracks_integrity": dg.AssetCheckSeverity.ERROR, "faces_integrity": dg.AssetCheckSeverity.WARN}
    report_checks(instance, "demo-s01e01", failing=failing)
    report_checks(instance, "demo-s01e02")
    found = states(instance)
    assert found["demo-s01e01"].checks["tracks_integrity"] == "failed"
    assert found["demo-s01e01"].checks["faces_integrity"] == "warned"
    assert found["demo-s01e01"].checks["detections_integrity"] == "passed"
    assert found["demo-s01e01"].state == "failed"
    assert set(found["demo-s01e02"].checks.values()) == {"passed"}
    instance.report_runless_asset_event(dg.AssetMaterialization("tracks", partition="demo-s01e01"))
    assert states(instance)["demo-s01e01"].checks["tracks_integrity"] == "not run"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (("missing",), ["demo-s01e01"]),
        (("stale",), ["demo-s01e02"]),
        (("failed",), ["demo-s01e03"]),
        (("missing", "failed"), ["demo-s01e01", "demo-s01e03"]),
        (("all",), ["demo-s01e01", "demo-s01e02", "demo-s01e03", "demo-s01e04"]),
    ],
)
def test_a_season_runs_the_episodes_that_were_asked_for(
    what: tuple[What, ...], expected: list[str], instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    register(instance, *(f"demo-s01e0{number}" for number in range(1, 5)))
    for ep_id in ("demo-s01e02", "demo-s01e03", "demo-s01e04"):
        publish_episode(store, ep_id, settings=SETTINGS)
        report_checks(
            instance,
            ep_id,
            failing={"tracks_integrity": dg.AssetCheckSeverity.ERROR} if ep_id == "demo-s01e03" else None,
        )
    publish(store, "faces", "demo-s01e02", settings=SETTINGS, content="others")
    assert plan_launch(instance, GRAPH, SEASON, moment="by_hand", what=what).ep_ids == expected


def test_a_tick_requests_one_run_for_each_episode_with_the_season_in_its_tags(instance: dg.DagsterInstance) -> None:
    register(instance, "demo-s01e02", "demo-s01e01")
    requests = tick(instance)
    assert not isinstance(requests, str)
    assert [request.partition_key for request in requests] == ["demo-s01e01", "demo-s01e02"]
    for request in requests:
        assert request.tags[PARTITION_TAG] == request.partition_key
        assert request.tags[SEASON_TAG] == "demo-s01"
        assert request.tags[LAUNCH_TAG] == "demo_s01_20261121T0200"
        assert request.run_config == {
            "resources": {"settings": {"config": {"profile": "fast_cpu", "overrides": {"min_shot_s": 0.15}}}}
        }
        assert request.asset_selection is None
    assert set(asset_names()) == {
        key.to_user_string() for key in defs.resolve_job_def(JOB).asset_layer.selected_asset_keys
    }


def test_the_same_tick_again_has_the_same_run_keys_which_dagster_launches_once(instance: dg.DagsterInstance) -> None:
    register(instance, "demo-s01e01", "demo-s01e02")
    keys = [[request.run_key for request in tick(instance)] for _ in range(2)]  # type: ignore[union-attr]
    assert keys[0] == keys[1] == ["demo_s01_20261121T0200 demo-s01e01", "demo_s01_20261121T0200 demo-s01e02"]
    other = [request.run_key for request in tick(instance, moment=TOMORROW)]  # type: ignore[union-attr]
    assert not set(other) & set(keys[0])


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_an_episode_with_an_unfinished_run_is_not_launched_again(
    status: dg.DagsterRunStatus, instance: dg.DagsterInstance
) -> None:
    register(instance, "demo-s01e01")
    (run,) = launch(instance, tick(instance), status)
    assert states(instance)["demo-s01e01"].state == "running"
    for moment in (TICK, TOMORROW):
        assert tick(instance, moment=moment) == (
            f"demo-s01: nothing launched, still under way: demo-s01e01 (run {run.run_id})"
        )
    register(instance, "demo-s01e02")
    planned = plan_launch(instance, GRAPH, SEASON, moment="by_hand")
    assert planned.ep_ids == ["demo-s01e02"]
    assert planned.message == (
        f"launched demo_s01_by_hand: runs of 1 episodes of demo-s01; still under way: demo-s01e01 (run {run.run_id})"
    )
    instance.report_run_canceled(run)
    assert plan_launch(instance, GRAPH, SEASON, moment="by_hand").ep_ids == ["demo-s01e01", "demo-s01e02"]


def test_an_episode_in_an_unfinished_backfill_of_the_ui_is_not_launched(instance: dg.DagsterInstance) -> None:
    register(instance, "demo-s01e01", "demo-s01e02")
    backfill = request_backfill(instance, "fromtheui", ["demo-s01e01"])
    assert plan_launch(instance, GRAPH, SEASON, moment="by_hand").ep_ids == ["demo-s01e02"]
    instance.update_backfill(backfill._replace(status=BulkActionStatus.COMPLETED_SUCCESS))
    assert plan_launch(instance, GRAPH, SEASON, moment="by_hand").ep_ids == ["demo-s01e01", "demo-s01e02"]


def test_an_episode_whose_run_died_is_not_launched_while_dagster_is_about_to_retry_it(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(instance, "demo-s01e01")
    (run,) = launch(instance, tick(instance), dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run)
    instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    # A run without a code location, such as one of `screenalytics run`, is not retried.
    assert unfinished_runs(instance, ["demo-s01e01"]) == {}
    monkeypatch.setattr(dg.DagsterRun, "remote_job_origin", "a code location")
    assert list(unfinished_runs(instance, ["demo-s01e01"])) == ["demo-s01e01"]
    assert "which is about to be retried" in str(tick(instance))
    with monkeypatch.context() as patch:
        patch.setattr("screenalytics_assets.automation.unfinished_runs.RETRY_DELAY", -RETRY_DELAY)
        assert unfinished_runs(instance, ["demo-s01e01"]) == {}
    instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "another run"})
    assert unfinished_runs(instance, ["demo-s01e01"]) == {}


def test_a_season_with_nothing_to_do_launches_nothing(instance: dg.DagsterInstance, store: ArtifactStore) -> None:
    assert tick(instance) == "demo-s01: none of 0 episodes is missing or stale"
    register(instance, "demo-s01e01")
    publish_episode(store, "demo-s01e01", settings=SETTINGS)
    assert tick(instance) == "demo-s01: none of 1 episodes is missing or stale"


def test_the_hour_that_repeats_when_the_clock_is_put_back_is_launched_both_times(
    instance: dg.DagsterInstance, configured: Callable[..., Path]
) -> None:
    register(instance, "demo-s01e01")
    listed = LISTED | {"cron": "30 * * * *", "timezone": "America/Los_Angeles"}
    configured(seasons={"seasons": [listed]})
    zone = ZoneInfo("America/Los_Angeles")
    first = datetime.datetime(2027, 11, 7, 1, 30, tzinfo=zone)
    second = first.replace(fold=1)
    assert f"{first:%H%M}" == f"{second:%H%M}"
    keys = [tick(instance, Season.model_validate(listed), moment)[0].run_key for moment in (first, second)]  # type: ignore[union-attr]
    assert keys == ["demo_s01_20271107T0830 demo-s01e01", "demo_s01_20271107T0930 demo-s01e01"]


def test_an_edit_of_the_file_counts_at_the_next_tick_without_a_reload(
    instance: dg.DagsterInstance, configured: Callable[..., Path]
) -> None:
    register(instance, "demo-s01e01")
    configured(seasons={"seasons": [LISTED | {"profile": "balanced", "overrides": {}, "run": "failed"}]})
    assert tick(instance) == "demo-s01: none of 1 episodes is failed"
    configured(seasons={"seasons": [LISTED | {"profile": "balanced", "overrides": {}, "run": "all"}]})
    requests = tick(instance)
    assert not isinstance(requests, str), requests
    assert [request.run_config for request in requests] == [
        {"resources": {"settings": {"config": {"profile": "balanced"}}}}
    ]
    for other in ({"cron": "0 4 * * *"}, {"cron": None}, {"timezone": "Europe/Berlin"}, {"season": 2}):
        configured(seasons={"seasons": [LISTED | other]})
        assert tick(instance) == "demo-s01: seasons.yaml has another time for it now, or none"


@pytest.mark.parametrize("mistake", [{"crom": "0 2 * * *"}, {"profile": "quick"}, {"run": "some"}])
def test_a_mistake_in_one_season_leaves_the_others_running(
    mistake: dict[str, str], instance: dg.DagsterInstance, configured: Callable[..., Path]
) -> None:
    register(instance, "demo-s01e01")
    configured(seasons={"seasons": [LISTED, LISTED | {"season": 2} | mistake]})
    assert [schedule.name for schedule in season_schedules(JOB)] == ["season_demo_s01"]
    assert [request.partition_key for request in tick(instance)] == ["demo-s01e01"]  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["seasons: [", "- a list", "seasons: 5", "saisons: []"])
def test_a_file_that_cannot_be_used_is_reported_by_the_tick_and_the_definitions_load(
    text: str, instance: dg.DagsterInstance, config: Path
) -> None:
    register(instance, "demo-s01e01")
    (config / "seasons.yaml").write_text(text)
    assert season_schedules(JOB) == []
    assert "seasons.yaml: " in str(tick(instance))
    assert build_definitions(ProgressResource()).resolve_all_job_defs()


def test_each_season_with_a_cron_expression_has_a_schedule_in_its_time_zone(
    configured: Callable[..., Path],
) -> None:
    nightly = {"show": "demo", "season": 1, "cron": "0 2 * * *", "timezone": "America/Los_Angeles"}
    configured(seasons={"seasons": [nightly, {"show": "demo", "season": 2}]})
    (schedule,) = season_schedules(JOB)
    assert schedule.name == "season_demo_s01"
    assert schedule.cron_schedule == "0 2 * * *"
    assert schedule.execution_timezone == "America/Los_Angeles"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
