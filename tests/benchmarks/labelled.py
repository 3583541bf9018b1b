"""The labelled episodes that benchmarks score against."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from screenalytics_assets.core.evaluation.truth import Truth
from screenalytics_assets.services.scoring import read_truth, table_text

_TRUTH = ".truth.json"


def read_truths(folder: Path) -> dict[str, Truth]:
    """The truth of each episode of a folder with ``{ep_id}.truth.json``, by its id."""
    return {path.name.removesuffix(_TRUTH): read_truth(path) for path in sorted(folder.glob(f"*{_TRUTH}"))}


def frames_with(truth: Truth, person: str, *, min_visible: float = 0.0) -> NDArray[np.bool_]:
    """(frames,) whether a face of the person is in the frame, with at least that share of it in view."""
    seen = np.zeros(truth.frames, bool)
    if person in truth.people:
        own = (truth.person_idx == truth.people.index(person)) & (truth.visible >= min_visible)
        seen[np.searchsorted(truth.frame_offsets, np.flatnonzero(own), "right") - 1] = True
    return seen


def print_table(rows: Iterable[dict[str, object]]) -> None:
    """Rows as a Markdown table."""
    Console(soft_wrap=True, highlight=False).print(table_text(list(rows), ".md"), end="", markup=False)
