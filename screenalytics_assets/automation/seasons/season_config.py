"""``config/seasons.yaml``: which seasons run on a schedule, when, and with which configuration."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dagster as dg
from pydantic import Field, ValidationError, field_validator, model_validator

from resources.configuration.run_settings import read_yaml, resolve_settings
from resources.system.paths import config_dir
from screenalytics_assets.automation.yaml_model import ConfigFile, read_config
from screenalytics_assets.core.common.episode_ids import parse_ep_id, season_of
from screenalytics_assets.core.common.errors import ConfigurationError, ScreenalyticsError

What = Literal["missing", "stale", "failed", "all"]
KINDS: tuple[What, ...] = get_args(What)
FILE = "seasons.yaml"
MAX_SEASONS = 100
"""Each has a schedule of its own, and the configuration of each is checked whenever the file is read, 3 ms."""


class UnusableSeasonError(ConfigurationError):
    """What is configured for a season cannot be read."""


class Season(ConfigFile):
    """A season of a show.

    Attributes:
        show: The show of its episode ids: ``rhobh`` of ``rhobh-s05e02``.
        season: Its number.
        cron: When its episodes run, for example ``0 2 * * *``; without it, by hand only.
        timezone: Time zone of the cron expression, as in the IANA database.
        run: Which episodes: those that lack an artifact, have an outdated one, failed, or all.
        profile: A profile of ``performance_profiles.yaml``.
        overrides: Configuration keys and values for the runs of this season.
    """

    show: str
    season: int = Field(ge=0, le=99)
    cron: str | None = None
    timezone: str = "UTC"
    run: tuple[What, ...] = ("missing", "stale")
    profile: str | None = None
    overrides: Mapping[str, Any] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """The season as in its episode ids: ``rhobh-s05``."""
        return f"{self.show}-s{self.season:02d}"

    @property
    def schedule_name(self) -> str:
        """The name of the season's schedule: ``season_rhobh_s05``."""
        return f"season_{self.name.replace('-', '_')}"

    def run_config(self) -> dict[str, Any]:
        """The run configuration of this season's runs."""
        given = {"profile": self.profile, "overrides": dict(self.overrides)}
        return {"resources": {"settings": {"config": {key: value for key, value in given.items() if value}}}}

    @field_validator("run", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                dg.ScheduleDefinition(cron_schedule=value, job_name="any")
        except dg.DagsterInvalidDefinitionError as error:
            raise ValueError("expected five fields as in cron, for example '0 2 * * *'") from error
        return value

    @field_validator("timezone")
    @classmethod
    def _is_time_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder of the database is no zone
            raise ValueError("expected a time zone of the IANA database, for example Europe/Berlin") from error
        return value

    @model_validator(mode="after")
    def _is_possible(self) -> "Season":
        try:
            parse_ep_id(f"{self.name}e01")
            resolve_settings(self.profile, self.overrides)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return self


class Seasons(ConfigFile):
    """The content of ``seasons.yaml``."""

    seasons: tuple[Season, ...] = Field((), max_length=MAX_SEASONS)

    @field_validator("seasons")
    @classmethod
    def _each_once(cls, seasons: tuple[Season, ...]) -> tuple[Season, ...]:
        names = [season.name for season in seasons]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is listed more than once")
        return seasons


def read_seasons() -> dict[str, Season]:
    """The seasons of the configuration by their name, for example ``rhobh-s05``.

    Raises:
        ConfigurationError: The file cannot be read, or has an unknown key or a value that is not allowed.
        StorageError: The disk or network drive fails.
    """
    return {season.name: season for season in read_config(config_dir() / FILE, Seasons).seasons}


def usable_seasons() -> tuple[dict[str, Season], str | None]:
    """The seasons that can be used although others are wrong, and what is wrong.

    For whatever goes on working when somebody makes a mistake in the file: it has to report the problem. A season that
    is listed twice is not used.
    """
    try:
        return read_seasons(), None
    except ScreenalyticsError as error:
        problem = str(error)
    try:
        entries = read_yaml(config_dir() / FILE).get("seasons")
    except ScreenalyticsError:
        return {}, problem
    found: list[Season] = []
    for entry in entries[:MAX_SEASONS] if isinstance(entries, list) else ():
        with suppress(ValidationError, ScreenalyticsError):
            found.append(Season.model_validate(entry))
    names = Counter(season.name for season in found)
    return {season.name: season for season in found if names[season.name] == 1}, problem


def season_named(name: str) -> Season:
    """A season of the configuration, or one with the defaults if it is not listed.

    Raises:
        ConfigurationError: The name does not have the form ``show-s05``, or the configuration is not valid.
    """
    known = read_seasons()
    if name in known:
        return known[name]
    try:
        parts = parse_ep_id(f"{name}e01")
    except ConfigurationError as error:
        listed = f"; in {FILE}: {', '.join(known)}" if known else ""
        expected = "expected SHOW-sSS, for example rhobh-s05"
        raise ConfigurationError(f"{name!r} is not a season: {expected}{listed}") from error
    resolve_settings()  # raises ConfigurationError; within Season it would be a ValidationError
    return Season(show=parts.show, season=int(parts.season))


def run_config_of(ep_id: str) -> dict[str, Any]:
    """The run configuration of an episode: its season's, if that is listed.

    Raises:
        UnusableSeasonError: The file is wrong, and the season is not among those that can be used.
    """
    seasons, problem = usable_seasons()
    season = seasons.get(season_of(ep_id))
    if season is None and problem:
        raise UnusableSeasonError(problem)
    return season.run_config() if season else {}
