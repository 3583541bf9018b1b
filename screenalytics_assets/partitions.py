"""Episodes are the partitions: one key, ``ep_id``, for example ``rhobh-s05e02``; also shows, and seasons."""

from collections.abc import Callable, Iterable, Mapping

import dagster as dg
from sqlalchemy.exc import IntegrityError

from screenalytics_assets.core.common.episode_ids import parse_ep_id, parse_season, parse_show, season_of
from screenalytics_assets.core.common.errors import ConfigurationError

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


def parse_key(partitions: str, key: str) -> None:
    """Refuse a partition key of another form: Dagster lets people add any text, and a key names folders.

    Args:
        partitions: The name of the partitions.
        key: The key.

    Raises:
        ConfigurationError: It is no key of these partitions.
    """
    if partitions in _PARSERS:
        _PARSERS[partitions](key)


def require_registered(instance: dg.DagsterInstance, partitions: str, key: str) -> None:
    """Refuse a key that is not among the partitions; a run that names it in a tag alone gets past Dagster.

    Raises:
        ConfigurationError: The key has another form, or is not registered.
    """
    parse_key(partitions, key)
    if not instance.has_dynamic_partition(partitions, key):
        hint = f": `screenalytics run VIDEO --ep-id {key}` registers it" if partitions == EPISODES_NAME else ""
        raise ConfigurationError(f"{key} is not among the registered {partitions}{hint}")


def register_episode(instance: dg.DagsterInstance, ep_id: str) -> None:
    """Make an episode and its season known."""
    register(instance, EPISODES_NAME, ep_id)
    register(instance, SEASONS_NAME, season_of(ep_id))


def register(instance: dg.DagsterInstance, partitions: str, key: str) -> None:
    """Make a partition known, unless it is.

    Dagster looks for the key and then inserts it. If another process inserts it in between, whichever it is and on
    whichever machine, the database refuses the second one.
    """
    try:
        instance.add_dynamic_partitions(partitions, [key])
    except IntegrityError:
        if not instance.has_dynamic_partition(partitions, key):
            raise


def add_requests(ep_ids: Iterable[str]) -> list[dg.AddDynamicPartitionsRequest]:
    """The same for a sensor, which asks Dagster to do it."""
    new = sorted(ep_ids)
    seasons = sorted({season_of(ep_id) for ep_id in new})
    return [EPISODES.build_add_request(new), SEASONS.build_add_request(seasons)] if new else []
