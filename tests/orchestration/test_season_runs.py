"""Seasons on a real instance, with published artifacts of a few bytes."""

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus

from resources.artifact_store import ArtifactStoreResource
from resources.storage.store import ArtifactStore
from resources.videos import VideoLibraryResource
from screenalytics_assets.automation.seasons.backfills import backfill_id_of, episode_assets, launch_backfill
from screenalytics_assets.automation.seasons.season_config import Season, What
from screenalytics_assets.automation.seasons.season_runs import build_season_schedule, launch_season, read_season
from screenalytics_assets.automation.seasons.season_state import EpisodeState
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.definitions import defs
from screenalytics_assets.services.runs import JOB, asset_names
from tests.synthetic_episodes import ASSETS, GRAPH, publish, publish_episode, register, report_checks, write_video

SEASON = Season(show="demo", season=1, run=("missing", "stale"), profile="fast_cpu", overrides={"min_shot_s": 0.15})
TICK = datetime.datetime(2026, 11, 21, 2, 0, tzinfo=datetime.UTC)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    return ArtifactStoreResource().store()


@pytest.fixture
def instance(store: ArtifactStore, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    assert store
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def states(instance: dg.DagsterInstance, season: Season = SEASON) -> dict[str, EpisodeState]:
    return {state.ep_id: state for state in read_season(instance, GRAPH, season)}


def tick(instance: dg.DagsterInstance, season: Season = SEASON, moment: datetime.datetime = TICK) -> str:
    schedule = build_season_schedule(season, "0 2 * * *", JOB)
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=moment,
        repository_def=defs.get_repository_def(),
        resources={"videos": VideoLibraryResource(), "artifacts": ArtifactStoreResource()},
    ) as context:
        data = schedule.evaluate_tick(context)
    assert not data.run_requests
    return str(data.skip_message)


def test_every_asset_of_an_episode_is_in_the_table_upstream_first() -> None:
    assert set(ASSETS) == set(asset_names())
    assert ASSETS.index("episode_video") < ASSETS.index("tracks") < ASSETS.index("identities")


