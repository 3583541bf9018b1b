"""The metrics of an episode against their limits, as a report shows them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from screenalytics_assets.core.quality.acceptance import AcceptanceTable, judge, limit_figures
from screenalytics_assets.core.quality.acceptance_metrics import (
    METRICS,
    RUNTIME_CPU,
    RUNTIME_GPU,
    absence_of,
    figures_of,
)

_WORDS = {"met": "met", "noted": "noted", "warning": "warns", "failure": "fails", "not_applicable": "no value"}
_NOT_SHOWN = frozenset({RUNTIME_CPU, RUNTIME_GPU})
"""Running times are in the UI: a report of the same artifacts is the same page."""


class Judged(NamedTuple):
    """A metric with its verdict.

    Attributes:
        name: Of the metric.
        stage: That it judges.
        value: As published; None where there is none.
        limits: Each with its value.
        level: ``met``, ``noted``, ``warning``, ``failure`` or ``not_applicable``.
        word: The level as people read it.
        message: The verdict in a sentence.
        meaning: What the metric is.
        advice: What to do, where it is not met.
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


def judged(document: Mapping[str, Any], table: AcceptanceTable, season: str) -> list[Judged]:
    """Every metric but the running times.

    Args:
        document: The content of ``track_metrics.json``.
        table: The limits.
        season: Whose limits apply.
    """
    figures = figures_of(document, runtimes_s={"": None}, on_gpu=False)
    found = []
    for name, metric in METRICS.items():
        if name in _NOT_SHOWN:
            continue
        limits = table.limits(name, season)
        value, absence = figures.get(metric.path), absence_of(metric, figures)
        shown = limit_figures(metric, limits, figures)
        if absence is not None or value is None:
            level, message, value = "not_applicable", absence or "not applicable", None
        else:
            level, message = judge(metric, value, limits, figures)
        advice = metric.advice if level in ("noted", "warning", "failure") else ""
        found.append(Judged(name, metric.stage, value, shown, level, _WORDS[level], message, metric.meaning, advice))
    return found
