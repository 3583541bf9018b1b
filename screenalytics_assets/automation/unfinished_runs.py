"""Unfinished runs and backfills of episodes: a reason not to launch another run, and not to delete the episode."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from screenalytics_assets.dagster_private import unfinished_backfills
from screenalytics_assets.partitions import PARTITION_TAG

RETRY_DELAY = timedelta(minutes=5)
"""Dagster retries a run whose process died within seconds; one that waits longer is not going to be retried."""
WILL_RETRY_TAG = "dagster/will_retry"
_RETRIED_BY_TAG = "dagster/auto_retry_run_id"
UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def unfinished_runs(instance: dg.DagsterInstance, ep_ids: Sequence[str]) -> dict[str, list[str]]:
    """Unfinished runs and backfills by episode, for example ``run RUN_ID``; without episodes that have none.

    A failed run that Dagster is about to retry counts as unfinished.
    """
    if not ep_ids:
        return {}
    found: dict[str, list[str]] = {}
    tags = {PARTITION_TAG: list(ep_ids)}
    for run in instance.get_runs(filters=dg.RunsFilter(tags=tags, statuses=UNFINISHED)):
        found.setdefault(run.tags[PARTITION_TAG], []).append(f"run {run.run_id}")
    awaiting_retry = dg.RunsFilter(
        tags={**tags, WILL_RETRY_TAG: "true"},
        statuses=[dg.DagsterRunStatus.FAILURE],
        updated_after=datetime.now(UTC) - RETRY_DELAY,
    )
    for run in instance.get_runs(filters=awaiting_retry):
        # Dagster does not retry runs of `screenalytics run`, which no code location has launched.
        if run.remote_job_origin is not None and _RETRIED_BY_TAG not in run.tags:
            found.setdefault(run.tags[PARTITION_TAG], []).append(f"run {run.run_id}, which is about to be retried")
    for ep_id, backfill_ids in unfinished_backfills(instance, ep_ids).items():
        found.setdefault(ep_id, []).extend(f"backfill {backfill_id}" for backfill_id in backfill_ids)
    return found
