"""The page of a season: people by episodes, and where to read more."""

import io
from collections.abc import Mapping
from posixpath import dirname, relpath
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from screenalytics_assets.reports.page import render_page
from screenalytics_assets.reports.timeline import COLOURS

_LINES = 8
"""People in the plot: more lines cannot be told apart."""


def render_season(document: Mapping[str, Any], *, place: str, reports: Mapping[str, str]) -> str:
    """The page as HTML.

    Args:
        document: The screen-time document of the season.
        place: Where the page will be.
        reports: Where the reports of its episodes are, for those that have one.
    """
    links = {ep_id: relpath(report, dirname(place)) for ep_id, report in reports.items()}
    most_s = max((s for row in document["people"] for s in row["seconds"].values()), default=0.0)
    return render_page("season.html.j2", season=document, links=links, most_s=most_s, lines=_lines(document))


def _lines(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Shares of the episodes, a line a person, for those who are seen most."""
    durations = {episode["ep_id"]: episode["duration_s"] for episode in document["episodes"]}
    return [
        {
            "name": row["name"],
            "colour": COLOURS[i % len(COLOURS)],
            "shares": [row["seconds"][ep_id] / duration_s for ep_id, duration_s in durations.items()],
        }
        for i, row in enumerate(document["people"][:_LINES])
    ]


def season_plot(document: Mapping[str, Any]) -> bytes:
    """The same lines for the UI, as a PNG."""
    figure = Figure(figsize=(9, 3.6), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    names = [episode["ep_id"] for episode in document["episodes"]]
    for line in _lines(document):
        axes.plot(names, [100 * share for share in line["shares"]], "o-", color=line["colour"], label=line["name"])
    axes.set_ylabel("% of the episode")
    axes.set_ylim(bottom=0)
    axes.tick_params(axis="x", rotation=30)
    axes.spines[["top", "right"]].set_visible(False)
    if document["people"]:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
