import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.quality.acceptance import (
    AcceptanceTable,
    Level,
    MetricLimits,
    judge_metric,
    limit_figures,
    overridden,
    parse_acceptance,
)
from screenalytics_assets.core.quality.acceptance_metrics import METRICS, absence_of, figures_of
from tests.published import NO_FACES, metrics_with

EMPTY: dict[str, Any] = {name: {} for name in METRICS}


def table(metrics: dict[str, Any], seasons: dict[str, Any] | None = None) -> AcceptanceTable:
    return parse_acceptance({"metrics": EMPTY | metrics, "seasons": seasons or {}}, "acceptance.yaml")


def level(metric: str, value: float, **limits: Any) -> Level:
    return judge_metric(METRICS[metric], value, MetricLimits(**limits), {"crop_stats.max_crops_per_track": 16}).level


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "met"), (30.0, "met"), (30.1, "noted"), (50.0, "noted"), (50.1, "warning"), (70.0, "warning")],
)
def test_where_small_values_are_good_each_limit_is_the_largest_value_that_it_allows(
    value: float, expected: Level
) -> None:
    assert level("tracks_per_minute", value, target=30, warn=50) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.9, "met"), (0.75, "met"), (0.7, "noted"), (0.6, "noted"), (0.59, "warning"), (0.3, "failure")],
)
def test_where_large_values_are_good_each_limit_is_the_smallest(value: float, expected: Level) -> None:
    assert level("quality_mean", value, target=0.75, warn=0.6, fail=0.4) == expected


@pytest.mark.parametrize(("value", "expected"), [(2, "warning"), (3, "met"), (50, "met"), (51, "warning")])
def test_a_range_allows_its_ends(value: float, expected: Level) -> None:
    assert level("clusters", value, target=(3, 50), warn=(3, 50)) == expected


def test_a_metric_whose_target_is_to_stay_below_misses_it_by_reaching_it() -> None:
    assert level("singleton_fraction", 0.30, target=0.30, warn=0.5) == "noted"
    assert level("singleton_fraction", 0.29, target=0.30, warn=0.5) == "met"


def test_few_singletons_are_for_information_and_never_a_warning() -> None:
    verdict = judge_metric(METRICS["singleton_fraction"], 0.1, MetricLimits(target=0.3, warn=0.5, note_below=0.2), {})
    assert verdict.level == "noted"
    assert "below 0.2: for information" in verdict.message


def test_a_limit_may_be_the_configured_number_of_crops() -> None:
    limits = {"target": "max_crops_per_track", "fail": "max_crops_per_track"}
    assert level("max_faces_per_track", 16, **limits) == "met"
    assert level("max_faces_per_track", 17, **limits) == "failure"
    figures = {"crop_stats.max_crops_per_track": 16}
    assert limit_figures(METRICS["max_faces_per_track"], MetricLimits(**limits), figures) == {"target": 16, "fail": 16}


def test_the_message_says_value_limit_and_target() -> None:
    verdict = judge_metric(METRICS["tracks_per_minute"], 55.04, MetricLimits(target=30, warn=50), {})
    assert verdict.message == "tracks_per_minute is 55.04, the limit for a warning is at most 50 (target at most 30)"


def test_without_limits_every_value_is_met() -> None:
    assert level("quality_mean", 0.0) == "met"


