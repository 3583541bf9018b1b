"""The acceptance checks on published figures, in a real instance; no video, no model."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from resources.configuration.acceptance_limits import load_acceptance
from resources.models.packs import ModelPack
from resources.system.paths import config_dir
from screenalytics_assets.checks.acceptance import ACCEPTANCE_CHECKS, JUDGED
from screenalytics_assets.core.common.errors import ArtifactError, ConfigurationError
from screenalytics_assets.core.quality.acceptance_metrics import METRICS
from screenalytics_assets.partitions import EPISODES
from screenalytics_assets.services.running.acceptance_runs import CheckOutcome, run_acceptance_checks
from tests.orchestration.command_line import Cli
from tests.published import NO_FACES, publish_figures

EP = "show-s01e01"


@pytest.fixture
def acceptance_file(place: Path) -> Iterator[Path]:
    """The project's acceptance.yaml, to be changed."""
    folder = place / "config"
    shutil.copytree(config_dir(), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCREENALYTICS_CONFIG_DIR", str(folder))
        yield folder / "acceptance.yaml"
    shutil.rmtree(folder)


def checked(instance: dg.DagsterInstance, ep_id: str, **overrides: dict[str, object]) -> dict[str, CheckOutcome]:
    return {outcome.metric: outcome for outcome in run_acceptance_checks(instance, ep_id, overrides)}


def latest_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    return instance.get_runs(limit=1)[0]


def test_every_metric_has_one_partitioned_check_that_does_not_block() -> None:
    specs = [spec for check in ACCEPTANCE_CHECKS for spec in check.check_specs]
    assert {spec.name for spec in specs} == set(METRICS)
    assert {spec.partitions_def for spec in specs} == {EPISODES}
    assert not any(spec.blocking for spec in specs)


def test_a_healthy_episode_passes_every_check(instance: dg.DagsterInstance) -> None:
    publish_figures(EP)
    outcomes = checked(instance, EP)
    assert {name for name, outcome in outcomes.items() if not outcome.passed} == set()
    assert {name for name, outcome in outcomes.items() if outcome.verdict != "met"} == {"runtime_per_duration_gpu"}
    assert outcomes["runtime_per_duration_cpu"].figures == {"value": 0.5, "target": 1, "warn": 3}
    assert outcomes["clusters"].figures == {
        "value": 8,
        "target_min": 3,
        "target_max": 50,
        "warn_min": 3,
        "warn_max": 50,
    }


def test_a_breach_shows_for_its_episode_alone(instance: dg.DagsterInstance) -> None:
    publish_figures("show-s01e02")
    publish_figures("show-s01e03", tracks_per_minute=70.0)
    checked(instance, "show-s01e03")
    checked(instance, "show-s01e02")
    key = dg.AssetCheckKey(dg.AssetKey(JUDGED), "tracks_per_minute")
    status = {
        info.partition_key: info.latest_execution_status.value
        for info in instance.event_log_storage.get_asset_check_partition_info([key])
    }
    assert (status["show-s01e02"], status["show-s01e03"]) == ("SUCCEEDED", "FAILED")


@pytest.mark.parametrize(
    ("figures", "metric", "severity"),
    [
        ({"tracks_per_minute": 70.0}, "tracks_per_minute", "WARN"),
        ({"max_faces_per_track": 17}, "max_faces_per_track", "ERROR"),
        ({"blank_crops_written": 1}, "blank_crops_written", "ERROR"),
        ({"vector_dimension": 128}, "vector_dimension", "ERROR"),
        ({"vector_norm_error": 0.01}, "vector_norm_error", "ERROR"),
    ],
)
def test_a_warning_is_a_warning_and_a_failure_an_error_and_neither_fails_the_run(
    instance: dg.DagsterInstance, figures: dict[str, Any], metric: str, severity: str
) -> None:
    publish_figures("show-s01e04", **figures)
    outcomes = checked(instance, "show-s01e04")
    assert [(o.metric, o.severity) for o in outcomes.values() if not o.passed] == [(metric, severity)]
    assert latest_run(instance).status == dg.DagsterRunStatus.SUCCESS


def test_a_missed_target_passes_with_a_note(instance: dg.DagsterInstance) -> None:
    publish_figures(EP, tracks_per_minute=40.0, singleton_fraction=0.1)
    outcomes = checked(instance, EP)
    assert {name for name, outcome in outcomes.items() if outcome.verdict == "noted"} == {
        "tracks_per_minute",
        "singleton_fraction",
    }
    assert all(outcome.passed for outcome in outcomes.values())
    assert "misses the target at most 30" in outcomes["tracks_per_minute"].message


def test_an_episode_without_faces_passes_with_the_remark_that_nothing_applies(instance: dg.DagsterInstance) -> None:
    publish_figures("show-s01e05", **NO_FACES)
    outcomes = checked(instance, "show-s01e05")
    assert all(outcome.passed for outcome in outcomes.values())
    applicable = {name for name, outcome in outcomes.items() if outcome.verdict != "not_applicable"}
    assert applicable == {"damaged_s", "tracks_per_minute", "runtime_per_duration_cpu"}
    assert outcomes["clusters"].message == "not applicable: the episode has no faces"


def test_on_a_gpu_the_limits_of_a_gpu_hold(instance: dg.DagsterInstance) -> None:
    publish_figures("show-s01e06", provider="CUDAExecutionProvider")
    outcomes = checked(instance, "show-s01e06")
    assert outcomes["runtime_per_duration_gpu"].severity == "WARN"
    assert outcomes["runtime_per_duration_cpu"].verdict == "not_applicable"


def test_after_a_threshold_changed_the_checks_run_alone_and_tell_what_changed(
    instance: dg.DagsterInstance, acceptance_file: Path
) -> None:
    publish_figures("show-s02e01", tracks_per_minute=40.0)
    checked(instance, "show-s02e01")
    table = yaml.safe_load(acceptance_file.read_text())
    table["seasons"] = {"show-s02": {"tracks_per_minute": {"warn": 35}}}
    acceptance_file.write_text(yaml.safe_dump(table))
    outcomes = checked(instance, "show-s02e01")
    assert outcomes["tracks_per_minute"].changes() == ["verdict noted -> warning", "warn 50 -> 35"]
    assert {name for name, outcome in outcomes.items() if outcome.changes()} == {"tracks_per_minute"}
    records = instance.get_records_for_run(latest_run(instance).run_id).records
    kinds = {record.event_log_entry.dagster_event_type for record in records}
    assert dg.DagsterEventType.ASSET_CHECK_EVALUATION in kinds
    assert dg.DagsterEventType.ASSET_MATERIALIZATION not in kinds

    publish_figures("show-s01e07", tracks_per_minute=40.0)
    assert checked(instance, "show-s01e07")["tracks_per_minute"].passed


def test_a_run_may_have_limits_of_its_own(instance: dg.DagsterInstance) -> None:
    publish_figures(EP)
    outcomes = checked(instance, EP, tracks_per_minute={"target": 10, "warn": 20}, clusters={"warn": [1, 60]})
    assert outcomes["tracks_per_minute"].severity == "WARN"
    assert outcomes["clusters"].figures["warn_max"] == 60
    evaluations = instance.get_records_for_run(
        latest_run(instance).run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    events = [record.event_log_entry.dagster_event for record in evaluations]
    (source,) = [
        event.asset_check_evaluation_data.metadata["limits_from"].value
        for event in events
        if event and event.asset_check_evaluation_data.check_name == "tracks_per_minute"
    ]
    assert source == "run configuration (target, warn), acceptance.yaml: metrics"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"tracks_per_minut": {"warn": 3}}, "unknown metric tracks_per_minut"),
        ({"tracks_per_minute": {"wran": 3}}, "wran"),
        ({"tracks_per_minute": {"warn": 3}}, "out of order"),
        ({"clusters": {"warn": 3}}, "expected two limits"),
    ],
)
def test_limits_that_make_no_sense_are_refused_before_anything_runs(
    instance: dg.DagsterInstance, overrides: dict[str, dict[str, object]], message: str
) -> None:
    publish_figures(EP)
    before = instance.get_runs_count()
    with pytest.raises(ConfigurationError, match=message):
        run_acceptance_checks(instance, EP, overrides)
    assert instance.get_runs_count() == before


