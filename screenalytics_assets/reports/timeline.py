"""The timeline of a report: a row of intervals for each person over one axis."""

from collections.abc import Sequence
from typing import NamedTuple

from screenalytics_assets.reports.people import ReportPerson

MAX_THUMBNAILS = 400
"""The longest intervals have a picture of their own; the others show the person's best crop."""
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_TICKS = 8
COLOURS = ("#0b7285", "#b3541e", "#5f3dc4", "#2b8a3e", "#c2255c", "#1864ab", "#7a5c00", "#862e9c", "#495057", "#a61e4d")
"""Each has a contrast of at least 3:1 on the lanes (WCAG 1.4.11); rows are identified by their names."""


class Span(NamedTuple):
    """An interval of a row.

    Attributes:
        start_s: Start in seconds.
        end_s: End in seconds.
        text: Description of the interval.
        thumbnail: Detection whose crop is shown with it.
    """

    start_s: float
    end_s: float
    text: str
    thumbnail: str | None


class Row(NamedTuple):
    """A person's row."""

    person: ReportPerson
    colour: str
    spans: Sequence[Span]


class Timeline(NamedTuple):
    """The rows of all people, with cuts and axis labels."""

    duration_s: float
    cuts_s: Sequence[float]
    ticks: Sequence[tuple[float, str]]
    rows: Sequence[Row]

    @property
    def thumbnails(self) -> set[str]:
        """Detections whose crops the timeline shows."""
        return {span.thumbnail for row in self.rows for span in row.spans if span.thumbnail}


def clock(seconds: float, *, tenths: bool = True) -> str:
    """Seconds as a player shows them: 75.27 is 1:15.3, or 1:15 without tenths."""
    tenth = round(seconds * 10) if tenths else int(seconds) * 10
    hours, rest = divmod(tenth // 10, 3600)
    minutes, whole = divmod(rest, 60)
    text = f"{hours}:{minutes:02d}:{whole:02d}" if hours else f"{minutes}:{whole:02d}"
    return f"{text}.{tenth % 10}" if tenths else text


def timeline_of(people: Sequence[ReportPerson], *, cuts_s: Sequence[float], duration_s: float) -> Timeline:
    """The timeline, rows in the order of the people."""
    lengths = sorted((end_s - start_s for p in people for start_s, end_s in p.intervals_s), reverse=True)
    shortest_s = lengths[MAX_THUMBNAILS - 1] if len(lengths) > MAX_THUMBNAILS else 0.0
    rows = [Row(p, COLOURS[i % len(COLOURS)], _spans(p, shortest_s)) for i, p in enumerate(people)]
    return Timeline(duration_s, cuts_s, ticks_of(duration_s), rows)


def ticks_of(duration_s: float) -> list[tuple[float, str]]:
    """Round times along the episode, each with its label."""
    step_s = next((step for step in _STEPS_S if duration_s / step <= _TICKS), 2 * _STEPS_S[-1])
    return [(float(at), clock(at, tenths=False)) for at in range(0, int(duration_s * 0.97) + 1, step_s)]


def _spans(person: ReportPerson, shortest_s: float) -> list[Span]:
    best = person.best[0].detection_id if person.best else None
    spans = []
    for start_s, end_s in person.intervals_s:
        own = person.face_in(start_s, end_s) if end_s - start_s >= shortest_s else None
        text = f"{person.label}, {clock(start_s)} to {clock(end_s)}, {end_s - start_s:.1f} s"
        spans.append(Span(start_s, end_s, text, own.detection_id if own else best))
    return spans