@given(st.floats(0, 100), st.lists(st.floats(0, 100), min_size=3, max_size=3))
def test_a_worse_value_never_has_a_better_verdict(value: float, limits: list[float]) -> None:
    order = ["met", "noted", "warning", "failure"]
    target, warn, fail = sorted(limits)
    worse = order.index(level("tracks_per_minute", value + 1, target=target, warn=warn, fail=fail))
    assert worse >= order.index(level("tracks_per_minute", value, target=target, warn=warn, fail=fail))


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"tracks_per_minuet": {}}, "unknown metric 'tracks_per_minuet'; did you mean 'tracks_per_minute'"),
        ({"tracks_per_minute": {"wran": 3}}, "metrics.tracks_per_minute.wran: Extra inputs"),
        ({"tracks_per_minute": {"warn": "many"}}, "metrics.tracks_per_minute.warn: expected a number"),
        ({"tracks_per_minute": {"warn": True}}, "metrics.tracks_per_minute.warn: expected a number"),
        ({"tracks_per_minute": {"warn": math.nan}}, "metrics.tracks_per_minute.warn: expected a number"),
        ({"tracks_per_minute": {"warn": [1, 2]}}, "tracks_per_minute.warn: expected one number, found [1, 2]"),
        ({"clusters": {"warn": 3}}, "clusters.warn: expected two limits [LOWEST, HIGHEST], found 3"),
        ({"clusters": {"warn": [5, 3]}}, "clusters.warn: expected two limits"),
        ({"clusters": {"warn": "max_crops_per_track"}}, "clusters.warn: expected two limits"),
        ({"tracks_per_minute": {"target": 60, "warn": 50}}, "target 60 and warn 50 are out of order"),
        ({"tracks_per_minute": {"target": 60, "fail": 50}}, "target 60 and fail 50 are out of order"),
        ({"quality_mean": {"warn": 0.6, "fail": 0.7}}, "expected target >= warn >= fail"),
        ({"clusters": {"target": [2, 50], "warn": [3, 50]}}, "expected target within warn within fail"),
    ],
)
def test_limits_that_make_no_sense_are_refused_with_their_key(metrics: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        table(metrics)
    assert message in str(refused.value)


def test_a_metric_without_an_entry_is_refused_so_that_none_is_forgotten() -> None:
    with pytest.raises(ConfigurationError, match="no limits for clusters"):
        parse_acceptance({"metrics": {name: {} for name in METRICS if name != "clusters"}}, "acceptance.yaml")


def test_a_season_changes_the_limits_that_it_names_and_no_others() -> None:
    found = table({"tracks_per_minute": {"target": 30, "warn": 50}}, {"rhobh-s05": {"tracks_per_minute": {"warn": 70}}})
    assert found.limits("tracks_per_minute", "rhobh-s05") == MetricLimits(target=30, warn=70)
    assert found.limits("tracks_per_minute", "rhobh-s06") == MetricLimits(target=30, warn=50)
    assert found.source("tracks_per_minute", "rhobh-s05") == "acceptance.yaml: seasons.rhobh-s05"
    assert found.source("clusters", "rhobh-s05") == "acceptance.yaml: metrics"


def test_a_season_can_take_a_limit_away() -> None:
    found = table(
        {"tracks_per_minute": {"target": 30, "warn": 50}}, {"rhobh-s05": {"tracks_per_minute": {"warn": None}}}
    )
    assert found.limits("tracks_per_minute", "rhobh-s05") == MetricLimits(target=30)


@pytest.mark.parametrize("override", [{"tracks_per_minute": {"warn": 20}}, {"tracks": {"warn": 20}}])
def test_limits_of_a_season_are_checked_together_with_the_general_ones(override: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"seasons\.rhobh-s05.*(out of order|unknown metric)"):
        table({"tracks_per_minute": {"target": 30, "warn": 50}}, {"rhobh-s05": override})


def test_limits_of_a_run_win_and_are_checked_too() -> None:
    metric = METRICS["tracks_per_minute"]
    assert overridden(metric, MetricLimits(target=30, warn=50), {"warn": 60.0}, "run").warn == 60
    with pytest.raises(ConfigurationError, match=r"run: target 30 and warn 20\.0 are out of order"):
        overridden(metric, MetricLimits(target=30, warn=50), {"warn": 20.0}, "run")
    with pytest.raises(ConfigurationError, match=r"run: target: expected a number, two numbers"):
        overridden(METRICS["clusters"], MetricLimits(), {"target": [2.0]}, "run")


def test_running_time_is_judged_where_detection_ran_and_not_elsewhere() -> None:
    for on_gpu, judged, other in ((False, "cpu", "GPU"), (True, "gpu", "CPU")):
        figures = figures_of(metrics_with(), runtimes_s={"detections": 20.0, "tracks": 10.0}, on_gpu=on_gpu)
        assert figures[f"runtime_per_duration_{judged}"] == 0.5
        elsewhere = METRICS[f"runtime_per_duration_{other.lower()}"]
        assert absence_of(elsewhere, figures) == f"not applicable: detection ran on a {judged.upper()}"


def test_without_a_running_time_there_is_nothing_to_judge_it_by() -> None:
    figures = figures_of(metrics_with(), runtimes_s={"detections": 20.0, "tracks": None}, on_gpu=False)
    assert "published without their running time" in (absence_of(METRICS["runtime_per_duration_cpu"], figures) or "")


def test_an_episode_without_faces_has_nothing_to_judge_but_its_video_its_tracks_per_minute_and_its_time() -> None:
    figures = figures_of(metrics_with(**NO_FACES), runtimes_s={"detections": 1.0, "tracks": 1.0}, on_gpu=False)
    judged = {name for name, metric in METRICS.items() if absence_of(metric, figures) is None}
    assert judged == {"damaged_s", "tracks_per_minute", "runtime_per_duration_cpu"}
    assert absence_of(METRICS["clusters"], figures) == "not applicable: the episode has no faces"
