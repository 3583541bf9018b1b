"""The alert sensor: reads every ended run once, writes a message about its changes, and sends unsent messages.

One sensor instead of one per run status, so that runs are read in the order in which they ended: a breach and its
recovery are reported in that order, however long the daemon was down.
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
from screenalytics_assets.automation.alerts.run_events import events_of_run
from screenalytics_assets.core.common.digests import digest_of
from screenalytics_assets.core.quality.alert_state import Message, message_of_run
from screenalytics_assets.failures import errors_of_tick

INTERVAL_S = 10
FIRST_TICK_S = 86_400.0
"""Until it has read a run, a tick reads one day back: runs of the command line before the daemon was first started."""
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
    """Alert about something other than a run, for example a file that cannot be read.

    The alert sensor sends the message at its next tick.

    Args:
        key: Identifies the message, for example ``inbox:NAME:FINGERPRINT``; a key is reported only once.
        title: One line.
        body: What was found, what was expected, what to do.
        level: ``ok``, ``warning`` or ``failure``.
        document: Further fields of the line in ``alerts.jsonl``.

    Returns:
        Whether the key was new.
    """
    sinks, _ = configured_sinks(os.environ)
    return open_outbox(sinks).write(key, Message(title, body, level, dict(document or {})))


def report_refused_file(name: str, reason: str) -> None:
    """Alert about a file of the inbox that is not an episode, once per file and reason."""
    notify(f"inbox:{name}:{digest_of(reason)[:12]}", f"{name} is not an episode", reason)


def ended_runs(instance: dg.DagsterInstance, cursor: int | None, *, now: float) -> tuple[list[str], int | None]:
    """Runs that ended since a cursor, oldest first, and the cursor after them.

    Args:
        instance: Whose runs.
        cursor: Storage id of the last end that was read; None before the first.
        now: Seconds since the epoch.
    """
    after = {"after_storage_id": cursor} if cursor is not None else {"after_timestamp": now - FIRST_TICK_S}
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
            # There may be more of this kind; later ends of any kind wait for the next tick.
            complete_until = min(complete_until, records[-1].storage_id)
    read = sorted(storage_id for storage_id in ends if storage_id <= complete_until)
    return [ends[storage_id] for storage_id in read], max(read, default=cursor)


def report_run(instance: dg.DagsterInstance, run: dg.DagsterRun, outbox: Outbox, base_url: str) -> str | None:
    """Store a message about the changes of a run; returns its title, or None if there are none."""
    events = events_of_run(instance, run, base_url)
    compose = partial(message_of_run, run_id=run.run_id, run_link=f"{base_url}/runs/{run.run_id}")
    message = outbox.report(f"run:{run.run_id}", events, compose)
    return None if message is None else message.title


def tick(
    instance: dg.DagsterInstance, cursor: int | None, environment: Mapping[str, str]
) -> tuple[Sequence[str], int | None]:
    """Read the runs that ended, then send every sink its unsent messages.

    Returns:
        What was done, in sentences, and the new cursor.
    """
    sinks, problems = configured_sinks(environment)
    outbox = open_outbox(sinks)
    run_ids, cursor = ended_runs(instance, cursor, now=time.time())
    sentences = list(problems)
    for run_id in run_ids:
        run = instance.get_run_by_id(run_id)
        title = report_run(instance, run, outbox, ui_url(environment)) if run is not None else None
        sentences += [title] if title else []
    return [*sentences, *deliver_all(outbox, sinks)], cursor


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Alerts when a check warns or fails, when a run fails, and when either is over: in alerts.jsonl and to the "
        "services of SCREENALYTICS_ALERT_URLS."
    ),
)
@errors_of_tick()
def alert_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Report ended runs and send messages; launches no runs."""
    sentences, cursor = tick(context.instance, int(context.cursor) if context.cursor else None, os.environ)
    if cursor is not None:
        context.update_cursor(str(cursor))
    return dg.SkipReason("; ".join(sentences) or "nothing new")
