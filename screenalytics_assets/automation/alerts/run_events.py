"""The alert events of an ended run: results of its checks and steps, and of the run itself."""

from collections.abc import Iterable, Iterator
from urllib.parse import quote

import dagster as dg
from dagster import DagsterEventType

from screenalytics_assets.automation.unfinished_runs import WILL_RETRY_TAG
from screenalytics_assets.core.quality.acceptance import BANDS
from screenalytics_assets.core.quality.acceptance_metrics import TROUBLESHOOTING
from screenalytics_assets.core.quality.alert_state import AlertEvent, Level
from screenalytics_assets.partitions import PARTITION_TAG

RUN_SUBJECT = "run"
_STEP = "step "
_EVENTS = {
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.STEP_SUCCESS,
    DagsterEventType.RUN_FAILURE,
    DagsterEventType.RUN_SUCCESS,
}
_CHECK_FAILED = "DagsterAssetCheckFailedError"
_LIMITS = frozenset({*BANDS, *(f"{name}_{end}" for name in BANDS for end in ("min", "max"))})
_FAILED_RUN_ADVICE = "read the run's log; `screenalytics doctor` says what is missing on the machine"
_OTHER_CHECK_ADVICE = "open the check in the UI; do not trust the assets downstream until it passes"


def events_of_run(instance: dg.DagsterInstance, run: dg.DagsterRun, ui_url: str) -> list[AlertEvent]:
    """The last result of each check and step of a run, in the order in which they ended.

    A failed blocking check also fails its step and the run; only the check is reported.
    """
    entries = [record.event_log_entry for record in instance.get_records_for_run(run.run_id, of_type=_EVENTS).records]
    latest: dict[tuple[str, str], AlertEvent] = {}
    for event in _events(run, entries, ui_url):
        latest.pop((event.ep_id, event.subject), None)
        latest[event.ep_id, event.subject] = event
    return list(latest.values())


def _events(run: dg.DagsterRun, entries: Iterable[dg.EventLogEntry], ui_url: str) -> Iterator[AlertEvent]:
    ep_id = run.tags.get(PARTITION_TAG, "")
    link = f"{ui_url}/runs/{run.run_id}"
    explained = materialized = False
    for entry in entries:
        event = entry.dagster_event
        if event is None:
            continue
        kind = event.event_type
        if kind == DagsterEventType.ASSET_CHECK_EVALUATION:
            yield _of_check(event.asset_check_evaluation_data, ep_id, entry.timestamp, ui_url)
        elif kind == DagsterEventType.ASSET_MATERIALIZATION:
            materialized = True
        elif kind == DagsterEventType.STEP_SUCCESS:
            yield _plain(ep_id, f"{_STEP}{event.step_key}", "ok", "succeeded", entry.timestamp, link)
        elif kind == DagsterEventType.STEP_FAILURE:
            explained = True
            message = _step_failure(event)
            if message is not None:
                yield _plain(ep_id, f"{_STEP}{event.step_key}", "failure", message, entry.timestamp, link)
        elif kind == DagsterEventType.RUN_FAILURE and not explained:
            retried = " (Dagster will retry it)" if run.tags.get(WILL_RETRY_TAG) == "true" else ""
            message = f"{event.message or 'the run failed'}{retried}"
            yield _plain(ep_id, RUN_SUBJECT, "failure", message, entry.timestamp, link)
        elif kind == DagsterEventType.RUN_SUCCESS and materialized:
            yield _plain(ep_id, RUN_SUBJECT, "ok", "a run succeeded", entry.timestamp, link)


def _plain(ep_id: str, subject: str, level: Level, message: str, at: float, link: str) -> AlertEvent:
    advice = _FAILED_RUN_ADVICE if level == "failure" else ""
    docs = f"{TROUBLESHOOTING}#failed-runs" if advice else ""
    return AlertEvent(ep_id, subject, level, message, state=message, at=at, advice=advice, docs=docs, link=link)


def _of_check(evaluation: dg.AssetCheckEvaluation, ep_id: str, at: float, ui_url: str) -> AlertEvent:
    """The result of a check, with ``value``, ``advice`` and ``docs`` of its metadata where it has them."""
    metadata = {key: entry.value for key, entry in evaluation.metadata.items()}
    value = metadata.get("value")
    number = float(value) if isinstance(value, int | float) else None
    limits = {key: float(limit) for key, limit in metadata.items() if key in _LIMITS and isinstance(limit, int | float)}
    failed: Level = "failure" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "warning"
    message = evaluation.description or ("passed" if evaluation.passed else "did not pass")
    asset = evaluation.asset_key.to_user_string()
    return AlertEvent(
        ep_id=evaluation.partition or ep_id,
        subject=f"{asset}/{evaluation.check_name}",
        level="ok" if evaluation.passed else failed,
        message=message,
        # A changed limit with an unchanged value in the same band is not a new breach.
        state=message if number is None else f"{number:.4g}",
        at=at,
        value=number,
        limits=limits or None,
        advice=str(metadata.get("advice", _OTHER_CHECK_ADVICE)),
        docs=str(metadata.get("docs", f"{TROUBLESHOOTING}#other-checks")),
        link=f"{ui_url}/assets/{quote(asset)}?view=checks&checkDetail={quote(evaluation.check_name)}",
    )


def _step_failure(event: dg.DagsterEvent) -> str | None:
    """Why a step failed, or None if a failed check is the reason."""
    data = event.step_failure_data
    described = data.user_failure_data.description if data.user_failure_data else None
    if described:
        return described
    if data.error is None:
        return "failed"
    if data.error.cls_name == _CHECK_FAILED:
        return None
    return (data.error.cause or data.error).message.strip()
