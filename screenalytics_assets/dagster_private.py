"""All imports from private modules of Dagster but those of `event_log`, each with its reason.

To be reviewed when Dagster is upgraded.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster_shared.error import SerializableErrorInfo

from resources.system.files import write_whole
from screenalytics_assets.core.common.errors import ScreenalyticsError

AssetGraph = BaseAssetGraph[Any]
"""What `dg.Definitions.resolve_asset_graph` returns; the type is not exported."""
CheckStatus = AssetCheckExecutionRecordStatus
"""Status of a check in the event log; not exported."""
StepError = SerializableErrorInfo
"""What the event of a failed step says about its exception; not exported."""
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


@contextmanager
def code_servers(instance: dg.DagsterInstance, workspace_file: Path) -> Iterator[Path]:
    """Code servers for a workspace; yields a workspace file that names them, in the folder of the instance.

    The web server and the daemon share them, as in ``dagster dev``, which cannot be told to use another web server.
    """
    from dagster._cli.proxy_server_manager import ProxyServerManager
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    # A UI that is killed leaves the file to the next one, which replaces it.
    served = Path(instance.root_directory, ".ui_workspace.yaml")
    with ProxyServerManager(instance, WorkspaceFileTarget([str(workspace_file)]), "info") as servers:
        write_whole(served, yaml.safe_dump({"load_from": servers.get_code_server_specs()}).encode())
        yield served


@contextmanager
def open_workspace(instance: dg.DagsterInstance, workspace_file: Path) -> Iterator[Any]:
    """The loaded workspace; only the command of Dagster's web server, which has no guard, makes one."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    # The defaults of that command, in milliseconds and seconds.
    instance.optimize_for_webserver(statement_timeout=15_000, pool_recycle=3600, max_overflow=20)
    target = WorkspaceFileTarget([str(workspace_file)])
    with WorkspaceProcessContext(instance, target, version=dg.__version__) as workspace:
        yield workspace


def reload_code_locations(workspace: Any) -> None:  # noqa: ANN401 - private
    """Have the code servers of `open_workspace` load the definitions again, as "Reload" in the UI does."""
    for name in workspace.code_location_names:
        workspace.reload_code_location(name)


def dagster_app(workspace: Any, parse_key: Callable[[str, str], None]) -> Any:  # noqa: ANN401 - private, and Starlette
    """Dagster's web application; partition keys are checked where people add them, which Dagster does not do.

    Args:
        workspace: From `open_workspace`.
        parse_key: Raises an error for a key that does not belong to the partitions of this name.
    """
    from dagster_graphql.schema.errors import GraphenePythonError
    from dagster_shared.error import SerializableErrorInfo
    from dagster_webserver.webserver import DagsterWebserver

    class CheckingWebserver(DagsterWebserver[Any, Any]):
        def build_graphql_schema(self) -> Any:  # noqa: ANN401 - a graphene schema
            schema = super().build_graphql_schema()
            field = schema.graphql_schema.mutation_type.fields["addDynamicPartition"]
            add = field.resolve

            def add_checked(parent: object, info: object, **arguments: Any) -> object:  # noqa: ANN401
                try:
                    parse_key(arguments["partitionsDefName"], arguments["partitionKey"])
                except ScreenalyticsError as error:
                    info_of_error = SerializableErrorInfo(str(error), [], type(error).__name__)
                    return GraphenePythonError(info_of_error)  # type: ignore[no-untyped-call]
                return add(parent, info, **arguments)

            field.resolve = add_checked
            return schema

    return CheckingWebserver(workspace).create_asgi_app()