@pytest.mark.parametrize("limit", ["none", ".nan", "many", "[1, 2]"])
def test_a_file_with_a_limit_that_is_none_is_refused_before_anything_is_launched(
    limit: str, instance: dg.DagsterInstance, acceptance_file: Path
) -> None:
    publish_figures(EP)
    before = instance.get_runs_count()
    text = acceptance_file.read_text()
    acceptance_file.write_text(re.sub(r"(tracks_per_minute: .*warn: )[0-9]+", rf"\g<1>{limit}", text))
    with pytest.raises(ConfigurationError, match=r"acceptance\.yaml.*tracks_per_minute"):
        run_acceptance_checks(instance, EP, {})
    assert instance.get_runs_count() == before


def test_an_episode_that_published_nothing_is_refused_and_not_registered(instance: dg.DagsterInstance) -> None:
    with pytest.raises(ArtifactError, match="show-s09e09 has no track_metrics"):
        run_acceptance_checks(instance, "show-s09e09", {})
    assert "show-s09e09" not in instance.get_dynamic_partitions("episodes")


@pytest.mark.parametrize("text", ["seasons: {rhobh: {}}", "seasons: {rhobh-s05e01: {}}"])
def test_a_season_that_is_none_is_refused(acceptance_file: Path, text: str) -> None:
    acceptance_file.write_text(acceptance_file.read_text().replace("seasons: {}", text))
    with pytest.raises(ConfigurationError, match="not a season; expected SHOW-sSS"):
        load_acceptance()


