"""The acceptance metrics of an episode as a report shows them."""

from collections.abc import Mapping
from typing import NamedTuple

from screenalytics_assets.core.documents.track_metrics import TrackMetrics
from screenalytics_assets.core.quality.acceptance import AcceptanceTable, judge_published, limit_figures
from screenalytics_assets.core.quality.acceptance_metrics import (
    METRICS,
    RUNTIME_CPU,
    RUNTIME_GPU,
    figures_of,
)

_WORDS = {"met": "met", "noted": "noted", "warning": "warns", "failure": "fails", "not_applicable": "no value"}
_NOT_SHOWN = frozenset({RUNTIME_CPU, RUNTIME_GPU})
"""Running times are in the UI; a report does not show them so that the same artifacts give the same page."""


class MetricRow(NamedTuple):
    """A metric with its verdict.

    Attributes:
        name: Name of the metric.
        stage: The stage that it judges.
        value: The published value; None if there is none.
        limits: Its limits by name.
        level: ``met``, ``noted``, ``warning``, ``failure`` or ``not_applicable``.
        word: The level as the report shows it.
        message: The verdict in a sentence.
        meaning: What the metric is.
        advice: What to do; empty if the metric is met.
    """

    name: str
    stage: str
    value: float | None
    limits: Mapping[str, float]
    level: str
    word: str
    message: str
    meaning: str
    advice: str


def metric_rows(metrics: TrackMetrics, table: AcceptanceTable, season: str) -> list[MetricRow]:
    """Every metric except the running times.

    Args:
        metrics: The published metrics.
        table: The limits.
        season: The season whose limits apply.
    """
    figures = figures_of(metrics, runtimes_s={"": None}, on_gpu=False)
    found = []
    for name, metric in METRICS.items():
        if name in _NOT_SHOWN:
            continue
        limits = table.limits(name, season)
        shown = limit_figures(metric, limits, figures)
        value, (level, message) = judge_published(metric, limits, figures)
        advice = metric.advice if level in ("noted", "warning", "failure") else ""
        found.append(MetricRow(name, metric.stage, value, shown, level, _WORDS[level], message, metric.meaning, advice))
    return found
