"""Episodes are the partitions: one key, ``ep_id``, for example ``rhobh-s05e02``; also shows, and seasons."""

from collections.abc import Callable, Iterable, Mapping

import dagster as dg

from screenalytics_assets.core.common.episode_ids import parse_ep_id, parse_season, parse_show, season_of

EPISODES_NAME = "episodes"
PARTITION_TAG = "dagster/partition"
"""The tag of a run that names its episode."""
EPISODES = dg.DynamicPartitionsDefinition(name=EPISODES_NAME)
SHOWS_NAME = "shows"
SHOWS = dg.DynamicPartitionsDefinition(name=SHOWS_NAME)
SEASONS_NAME = "seasons"
SEASONS = dg.DynamicPartitionsDefinition(name=SEASONS_NAME)
_PARSERS: Mapping[str, Callable[[str], object]] = {
    EPISODES_NAME: parse_ep_id,
    SHOWS_NAME: parse_show,
    SEASONS_NAME: parse_season,
}


def parse_key(partitions: dg.DynamicPartitionsDefinition, key: str) -> None:
    """Refuse a partition key of another form: the UI lets people add any text, and a key names folders.

    Raises:
        ConfigurationError: It is no key of these partitions.
    """
    _PARSERS[str(partitions.name)](key)


def register_episode(instance: dg.DagsterInstance, ep_id: str) -> None:
    """Make an episode and its season known."""
    instance.add_dynamic_partitions(EPISODES_NAME, [ep_id])
    instance.add_dynamic_partitions(SEASONS_NAME, [season_of(ep_id)])


def add_requests(ep_ids: Iterable[str]) -> list[dg.AddDynamicPartitionsRequest]:
    """The same for a sensor, which asks Dagster to do it."""
    new = sorted(ep_ids)
    seasons = sorted({season_of(ep_id) for ep_id in new})
    return [EPISODES.build_add_request(new), SEASONS.build_add_request(seasons)] if new else []