def test_what_is_published_and_unchanged_is_ok_and_the_others_are_missing(
    instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    register(instance, "demo-s01e01", "demo-s01e02", "demo-s02e01")
    publish_episode(store, "demo-s01e01")
    found = states(instance)
    assert list(found) == ["demo-s01e01", "demo-s01e02"]
    assert set(found["demo-s01e01"].assets.values()) == {"ok"}
    assert set(found["demo-s01e02"].assets.values()) == {"missing"}
    assert found["demo-s01e02"].state == "missing"


def test_a_partition_that_is_no_episode_id_is_in_no_season_and_in_nobodys_way(instance: dg.DagsterInstance) -> None:
    register(instance, "demo-s01e01", "demo-s01 e02", "né", "a,b", "x...y")
    assert list(states(instance)) == ["demo-s01e01"]
    assert tick(instance).endswith("of 1 episodes of demo-s01")


def test_materialized_is_not_believed_where_no_file_is(instance: dg.DagsterInstance) -> None:
    register(instance, "demo-s01e01")
    report_checks(instance, "demo-s01e01")
    state = states(instance)["demo-s01e01"]
    assert set(state.assets.values()) == {"missing"}
    assert set(state.checks.values()) == {"not run"}


def test_a_lost_file_is_missing_even_though_its_manifest_is_there(
    instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    register(instance, "demo-s01e01")
    publish_episode(store, "demo-s01e01")
    (Path(store.location("")) / "manifests/demo-s01e01/tracks.json").unlink()
    found = states(instance)["demo-s01e01"].assets
    assert found["tracks"] == "missing"
    assert found["identities"] == "stale"
    assert found["detections"] == "ok"


def test_what_came_from_another_input_is_stale_and_so_is_what_follows(
    instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    register(instance, "demo-s01e01")
    publish_episode(store, "demo-s01e01")
    publish(store, "tracks", "demo-s01e01", content="others")
    found = states(instance)["demo-s01e01"].assets
    assert found["tracks"] == "ok"
    assert found["faces"] == found["identities"] == found["episode_report"] == "stale"


def test_other_code_another_configuration_and_another_video_make_stale(
    instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    for number, asset in enumerate(("detections", "identities", "faces"), 1):
        register(instance, ep_id := f"demo-s01e0{number}")
        publish_episode(store, ep_id)
        assert states(instance)[ep_id].state == "ok"
        match asset:
            case "detections":
                publish(store, asset, ep_id, code_version="0")
            case "identities":
                publish(store, asset, ep_id, config={"min_shot_s": 0.7})
            case _:
                publish(store, asset, ep_id, config={"embedder": "of another model"})
        found = states(instance)[ep_id]
        assert found.assets[asset] == found.state == "stale"
    register(instance, "demo-s01e04")
    publish_episode(store, "demo-s01e04")
    write_video(VideoLibraryResource().find("demo-s01e04"), b"another cut of the episode")
    assert states(instance)["demo-s01e04"].assets["episode_video"] == "stale"


def test_the_configuration_is_that_of_the_season(instance: dg.DagsterInstance, store: ArtifactStore) -> None:
    register(instance, "demo-s01e01")
    publish_episode(store, "demo-s01e01")
    publish(store, "identities", "demo-s01e01", config={"min_shot_s": 0.15})
    publish(store, "track_metrics", "demo-s01e01")
    publish(store, "episode_report", "demo-s01e01")
    assert states(instance)["demo-s01e01"].state == "ok"
    assert states(instance, Season(show="demo", season=1))["demo-s01e01"].assets["identities"] == "stale"


def test_checks_are_told_for_what_is_published_now(instance: dg.DagsterInstance, store: ArtifactStore) -> None:
    register(instance, "demo-s01e01", "demo-s01e02")
    publish_episode(store, "demo-s01e01")
    publish_episode(store, "demo-s01e02")
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
def test_a_season_runs_what_it_is_told_to(
    what: tuple[What, ...], expected: list[str], instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    register(instance, *(f"demo-s01e0{number}" for number in range(1, 5)))
    for ep_id in ("demo-s01e02", "demo-s01e03", "demo-s01e04"):
        publish_episode(store, ep_id)
        report_checks(
            instance,
            ep_id,
            failing={"tracks_integrity": dg.AssetCheckSeverity.ERROR} if ep_id == "demo-s01e03" else None,
        )
    publish(store, "faces", "demo-s01e02", content="others")
    launch = launch_season(instance, GRAPH, SEASON, moment="by_hand", what=what)
    assert list(launch.ep_ids) == expected
    backfill = instance.get_backfill(launch.backfill_id)
    assert backfill is not None
    assert sorted(backfill.get_asset_backfill_data(GRAPH).get_partition_names() or ()) == expected


def test_a_tick_launches_one_backfill_and_the_same_tick_again_none(instance: dg.DagsterInstance) -> None:
    register(instance, "demo-s01e02", "demo-s01e01")
    assert tick(instance) == "launched backfill demo_s01_20261121T0200 of 2 episodes of demo-s01"
    assert tick(instance) == "backfill demo_s01_20261121T0200 was launched already"
    assert [backfill.backfill_id for backfill in instance.get_backfills()] == ["demo_s01_20261121T0200"]


def test_the_next_tick_waits_for_a_backfill_that_is_under_way(instance: dg.DagsterInstance) -> None:
    register(instance, "demo-s01e01")
    tick(instance)
    tomorrow = TICK + datetime.timedelta(days=1)
    assert tick(instance, moment=tomorrow) == "backfill demo_s01_20261121T0200 of demo-s01 is still under way"
    backfill = instance.get_backfill("demo_s01_20261121T0200")
    assert backfill is not None
    instance.update_backfill(backfill._replace(status=BulkActionStatus.COMPLETED_SUCCESS))
    assert tick(instance, moment=tomorrow).startswith("launched backfill demo_s01_20261122T0200")


def test_a_season_with_nothing_to_do_launches_nothing(instance: dg.DagsterInstance, store: ArtifactStore) -> None:
    assert tick(instance) == "demo-s01: none of 0 episodes is missing or stale"
    register(instance, "demo-s01e01")
    publish_episode(store, "demo-s01e01")
    assert tick(instance) == "demo-s01: none of 1 episodes is missing or stale"
    assert instance.get_backfills() == []


def test_the_adapter_makes_the_backfill_that_the_daemon_and_the_ui_expect(instance: dg.DagsterInstance) -> None:
    """The contract with a private part of Dagster: when this fails after an upgrade, `backfills.py` is to be mended."""
    register(instance, "demo-s01e01", "demo-s01e02")
    launched = launch_backfill(
        instance,
        GRAPH,
        backfill_id=backfill_id_of("demo-s01", "20261121T0200"),
        season="demo-s01",
        ep_ids=["demo-s01e01", "demo-s01e02"],
        run_config=SEASON.run_config(),
        title="demo-s01: missing",
        schedule_name="season_demo_s01",
    )
    assert launched
    (backfill,) = instance.get_backfills()
    assert backfill.backfill_id == "demo_s01_20261121T0200"
    assert "-" not in backfill.backfill_id
    assert backfill.status is BulkActionStatus.REQUESTED
    assert backfill.is_asset_backfill
    assert backfill.title == "demo-s01: missing"
    assert backfill.run_config == {
        "resources": {"settings": {"config": {"profile": "fast_cpu", "overrides": {"min_shot_s": 0.15}}}}
    }
    assert backfill.tags == {"screenalytics/season": "demo-s01", "dagster/schedule_name": "season_demo_s01"}
    data = backfill.get_asset_backfill_data(GRAPH)
    assert sorted(data.get_partition_names() or ()) == ["demo-s01e01", "demo-s01e02"]
    assert data.target_subset.asset_keys == set(episode_assets(GRAPH))


def test_no_asset_has_a_backfill_policy_so_that_each_episode_has_its_own_run() -> None:
    assert all(GRAPH.get(key).backfill_policy is None for key in episode_assets(GRAPH))


def test_an_episode_that_is_not_registered_is_refused(instance: dg.DagsterInstance) -> None:
    with pytest.raises(ConfigurationError, match="no such episode: demo-s01e09"):
        launch_backfill(
            instance, GRAPH, backfill_id="x", season="demo-s01", ep_ids=["demo-s01e09"], run_config={}, title=""
        )
    assert instance.get_backfills() == []


def test_each_season_with_a_cron_expression_has_a_schedule_in_its_time_zone(
    configured: Callable[..., Path],
) -> None:
    from screenalytics_assets.automation.seasons.season_runs import season_schedules

    nightly = {"show": "demo", "season": 1, "cron": "0 2 * * *", "timezone": "America/Los_Angeles"}
    configured(seasons={"seasons": [nightly, {"show": "demo", "season": 2}]})
    (schedule,) = season_schedules(JOB)
    assert schedule.name == "season_demo_s01"
    assert schedule.cron_schedule == "0 2 * * *"
    assert schedule.execution_timezone == "America/Los_Angeles"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
