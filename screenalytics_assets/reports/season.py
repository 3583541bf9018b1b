"""The page of a season: people by episode, with links to the episodes' reports."""

import io
from collections.abc import Mapping, Sequence
from posixpath import dirname, relpath
from typing import NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from screenalytics_assets.core.documents.screen_time import SeasonScreenTime
from screenalytics_assets.reports.page import render_page
from screenalytics_assets.reports.pictures.labels import plain_label
from screenalytics_assets.reports.timeline import COLOURS

_LINES = 8
"""People in the plot; more lines cannot be distinguished."""


class ShareLine(NamedTuple):
    """A person's share of each episode as a line of the plot."""

    name: str
    colour: str
    shares: Sequence[float]


def render_season(season: SeasonScreenTime, *, place: str, reports: Mapping[str, str]) -> str:
    """The page as HTML.

    Args:
        season: The screen time of the season.
        place: Where the page will be.
        reports: Locations of the episodes' reports, as far as they exist.
    """
    links = {ep_id: relpath(report, dirname(place)) for ep_id, report in reports.items()}
    most_s = max((s for person in season.people for s in person.seconds.values()), default=0.0)
    return render_page("season.html.j2", season=season, links=links, most_s=most_s, lines=_lines(season))


def _lines(season: SeasonScreenTime) -> list[ShareLine]:
    """The people with the most screen time."""
    return [
        ShareLine(
            person.name,
            COLOURS[i % len(COLOURS)],
            [person.seconds[episode.ep_id] / episode.duration_s for episode in season.episodes],
        )
        for i, person in enumerate(season.people[:_LINES])
    ]


def season_plot(season: SeasonScreenTime) -> bytes:
    """The lines of the page as a PNG for the UI."""
    buffer = io.BytesIO()
    season_figure(season).savefig(buffer, format="png")
    return buffer.getvalue()


def season_figure(season: SeasonScreenTime) -> Figure:
    """The lines of the page with their axes and legend."""
    figure = Figure(figsize=(9, 3.6), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    names = [episode.ep_id for episode in season.episodes]
    lines = _lines(season)
    drawn = [axes.plot(names, [100 * share for share in line.shares], "o-", color=line.colour)[0] for line in lines]
    axes.set_ylabel("% of the episode")
    axes.set_ylim(bottom=0)
    axes.tick_params(axis="x", rotation=30)
    axes.spines[["top", "right"]].set_visible(False)
    if lines:
        # As labels of the lines, names that begin with an underscore would be left out.
        labels = [plain_label(line.name) for line in lines]
        axes.legend(drawn, labels, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
