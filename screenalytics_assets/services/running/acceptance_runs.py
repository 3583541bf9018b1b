"""Runs the acceptance checks of an episode in this process and compares them with the previous evaluation."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import uuid4

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.acceptance_limits import load_acceptance
from screenalytics_assets.checks.acceptance import JUDGED, judge_episode, op_name, published_figures
from screenalytics_assets.checks.episode_check import Published
from screenalytics_assets.core.common.episode_ids import parse_ep_id
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.quality.acceptance_metrics import METRICS
from screenalytics_assets.dagster_private import latest_check_evaluation
from screenalytics_assets.definitions import defs
from screenalytics_assets.partitions import PARTITION_TAG, register_episode
from screenalytics_assets.run_owner import owned_run

ACCEPTANCE_JOB = "acceptance_job"


class CheckOutcome(NamedTuple):
    """The result of the check of one metric of an episode.

    Attributes:
        metric: Name of the metric.
        passed: Whether the check passed.
        severity: ``WARN`` or ``ERROR``; without meaning if the check passed.
        message: The verdict in words.
        figures: The value and its limits.
        earlier: Verdict, value and limits of the previous evaluation; empty if there was none.
        verdict: ``met``, ``noted``, ``warning``, ``failure`` or ``not_applicable``.
    """

    metric: str
    passed: bool
    severity: str
    message: str
    figures: dict[str, float]
    earlier: dict[str, Any]
    verdict: str

    def changes(self) -> list[str]:
        """What differs from the previous evaluation, for example ``warn 50 -> 25``."""
        now = {"verdict": self.verdict, **self.figures}
        if not self.earlier:
            return []
        keys = [key for key in {**now, **self.earlier} if now.get(key) != self.earlier.get(key)]
        return [f"{key} {_shown(self.earlier.get(key))} -> {_shown(now.get(key))}" for key in keys]


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "none" if value is None else str(value)


def run_acceptance_checks(
    instance: dg.DagsterInstance, ep_id: str, overrides: Mapping[str, Mapping[str, Any]]
) -> list[CheckOutcome]:
    """Evaluate the acceptance checks on the published metrics of an episode, computing nothing else.

    Args:
        instance: Records the evaluations.
        ep_id: The episode.
        overrides: Limits for this run, by metric.

    Raises:
        ConfigurationError: A metric or a limit that does not exist, or is not allowed.
        ArtifactError: The episode has no metrics yet.
    """
    parse_ep_id(ep_id)
    unknown = sorted(set(overrides) - set(METRICS))
    if unknown:
        raise ConfigurationError(f"unknown metric {', '.join(unknown)}; known: {', '.join(METRICS)}")
    load_acceptance()  # before anything is launched: each check would fail and be reported by itself
    published = Published(ArtifactStoreResource().store(), ep_id)
    published_figures(published)
    for name, limits in overrides.items():
        judge_episode(METRICS[name], published, limits)
    earlier = {name: _earlier(instance, name, ep_id) for name in METRICS}
    register_episode(instance, ep_id)
    run_id = str(uuid4())
    try:
        with owned_run(instance, run_id):
            result = defs.resolve_job_def(ACCEPTANCE_JOB).execute_in_process(
                instance=instance,
                run_config={
                    "ops": {op_name(name): {"config": dict(limits)} for name, limits in overrides.items()},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                # A job that consists of checks alone takes no partition key.
                run_id=run_id,
                tags={PARTITION_TAG: ep_id},
                raise_on_error=False,
            )
    except dg.DagsterInvalidConfigError as error:
        raise ConfigurationError("; ".join(problem.message for problem in error.errors)) from error
    _require_all_judged(result)
    return [
        CheckOutcome(
            metric=evaluation.check_name,
            passed=evaluation.passed,
            severity=evaluation.severity.value,
            message=evaluation.description or "",
            figures=_figures(evaluation),
            earlier=earlier[evaluation.check_name],
            verdict=str(evaluation.metadata["verdict"].value),
        )
        for evaluation in result.get_asset_check_evaluations()
    ]


def _require_all_judged(result: dg.ExecuteInProcessResult) -> None:
    for event in result.filter_events(lambda event: event.event_type == dg.DagsterEventType.STEP_FAILURE):
        data = event.step_failure_data
        described = data.user_failure_data.description if data.user_failure_data else None
        raise ConfigurationError(described or f"{event.step_key}: {data.error_display_string}")


def _figures(evaluation: dg.AssetCheckEvaluation) -> dict[str, float]:
    return {key: entry.value for key, entry in evaluation.metadata.items() if isinstance(entry.value, float)}


def _earlier(instance: dg.DagsterInstance, metric: str, ep_id: str) -> dict[str, Any]:
    evaluation = latest_check_evaluation(instance, dg.AssetCheckKey(dg.AssetKey(JUDGED), metric), ep_id)
    return {"verdict": evaluation.metadata["verdict"].value, **_figures(evaluation)} if evaluation else {}
