from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from screenalytics_assets.automation.inbox.inbox import InboxSettings, inbox_settings, reading_interval_s
from screenalytics_assets.automation.seasons.season_config import (
    MAX_SEASONS,
    Season,
    read_seasons,
    run_config_of,
    season_named,
    usable_seasons,
)
from screenalytics_assets.core.common.errors import ConfigurationError, ScreenalyticsError

RHOBH: dict[str, Any] = {
    "show": "rhobh",
    "season": 5,
    "cron": "0 2 * * *",
    "timezone": "America/Los_Angeles",
    "run": "failed",
    "profile": "fast_cpu",
    "overrides": {"frame_stride": 2, "outlier_handling": {"mark_low_cohesion": False}},
}
Configured = Callable[..., Path]


def test_a_season_is_read_with_all_its_keys(configured: Configured) -> None:
    configured(seasons={"seasons": [RHOBH, {"show": "tbbt", "season": 1}]})
    seasons = read_seasons()
    assert list(seasons) == ["rhobh-s05", "tbbt-s01"]
    rhobh = seasons["rhobh-s05"]
    assert rhobh.run == ("failed",)
    assert rhobh.schedule_name == "season_rhobh_s05"
    assert rhobh.run_config() == {
        "resources": {"settings": {"config": {"profile": "fast_cpu", "overrides": RHOBH["overrides"]}}}
    }
    assert seasons["tbbt-s01"] == Season(show="tbbt", season=1, run=("missing", "stale"))


def test_no_season_is_shipped_and_without_the_file_there_is_none(configured: Configured) -> None:
    folder = configured()
    assert read_seasons() == {}
    (folder / "seasons.yaml").unlink()
    assert read_seasons() == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crom": "x"}, r"unknown key 'seasons\.0\.crom'"),
        ({"cron": "every night"}, r"seasons\.0\.cron = 'every night': .*five fields"),
        ({"timezone": "Mars/Olympus"}, r"seasons\.0\.timezone = 'Mars/Olympus': .*IANA"),
        ({"timezone": "../etc"}, r"seasons\.0\.timezone"),
        ({"timezone": "Europe"}, r"seasons\.0\.timezone = 'Europe': .*IANA"),
        ({"timezone": "x" * 300}, r"seasons\.0\.timezone"),
        ({"run": "some"}, r"seasons\.0\.run\.0 = 'some'"),
        ({"profile": "quick"}, r"unknown profile 'quick'"),
        ({"overrides": {"frame_strid": 2}}, r"unknown configuration key 'frame_strid'; did you mean 'frame_stride'"),
        ({"overrides": {"frame_stride": 0}}, r"frame_stride = 0 is not allowed"),
        ({"show": "RHOBH"}, r"'RHOBH-s05e01' is not an episode id"),
        ({"season": 100}, r"seasons\.0\.season = 100"),
    ],
)
def test_a_mistake_is_reported_with_its_place(change: dict[str, Any], message: str, configured: Configured) -> None:
    configured(seasons={"seasons": [RHOBH | change]})
    with pytest.raises(ConfigurationError, match=rf"seasons\.yaml: .*{message}"):
        read_seasons()


def test_a_folder_of_the_time_zone_database_costs_its_season_only(configured: Configured) -> None:
    configured(seasons={"seasons": [RHOBH | {"timezone": "Europe"}, {"show": "tbbt", "season": 1}]})
    seasons, problem = usable_seasons()
    assert list(seasons) == ["tbbt-s01"]
    assert problem is not None
    assert "seasons.0.timezone = 'Europe'" in problem


@pytest.mark.parametrize("kind", ["a loop", "a link to nowhere", "a folder", "a disk error"])
def test_a_file_that_cannot_be_read_is_named_and_leaves_the_rest_working(kind: str, configured: Configured) -> None:
    folder = configured()
    for name in ("seasons.yaml", "inbox.yaml"):
        path = folder / name
        path.unlink(missing_ok=True)
        if kind == "a folder":
            path.mkdir()
        else:
            path.symlink_to({"a loop": name, "a link to nowhere": "none"}.get(kind, "/proc/self/mem"))
    seasons, problem = usable_seasons()
    assert seasons == {}
    assert problem is not None
    assert problem.startswith(f"{folder / 'seasons.yaml'}: ")
    assert reading_interval_s() == InboxSettings().interval_s
    with pytest.raises(ScreenalyticsError, match=f"^{folder / 'inbox.yaml'}: "):
        inbox_settings()


def test_a_season_that_is_listed_twice_is_refused(configured: Configured) -> None:
    configured(seasons={"seasons": [RHOBH, RHOBH]})
    with pytest.raises(ConfigurationError, match="rhobh-s05 is listed more than once"):
        read_seasons()


def test_more_seasons_than_can_be_checked_at_every_tick_are_refused(configured: Configured) -> None:
    listed = [{"show": f"show{i}", "season": 1} for i in range(MAX_SEASONS + 1)]
    configured(seasons={"seasons": listed})
    with pytest.raises(ConfigurationError, match=f"seasons = .*: expected a list with {MAX_SEASONS} or fewer"):
        read_seasons()
    assert len(usable_seasons()[0]) == MAX_SEASONS
    configured(seasons={"seasons": listed[1:]})
    assert len(read_seasons()) == MAX_SEASONS


def test_an_unlisted_season_has_the_defaults_and_an_invalid_name_is_refused(
    configured: Configured,
) -> None:
    configured(seasons={"seasons": [RHOBH]})
    assert season_named("rhobh-s05").profile == "fast_cpu"
    assert season_named("some-show-s12") == Season(show="some-show", season=12)
    for name in ("rhobh", "rhobh-s5", "rhobh-s05e01", ""):
        with pytest.raises(ConfigurationError, match=r"is not a season: .*in seasons\.yaml: rhobh-s05"):
            season_named(name)


def test_an_episode_runs_as_its_season_does(configured: Configured) -> None:
    configured(seasons={"seasons": [RHOBH]})
    assert run_config_of("rhobh-s05e02")["resources"]["settings"]["config"]["profile"] == "fast_cpu"
    assert run_config_of("rhobh-s06e02") == {}


def test_an_invalid_environment_is_reported_for_a_season_that_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENALYTICS_FRAME_STRIDES", "2")
    with pytest.raises(ConfigurationError, match=r"^environment variable SCREENALYTICS_FRAME_STRIDES: unknown"):
        season_named("some-show-s12")
