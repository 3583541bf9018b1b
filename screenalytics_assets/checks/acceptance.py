"""One check per metric of ``acceptance.yaml``: a verdict on the published figures of an episode."""

from typing import NamedTuple

import dagster as dg

from resources.configuration.acceptance_limits import load_acceptance
from screenalytics_assets.checks.episode_check import (
    CheckSpec,
    Overrides,
    Published,
    build_check,
    corrections_remark,
)
from screenalytics_assets.core.common.episode_ids import season_of
from screenalytics_assets.core.config.providers import CUDA
from screenalytics_assets.core.documents.track_metrics import TrackMetrics
from screenalytics_assets.core.quality.acceptance import (
    MetricLimits,
    MetricVerdict,
    judge_published,
    limit_figures,
    overridden,
)
from screenalytics_assets.core.quality.acceptance_metrics import METRICS, Metric, figures_of
from screenalytics_assets.metadata import to_metadata

JUDGED = "track_metrics"
"""The asset that the checks belong to: it has the figures of every stage."""
TIMED = ("detections", "tracks")
"""The stages whose running time is judged."""
RUN_CONFIGURATION = "run configuration"


class NumberLimits(dg.Config):
    """Limits for this run; those left out are the season's."""

    target: float | None = None
    warn: float | None = None
    fail: float | None = None


class RangeLimits(dg.Config):
    """Limits for this run, each the lowest and the highest allowed value; those left out are the season's."""

    target: list[float] | None = None
    warn: list[float] | None = None
    fail: list[float] | None = None


class Judgement(NamedTuple):
    """A metric of an episode, its limits and the verdict."""

    metric: Metric
    value: float | None
    limits: dict[str, float]
    source: str
    verdict: MetricVerdict

    def result(self) -> dg.AssetCheckResult:
        """As the UI shows it: numbers that it plots over the season, and what to do."""
        severity = dg.AssetCheckSeverity.ERROR if self.verdict.level == "failure" else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(
            passed=self.verdict.level not in ("warning", "failure"),
            severity=severity,
            description=self.verdict.message,
            metadata=to_metadata(
                {
                    **({} if self.value is None else {"value": float(self.value)}),
                    **self.limits,
                    "verdict": self.verdict.level,
                    "meaning": self.metric.meaning,
                    "advice": self.metric.advice,
                    "docs": self.metric.docs,
                    "limits_from": self.source,
                }
            ),
        )


def published_figures(published: Published) -> dict[str, float | None]:
    """What an episode published about itself.

    Raises:
        ArtifactError: It has no metrics yet; the message says what to run.
    """
    document = published[JUDGED].document("track_metrics.json", TrackMetrics)
    found = {name: published.store.manifest(name, published.ep_id) for name in TIMED}
    runs = {name: manifest.metrics for name, manifest in found.items() if manifest is not None}
    return figures_of(
        document,
        runtimes_s={name: runs.get(name, {}).get("runtime_s") for name in TIMED},
        on_gpu=runs.get("detections", {}).get("provider") == CUDA,
    )


def judge_episode(metric: Metric, published: Published, overrides: Overrides) -> Judgement:
    """Judge one metric of an episode by the limits of its season and of the run.

    Raises:
        ConfigurationError: Limits that are not allowed.
        ArtifactError: The episode has no metrics yet.
    """
    table, season = load_acceptance(), season_of(published.ep_id)
    limits: MetricLimits = table.limits(metric.name, season)
    source = table.source(metric.name, season)
    if overrides:
        source = f"{RUN_CONFIGURATION} ({', '.join(overrides)}), {source}"
        limits = overridden(metric, limits, overrides, f"{RUN_CONFIGURATION}: {op_name(metric.name)}")
    figures = published_figures(published)
    value, verdict = judge_published(metric, limits, figures)
    of_identities = metric.path.startswith("cluster_metrics.")
    if of_identities and verdict.level in ("warning", "failure") and (remark := corrections_remark(published)):
        verdict = verdict._replace(message=f"{verdict.message}; {remark}")
    return Judgement(metric, value, limit_figures(metric, limits, figures), source, verdict)


def op_name(check: str) -> str:
    """The key of a check below ``ops`` in the run configuration."""
    return f"{JUDGED}_{check}"


def _acceptance_check(metric: Metric) -> dg.AssetChecksDefinition:
    return build_check(
        CheckSpec(
            JUDGED,
            metric.name,
            f"{metric.stage}: {metric.meaning}.",
            lambda published, overrides: judge_episode(metric, published, overrides).result(),
            limits=RangeLimits if metric.good == "inside" else NumberLimits,
        )
    )


ACCEPTANCE_CHECKS = [_acceptance_check(metric) for metric in METRICS.values()]
