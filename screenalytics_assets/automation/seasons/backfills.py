"""The only module that knows how Dagster stores a backfill; its public interface launches single runs only."""

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill

from screenalytics_assets.core.common.episode_ids import is_ep_id, season_of
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.partitions import EPISODES_NAME

SEASON_TAG = "screenalytics/season"
SCHEDULE_TAG = "dagster/schedule_name"
"""Makes the UI say which schedule launched a backfill."""
_UNFINISHED = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]


def backfill_id_of(season: str, moment: str) -> str:
    """The id of the backfill of a season at a moment, for example ``rhobh_s05_20261121T0200``.

    Without dashes: the UI shows an id up to the first one.
    """
    return f"{season}_{moment}".replace("-", "_")


def launch_backfill(
    instance: dg.DagsterInstance,
    asset_graph: BaseAssetGraph[Any],
    *,
    backfill_id: str,
    season: str,
    ep_ids: Sequence[str],
    run_config: Mapping[str, Any],
    title: str,
    schedule_name: str | None = None,
) -> bool:
    """Ask the daemon for one run of every asset for each episode; whether it was not asked for this before.

    Raises:
        ConfigurationError: An episode that is not registered.
    """
    if instance.get_backfill(backfill_id):
        return False
    unknown = sorted(set(ep_ids) - set(instance.get_dynamic_partitions(EPISODES_NAME)))
    if unknown:
        raise ConfigurationError(f"no such episode: {', '.join(unknown)}; see `screenalytics season status {season}`")
    with warnings.catch_warnings():
        # Dagster's own use of what it deprecates.
        warnings.filterwarnings("ignore", message="Function `AssetSelection.sources` is deprecated")
        backfill = PartitionBackfill.from_asset_partitions(
            backfill_id=backfill_id,
            asset_graph=asset_graph,
            partition_names=list(ep_ids),
            asset_selection=episode_assets(asset_graph),
            backfill_timestamp=time.time(),
            tags={SEASON_TAG: season, **({SCHEDULE_TAG: schedule_name} if schedule_name else {})},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=title,
            description=None,
            run_config=dict(run_config),
        )
    instance.add_backfill(backfill)
    return True


def episode_assets(asset_graph: BaseAssetGraph[Any]) -> list[dg.AssetKey]:
    """The assets that are made for each episode, upstream first."""
    return [
        key
        for level in asset_graph.toposorted_asset_keys_by_level
        for key in sorted(level)
        if isinstance(definition := asset_graph.get(key).partitions_def, dg.DynamicPartitionsDefinition)
        and definition.name == EPISODES_NAME
        and asset_graph.get(key).is_materializable
    ]


def unfinished_backfills(instance: dg.DagsterInstance, ep_ids: Iterable[str]) -> list[str]:
    """Ids of backfills that are not done and concern one of the episodes."""
    wanted = set(ep_ids)
    found = instance.get_backfills(filters=BulkActionsFilter(statuses=_UNFINISHED))
    return [backfill.backfill_id for backfill in found if wanted & set(_episodes_of(backfill, wanted))]


def _episodes_of(backfill: PartitionBackfill, unless_known: Iterable[str]) -> Iterable[str]:
    if backfill.asset_backfill_data is not None:
        return backfill.asset_backfill_data.get_partition_names() or unless_known
    return backfill.partition_names or unless_known


def episodes_of(keys: Iterable[str], season: str) -> list[str]:
    """The episodes of a season among partition keys, sorted; the UI lets people add keys that are no episode ids."""
    return sorted(key for key in keys if is_ep_id(key) and season_of(key) == season)
