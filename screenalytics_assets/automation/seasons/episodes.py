"""The episodes of a season, and the assets that are made for each."""

from collections.abc import Iterable

import dagster as dg

from screenalytics_assets.core.common.episode_ids import is_ep_id, season_of
from screenalytics_assets.dagster_private import AssetGraph
from screenalytics_assets.partitions import EPISODES_NAME


def episode_assets(asset_graph: AssetGraph) -> list[dg.AssetKey]:
    """The assets that are made for each episode, upstream first."""
    return [
        key
        for level in asset_graph.toposorted_asset_keys_by_level
        for key in sorted(level)
        if isinstance(definition := asset_graph.get(key).partitions_def, dg.DynamicPartitionsDefinition)
        and definition.name == EPISODES_NAME
        and asset_graph.get(key).is_materializable
    ]


def episodes_of(keys: Iterable[str], season: str) -> list[str]:
    """The episodes of a season among partition keys, sorted; keys added in the UI may not be episode ids."""
    return sorted(key for key in keys if is_ep_id(key) and season_of(key) == season)