def test_the_command_ends_with_0_where_checks_only_warn_1_where_one_fails_and_2_where_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = Cli(tmp_path)
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(cli.data))
    publish_figures(EP, tracks_per_minute=70.0)
    publish_figures("show-s01e02", blank_crops_written=2)
    warned = cli.run("check", EP)
    assert warned.returncode == 0, warned.said
    assert "WARN: tracks_per_minute is 70, the limit for a warning is at most 50" in warned.said
    failed = cli.run("check", EP, "show-s01e02", "--set", "tracks_per_minute.warn=80")
    assert failed.returncode == 1, failed.said
    assert "changed: tracks_per_minute: verdict warning -> noted, warn 50 -> 80" in failed.said
    assert "ERROR: blank_crops_written is 2, the limit for a failure is at most 0" in failed.said
    refused = cli.run("check", EP, "--set", "tracks_per_minute=3")
    assert refused.returncode == 2, refused.said
    assert "expected METRIC.LIMIT=VALUE" in refused.said
    assert "Traceback" not in refused.said


def test_a_run_is_refused_before_it_computes_anything_when_the_limits_make_no_sense(
    tmp_path: Path, acceptance_file: Path, open_pack: ModelPack
) -> None:
    assert open_pack.name == "open"
    text = acceptance_file.read_text()
    acceptance_file.write_text(text.replace("tracks_per_minute: {target", "tracks_per_minute: {tarket"))
    cli = Cli(tmp_path)
    refused = cli.run("run", "--ep-id", EP, SCREENALYTICS_CONFIG_DIR=str(acceptance_file.parent))
    assert refused.returncode == 2, refused.said
    assert "metrics.tracks_per_minute.tarket" in refused.said
    assert cli.left_behind() == []
