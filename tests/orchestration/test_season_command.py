"""``screenalytics season`` as a person types it."""

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from resources.artifact_store import ArtifactStoreResource
from screenalytics_assets.automation.seasons.season_runs import LAUNCH_TAG, SEASON_TAG
from screenalytics_assets.cli import app
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.partitions import PARTITION_TAG
from screenalytics_assets.services.dagster_instance.instance import open_instance
from screenalytics_assets.services.running.runs import JOB
from tests.orchestration.command_line import Cli
from tests.synthetic_episodes import ASSETS, publish_episode, register, report_checks

BOTH = ["demo-s01e01", "demo-s01e02"]


def season_command(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "400"}).invoke(app, ["season", *arguments])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def _two_episodes(home: Path) -> None:
    """One published with a failed check, one only registered."""
    assert home
    with open_instance() as instance:
        register(instance, *BOTH)
        publish_episode(ArtifactStoreResource().store(), BOTH[0])
        report_checks(instance, BOTH[0], failing={"tracks_integrity": dg.AssetCheckSeverity.ERROR})


@pytest.mark.usefixtures("_two_episodes")
def test_the_status_is_a_table_of_episodes_assets_and_checks() -> None:
    shown = season_command("status", "demo-s01").output
    assert "demo-s01: 2 of 2 episodes" in shown
    for word in (*BOTH, "failed", "missing", "1 failed", "tracks_integrity"):
        assert word in " ".join(shown.split())


@pytest.mark.usefixtures("_two_episodes")
def test_the_status_as_json_names_every_asset_and_check() -> None:
    document = json.loads(season_command("status", "demo-s01", "--json").stdout)
    first, second = document["episodes"]
    assert [first["ep_id"], second["ep_id"]] == BOTH
    assert first["state"] == "failed"
    assert first["assets"] == dict.fromkeys(ASSETS, "ok")
    assert first["checks"]["tracks_integrity"] == "failed"
    assert first["checks"]["faces_integrity"] == "passed"
    assert second["state"] == "missing"
    only = json.loads(season_command("status", "demo-s01", "--json", "--what", "missing").stdout)
    assert [episode["ep_id"] for episode in only["episodes"]] == [BOTH[1]]


@pytest.mark.usefixtures("_two_episodes")
def test_a_season_is_run_by_hand_and_no_episode_is_queued_twice(configured: Callable[..., Path]) -> None:
    season = {"show": "demo", "season": 1, "profile": "fast_cpu", "overrides": {"min_shot_s": 0.15}}
    configured(seasons={"seasons": [season]})
    launched = json.loads(season_command("run", "demo-s01", "--what", "failed", "--json").stdout)
    assert launched["ep_ids"] == [BOTH[0]]
    assert launched["message"] == f"launched {launched['launch_id']}: runs of 1 episodes of demo-s01"
    with open_instance() as instance:
        (run,) = instance.get_runs(filters=dg.RunsFilter(tags={LAUNCH_TAG: launched["launch_id"]}))
    assert run.status is dg.DagsterRunStatus.QUEUED
    assert run.job_name == JOB
    assert (run.tags[SEASON_TAG], run.tags[PARTITION_TAG]) == ("demo-s01", BOTH[0])
    assert run.run_config == {
        "resources": {"settings": {"config": {"profile": "fast_cpu", "overrides": {"min_shot_s": 0.15}}}}
    }
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.location_name == "screenalytics"
    states = json.loads(season_command("status", "demo-s01", "--json").stdout)["episodes"]
    assert [(state["state"], state["run"]) for state in states] == [("running", "queued"), ("missing", None)]
    again = season_command("run", "demo-s01", "--what", "failed", "--what", "all", "--json")
    assert json.loads(again.stdout)["ep_ids"] == [BOTH[1]]
    nothing_left = season_command("run", "demo-s01", "--what", "all")
    assert nothing_left.exit_code == 0
    assert f"nothing launched, still under way: {BOTH[0]} (run {run.run_id}), {BOTH[1]} (run" in nothing_left.output


@pytest.mark.usefixtures("home")
def test_unknown_seasons_and_options_are_reported() -> None:
    assert "no episode of rhobh-s05 is registered" in " ".join(season_command("status", "rhobh-s05").output.split())
    for arguments, message in {
        ("status", "season five"): "'season five' is not a season",
        ("run", "rhobh-s05", "--what", "some"): "--what some: expected missing, stale, failed, all",
    }.items():
        refused = season_command(*arguments).exception
        assert isinstance(refused, ConfigurationError)
        assert message in str(refused)


def test_a_mistake_in_the_file_ends_the_command_without_a_traceback(
    tmp_path: Path, configured: Callable[..., Path]
) -> None:
    config = configured(seasons={"season": []})
    refused = Cli(tmp_path).run("season", "status", "rhobh-s05", SCREENALYTICS_CONFIG_DIR=str(config))
    assert refused.returncode == 2
    assert "seasons.yaml: unknown key 'season'" in refused.said
    assert "Traceback" not in refused.said
