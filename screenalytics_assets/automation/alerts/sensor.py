"""Alerts: a sensor that reads every finished run once, tells what is new about it, and sends what was not yet taken.

One sensor instead of one per run status, so that runs are read in the order in which they ended: a breach and the
recovery after it are never told the wrong way round, however long the daemon was down.
"""

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import dagster as dg
from dagster import DagsterEventType

from resources.alerts.outbox import Outbox
from resources.alerts.sinks import configured_sinks, deliver_all, open_outbox, ui_url
from screenalytics_assets.automation.alerts.run_findings import findings_of_run
from screenalytics_assets.core.config.keys import digest_of
from screenalytics_assets.core.quality.alert_state import Message, message_of_run

INTERVAL_S = 10
FIRST_LOOK_S = 86_400.0
"""The first tick of an instance looks back one day: runs of the command line before the daemon was first started."""
_RUNS_A_TICK = 50
_ENDS = (DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED)


def notify(
    key: str,
    title: str,
    body: str,
    *,
    level: Literal["ok", "warning", "failure"] = "warning",
    document: Mapping[str, object] | None = None,
) -> bool:
    """Tell every sink something that no check and no run tells, for example that a file cannot be read.

    The message waits in the outbox of the instance; the alert sensor sends it at its next tick.

    Args:
        key: What the message is about, for example ``inbox:NAME:FINGERPRINT``; a key is told once, ever.
        title: One line.
        body: The rest: what was found, what was expected, what to do.
        level: ``ok``, ``warning`` or ``failure``.
        document: Goes into ``alerts.jsonl``.

    Returns:
        Whether the key was new.
    """
    sinks, _ = configured_sinks(os.environ)
    return open_outbox(sinks).write(key, Message(title, body, level, dict(document or {})))


def tell_refused_file(name: str, reason: str) -> None:
    """A file of the inbox that is no episode; the same file for the same reason is told once."""
    notify(f"inbox:{name}:{digest_of(reason)[:12]}", f"{name} is no episode", reason)


def ended_runs(instance: dg.DagsterInstance, cursor: int | None, *, now: float) -> tuple[list[str], int]:
    """Runs that ended since a cursor, oldest first, and the cursor after them.

    Args:
        instance: Whose runs.
        cursor: The storage id of the last end that was seen; None at the very first tick.
        now: Seconds since the epoch.
    """
    after = {"after_storage_id": cursor} if cursor is not None else {"after_timestamp": now - FIRST_LOOK_S}
    ends: dict[int, str] = {}
    complete_until = float("inf")
    for kind in _ENDS:
        records = instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(event_type=kind, **after),  # type: ignore[arg-type]
            limit=_RUNS_A_TICK,
            ascending=True,
        ).records
        ends |= {record.storage_id: record.event_log_entry.run_id for record in records}
        if len(records) == _RUNS_A_TICK:
            # There may be more of this kind: what ended after the last of them waits for the next tick.
            complete_until = min(complete_until, records[-1].storage_id)
    seen = sorted(storage_id for storage_id in ends if storage_id <= complete_until)
    return [ends[storage_id] for storage_id in seen], max(seen, default=cursor or 0)


def report_run(instance: dg.DagsterInstance, run: dg.DagsterRun, outbox: Outbox, base_url: str) -> str | None:
    """Take what is new in a run as one message; returns its title, or None where nothing is."""
    findings = findings_of_run(instance, run, base_url)
    compose = partial(message_of_run, run_id=run.run_id, run_link=f"{base_url}/runs/{run.run_id}")
    message = outbox.report(f"run:{run.run_id}", findings, compose)
    return None if message is None else message.title


def tick(instance: dg.DagsterInstance, cursor: int | None, environment: Mapping[str, str]) -> tuple[Sequence[str], int]:
    """One round: read the runs that ended, then offer every sink what it has not taken.

    Returns:
        What happened, in sentences, and the new cursor.
    """
    sinks, problems = configured_sinks(environment)
    outbox = open_outbox(sinks)
    run_ids, cursor = ended_runs(instance, cursor, now=time.time())
    told = list(problems)
    for run_id in run_ids:
        run = instance.get_run_by_id(run_id)
        title = report_run(instance, run, outbox, ui_url(environment)) if run is not None else None
        told += [title] if title else []
    return [*told, *deliver_all(outbox, sinks)], cursor


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Tells when a check warns or fails, when a run fails, and when that is over: alerts.jsonl always, and the "
        "services of SCREENALYTICS_ALERT_URLS."
    ),
)
def alert_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Every ten seconds; launches nothing."""
    told, cursor = tick(context.instance, int(context.cursor) if context.cursor else None, os.environ)
    context.update_cursor(str(cursor))
    return dg.SkipReason("; ".join(told) or "nothing new")
