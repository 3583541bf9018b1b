"""The acceptance table as a page of the documentation."""

from collections.abc import Iterator

from screenalytics_assets.core.quality.acceptance import BANDS, AcceptanceTable, Limit, MetricLimits
from screenalytics_assets.core.quality.acceptance_metrics import METRICS, Metric

_HEAD = """\
# Acceptance matrix

Generated from `config/acceptance.yaml` by `screenalytics config acceptance > docs/ACCEPTANCE_MATRIX.md`. Each metric is
an asset check of `track_metrics` with one result per episode. A missed target is noted, and the check passes. Beyond
*warn* it fails with severity WARN, beyond *fail* with ERROR. Neither fails the run.

| stage | metric | meaning | target | warn | fail | if out of range |
|---|---|---|---|---|---|---|
"""
_FOOT = """
If an episode lacks what a metric needs, for example faces, the check passes as "not applicable". Running times are
those of `detections` and `tracks` together, divided by the duration of the video.
"""
_SEASONS = """
Seasons with other limits:

| season | metric | target | warn | fail |
|---|---|---|---|---|
"""


def matrix_text(table: AcceptanceTable) -> str:
    """The page in Markdown, with links relative to ``docs/``."""
    rows = "".join(f"{row}\n" for row in _rows(table))
    seasons = "".join(f"{row}\n" for row in _season_rows(table))
    return f"{_HEAD}{rows}{_FOOT}{_SEASONS if seasons else ''}{seasons}"


def _rows(table: AcceptanceTable) -> Iterator[str]:
    stage = ""
    for metric in METRICS.values():
        limits = table.metrics[metric.name]
        shown = metric.stage if metric.stage != stage else ""
        stage = metric.stage
        link = f"[{metric.anchor.replace('-', ' ')}]({metric.docs.removeprefix('docs/')})"
        yield _row(shown, f"`{metric.name}`", metric.meaning, *_limits(metric, limits), link)


def _season_rows(table: AcceptanceTable) -> Iterator[str]:
    for season, names in table.seasons.items():
        for name in names:
            yield _row(season, f"`{name}`", *_limits(METRICS[name], table.limits(name, season)))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _limits(metric: Metric, limits: MetricLimits) -> list[str]:
    cells = [_cell(metric, name, getattr(limits, name)) for name in BANDS]
    if limits.note_below is not None:
        cells[0] += f"; noted below {limits.note_below:g}"
    return cells


def _cell(metric: Metric, band: str, limit: Limit | None) -> str:
    if limit is None:
        return "–"
    if isinstance(limit, tuple):
        inside = f"{limit[0]:g}" if limit[0] == limit[1] else f"{limit[0]:g}–{limit[1]:g}"
        return inside if band == "target" else f"not {inside}"
    number = limit if isinstance(limit, str) else f"{limit:g}"
    if band == "target":
        sign = {"low": "<", "high": ">"} if metric.strict else {"low": "≤", "high": "≥"}
    else:
        sign = {"low": ">", "high": "<"}
    return f"{sign[metric.good]} {number}"
