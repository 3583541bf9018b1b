"""Limits of the metrics, as read from ``config/acceptance.yaml``, and the verdict on a value."""

import difflib
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, ValidationError

from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.config.ranges import MAX_COUNT
from screenalytics_assets.core.quality.acceptance_metrics import METRICS, Metric, absence_of

_RANGE = Field(ge=0, le=MAX_COUNT)
"""Metrics are counts, shares and ratios; none is negative."""
Number = Annotated[StrictInt, _RANGE] | Annotated[StrictFloat, _RANGE]
FIGURE_LIMITS: Mapping[str, str] = {"max_crops_per_track": "crop_stats.max_crops_per_track"}
"""Figures whose name may be given as a limit instead of a number, and where they are published."""

Limit = Number | tuple[Number, Number] | Literal["max_crops_per_track"]
"""A number; two numbers if good values lie between them; or a name in ``FIGURE_LIMITS``."""
Level = Literal["met", "noted", "warning", "failure", "not_applicable"]
Band = tuple[float, float]

_FORMS = f"a number, two numbers [LOWEST, HIGHEST], or {', '.join(FIGURE_LIMITS)}; numbers are from 0 to {MAX_COUNT:,}"
BANDS = ("target", "warn", "fail")


class MetricLimits(BaseModel):
    """The limits of one metric; those that are null do not apply.

    Attributes:
        target: Values should be within it; missing it is noted.
        warn: Values beyond it are a warning.
        fail: Values beyond it are an error.
        note_below: Lower values are noted, never more than that.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    target: Limit | None = None
    warn: Limit | None = None
    fail: Limit | None = None
    note_below: Number | None = None


class MetricVerdict(NamedTuple):
    """The level that a value reaches, and a sentence about it."""

    level: Level
    message: str


class AcceptanceTable(BaseModel):
    """The content of ``acceptance.yaml``: the limits of every metric, and overrides for seasons."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metrics: dict[str, MetricLimits]
    seasons: dict[str, dict[str, MetricLimits]] = {}

    def limits(self, metric: str, season: str) -> MetricLimits:
        """The limits of a metric in a season."""
        return _merged(self.metrics[metric], self.seasons.get(season, {}).get(metric))

    def source(self, metric: str, season: str) -> str:
        """Where the limits of a metric in a season come from."""
        special = metric in self.seasons.get(season, {})
        return f"acceptance.yaml: seasons.{season}" if special else "acceptance.yaml: metrics"


def parse_acceptance(content: Mapping[str, Any], source: str) -> AcceptanceTable:
    """Read and check the table.

    Args:
        content: The YAML document.
        source: Names the file in messages.

    Raises:
        ConfigurationError: A metric or key is unknown, a metric is missing, a limit is of the wrong kind, or limits
            are out of order.
    """
    try:
        table = AcceptanceTable.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(f"{source}: {_explained(error, 3)}") from error
    _refuse_unknown(table.metrics, f"{source}: metrics")
    missing = sorted(set(METRICS) - set(table.metrics))
    if missing:
        raise ConfigurationError(
            f"{source}: metrics: no limits for {', '.join(missing)}; write {{}} for a metric without limits"
        )
    for name, limits in table.metrics.items():
        check_limits(METRICS[name], limits, f"{source}: metrics.{name}")
    for season, overrides in table.seasons.items():
        _refuse_unknown(overrides, f"{source}: seasons.{season}")
        for name in overrides:
            check_limits(METRICS[name], table.limits(name, season), f"{source}: seasons.{season}.{name}")
    return table


def _explained(error: ValidationError, depth: int) -> str:
    """Each key, cut to ``depth`` parts, with its problem; the forms of a limit are explained in one sentence."""
    problems: dict[str, str] = {}
    for problem in error.errors():
        location = problem["loc"]
        place = location[: depth + 1 if location[0] == "seasons" else depth]
        key = ".".join(map(str, place))
        expected = problem["msg"] if place == location else f"expected {_FORMS}"
        problems.setdefault(key, f"{key}: {expected}, found {problem['input']!r:.80}")
    return "; ".join(problems.values())


