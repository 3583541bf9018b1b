"""All imports from private modules of Dagster, each with its reason; to be reviewed when Dagster is upgraded."""

from collections.abc import Iterable
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

AssetGraph = BaseAssetGraph[Any]
"""What `dg.Definitions.resolve_asset_graph` returns; the type is not exported."""
CheckStatus = AssetCheckExecutionRecordStatus
"""Status of a check in the event log; not exported."""
_UNFINISHED = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]


def latest_check_evaluation(
    instance: dg.DagsterInstance, check: dg.AssetCheckKey, partition: str
) -> dg.AssetCheckEvaluation | None:
    """The latest finished evaluation of a check for a partition.

    There is no public query for evaluations by partition.
    """
    records = instance.event_log_storage.get_asset_check_execution_history(
        check,
        limit=1,
        status={CheckStatus.SUCCEEDED, CheckStatus.FAILED},
        partition_filter=PartitionKeyFilter(key=partition),
    )
    event = records[0].event.dagster_event if records and records[0].event else None
    return event.asset_check_evaluation_data if event else None


def unfinished_backfills(instance: dg.DagsterInstance, ep_ids: Iterable[str]) -> dict[str, list[str]]:
    """Ids of unfinished backfills, by each of the given episodes that they cover.

    People can launch backfills in the UI. Until its runs exist, only the backfill itself, which no public query
    returns, says that an episode is about to be worked on.
    """
    wanted = set(ep_ids)
    found: dict[str, list[str]] = {}
    for backfill in instance.get_backfills(filters=BulkActionsFilter(statuses=_UNFINISHED)):
        for ep_id in wanted & _partitions_of(backfill, wanted):
            found.setdefault(ep_id, []).append(backfill.backfill_id)
    return found


def _partitions_of(backfill: PartitionBackfill, default: set[str]) -> set[str]:
    """The partitions of a backfill, or the default where it does not name them."""
    data = backfill.asset_backfill_data
    names = data.get_partition_names() if data is not None else backfill.partition_names
    return set(names or default)
