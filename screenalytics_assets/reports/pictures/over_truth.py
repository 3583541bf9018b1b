"""Published intervals drawn over those of the truth, one row per person."""

import io
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from screenalytics_assets.core.common.intervals import Intervals, intervals_of, merged, total_s
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.evaluation.episode_scores import EpisodeScores
from screenalytics_assets.core.evaluation.truth import Truth
from screenalytics_assets.core.evaluation.truth_matching import MIN_VISIBLE
from screenalytics_assets.reports.pictures.labels import plain_label

_TRUTH, _OURS, _SURPLUS = "#b9bfc5", "#0b7285", "#c2255c"


class Compared(NamedTuple):
    """A person of the truth and the matching published person; a surplus published person has no true intervals."""

    label: str
    true: Intervals
    published: Intervals


def true_intervals(truth: Truth, person: str) -> Intervals:
    """When at least `MIN_VISIBLE` of the person's face is visible, in seconds."""
    rows = np.flatnonzero((truth.person_idx == truth.people.index(person)) & (truth.visible >= MIN_VISIBLE))
    frames = np.unique(np.searchsorted(truth.frame_offsets, rows, "right") - 1)
    return merged(np.column_stack([frames, frames + 1]) / truth.fps, gap_s=0.5 / truth.fps)


def compared(truth: Truth, scores: EpisodeScores, screen_time: ScreenTime) -> list[Compared]:
    """The people of the truth in their order, then the published people that match none of them.

    Args:
        truth: The truth.
        scores: The scores of the cleaned episode; they match identities to people.
        screen_time: The published screen time.
    """
    person_of = {name: person for person in screen_time.people for name in person.identity_ids}
    rows, taken = [], set()
    for score in scores.per_person:
        own = person_of.get(score.identity_id or "")
        true = true_intervals(truth, score.person)
        published = intervals_of(own.intervals if own else [])
        if own:
            taken.add(own.person_id)
        rows.append(Compared(f"{score.person}\n{total_s(published):.1f} of {total_s(true):.1f} s", true, published))
    for person in screen_time.people:
        if person.person_id not in taken:
            label = f"{person.label}\nnot in the truth"
            rows.append(Compared(label, intervals_of([]), intervals_of(person.intervals)))
    return rows


def over_truth(rows: list[Compared], *, title: str, duration_s: float) -> bytes:
    """The rows as a PNG: the truth as a wide grey bar, the published intervals as a narrow one over it."""
    figure = Figure(figsize=(11, 1.2 + 0.45 * max(1, len(rows))), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for line, row in enumerate(rows):
        for intervals, height, colour in (
            (row.true, 0.8, _TRUTH),
            (row.published, 0.36, _OURS if len(row.true) else _SURPLUS),
        ):
            spans = [(start_s, end_s - start_s) for start_s, end_s in intervals.tolist()]
            axes.broken_barh(spans, (line - height / 2, height), color=colour)
    axes.set_yticks(range(len(rows)), [plain_label(row.label) for row in rows], fontsize=8)
    axes.set_ylim(max(0.5, len(rows) - 0.5), -0.5)
    axes.set_xlim(0, duration_s)
    axes.set_xlabel("seconds; wide grey bars: truth, narrow bars: published")
    axes.set_title(plain_label(title), loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