def _refuse_unknown(names: Iterable[str], source: str) -> None:
    for name in names:
        if name not in METRICS:
            near = difflib.get_close_matches(name, METRICS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known metrics: {', '.join(METRICS)}"
            raise ConfigurationError(f"{source}: unknown metric {name!r}; {hint}")


def overridden(metric: Metric, limits: MetricLimits, overrides: Mapping[str, Any], source: str) -> MetricLimits:
    """The limits of the table with the overrides of a run.

    Raises:
        ConfigurationError: An override is not allowed, or out of order with the other limits.
    """
    try:
        merged = _merged(limits, MetricLimits.model_validate(overrides))
    except ValidationError as error:
        raise ConfigurationError(f"{source}: {_explained(error, 1)}") from error
    check_limits(metric, merged, source)
    return merged


def _merged(limits: MetricLimits, special: MetricLimits | None) -> MetricLimits:
    return limits if special is None else limits.model_copy(update=special.model_dump(exclude_unset=True))


def check_limits(metric: Metric, limits: MetricLimits, source: str) -> None:
    """Refuse limits of the wrong kind, and limits out of order.

    Raises:
        ConfigurationError: The message names the source, what was found and what is expected.
    """
    given = [(name, value) for name in BANDS if (value := getattr(limits, name)) is not None]
    for name, value in given:
        if isinstance(value, tuple) != (metric.good == "inside") or (isinstance(value, tuple) and value[0] > value[1]):
            expected = "two limits [LOWEST, HIGHEST]" if metric.good == "inside" else "one number"
            found = list(value) if isinstance(value, tuple) else value
            raise ConfigurationError(f"{source}.{name}: expected {expected}, found {found!r}")
    numbers = [(name, value) for name, value in given if not isinstance(value, str)]
    for (inner, narrow), (outer, wide) in pairwise(numbers):
        low, high = _band(metric, narrow, {}) or _ANYTHING
        lowest, highest = _band(metric, wide, {}) or _ANYTHING
        if not lowest <= low <= high <= highest:
            order = {"low": "target <= warn <= fail", "high": "target >= warn >= fail"}
            expected = order.get(metric.good, "target within warn within fail")
            raise ConfigurationError(
                f"{source}: {inner} {narrow!r} and {outer} {wide!r} are out of order; expected {expected}"
            )


_ANYTHING: Band = (-math.inf, math.inf)


def _band(metric: Metric, limit: Limit | None, figures: Mapping[str, float | None]) -> Band | None:
    """The values that a limit allows; None without a limit, or if the figure that it names is not published."""
    if isinstance(limit, tuple):
        return float(limit[0]), float(limit[1])
    value = figures.get(FIGURE_LIMITS[limit]) if isinstance(limit, str) else limit
    if limit is None or value is None:
        return None
    return (value, math.inf) if metric.good == "high" else (-math.inf, value)


def limit_figures(metric: Metric, limits: MetricLimits, figures: Mapping[str, float | None]) -> dict[str, float]:
    """The limits as plain numbers by the names that plots show: ``target``, or ``target_min`` and ``target_max``."""
    shown: dict[str, float] = {}
    for name in BANDS:
        band = _band(metric, getattr(limits, name), figures)
        if band is None:
            continue
        if metric.good == "inside":
            shown[f"{name}_min"], shown[f"{name}_max"] = band
        else:
            shown[name] = float(band[0] if metric.good == "high" else band[1])
    return shown


def judge_metric(
    metric: Metric, value: float, limits: MetricLimits, figures: Mapping[str, float | None]
) -> MetricVerdict:
    """The verdict on a value.

    Args:
        metric: The metric.
        value: Its published value.
        limits: The limits that apply.
        figures: All figures of the episode, for limits that name one.
    """
    bands = {name: _band(metric, getattr(limits, name), figures) for name in BANDS}
    finding = f"{metric.name} is {_number(value)}"
    target = f"target {_words(metric, bands['target'], strict=metric.strict)}" if bands["target"] else "no target"
    for name, level in (("fail", "failure"), ("warn", "warning")):
        band = bands[name]
        if band and not band[0] <= value <= band[1]:
            limit = f"the limit for a {level} is {_words(metric, band)}"
            return MetricVerdict(level, f"{finding}, {limit} ({target})")  # type: ignore[arg-type]
    if bands["target"] and not _within_target(metric, value, bands["target"]):
        return MetricVerdict("noted", f"{finding}: misses the {target}, but is acceptable")
    if limits.note_below is not None and value < limits.note_below:
        return MetricVerdict("noted", f"{finding}, below {_number(limits.note_below)}: for information ({target})")
    return MetricVerdict("met", f"{finding} ({target})")


def judge_published(
    metric: Metric, limits: MetricLimits, figures: Mapping[str, float | None]
) -> tuple[float | None, MetricVerdict]:
    """The value of a metric in an episode, None if it does not apply there, and the verdict on it."""
    value, absence = figures.get(metric.path), absence_of(metric, figures)
    if value is None or absence is not None:
        return None, MetricVerdict("not_applicable", absence or "not applicable")
    return value, judge_metric(metric, value, limits, figures)


def _within_target(metric: Metric, value: float, band: Band) -> bool:
    return band[0] < value < band[1] if metric.strict else band[0] <= value <= band[1]


def _words(metric: Metric, band: Band, *, strict: bool = False) -> str:
    low, high = band
    if low == high:
        return _number(low)
    if metric.good == "inside":
        return f"{_number(low)} to {_number(high)}"
    if metric.good == "high":
        return f"{'above' if strict else 'at least'} {_number(low)}"
    return f"{'below' if strict else 'at most'} {_number(high)}"


def _number(value: float) -> str:
    return f"{value:.4g}"
