"""`find` with each photo of a facebank: does it name every episode, interval and second of the person, and no other?

    python -m tests.benchmarks.find_photos PHOTO_DIR TRUTH_DIR

``PHOTO_DIR/{person}/*`` holds the photos, the episodes of the truth files are published below the data root. A person
has to be found where at least ``MIN_VISIBLE`` of the face is in view; an interval is a stretch of that of at least
0.3 s within a shot, and is found where half of it is. An answer is false where the person is in less than half of it.
"""

import argparse
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from screenalytics_assets.core.common.episode_ids import show_of
from screenalytics_assets.core.evaluation.truth import Truth
from screenalytics_assets.core.evaluation.truth_matching import MIN_VISIBLE
from screenalytics_assets.core.people.appearances import Appearance
from screenalytics_assets.core.people.person_names import person_of
from screenalytics_assets.services.finding import find_photo
from tests.benchmarks.labelled import frames_with, print_table, read_truths

MIN_INTERVAL_S = 0.3


@dataclass(frozen=True)
class Tally:
    """How much had to be found, was found, was answered and is true of that: episodes, intervals, frames."""

    episodes: int = 0
    episodes_found: int = 0
    episodes_answered: int = 0
    episodes_true: int = 0
    intervals: int = 0
    intervals_found: int = 0
    intervals_answered: int = 0
    intervals_true: int = 0
    frames: int = 0
    frames_found: int = 0
    frames_answered: int = 0
    frames_true: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def row(self, photo: str) -> dict[str, object]:
        """As a line of the table."""
        counts = astuple(self)
        cells: dict[str, object] = {"photo": photo}
        for name, start in (("episodes", 0), ("intervals", 4), ("seconds", 8)):
            asked, found, answered, true = counts[start : start + 4]
            cells[f"{name}, recall"] = _share(found, asked, counted=name != "seconds")
            cells[f"{name}, precision"] = _share(true, answered, counted=name != "seconds")
        return cells


def _share(part: int, whole: int, *, counted: bool) -> str:
    share = f"{part / whole:.3f}" if whole else "1.000"
    return f"{share} ({part}/{whole})" if counted else share


def tally(truth: Truth, person: str, appearance: Appearance | None) -> Tally:
    """One episode, and what was answered of it."""
    required, present = frames_with(truth, person, min_visible=MIN_VISIBLE), frames_with(truth, person)
    asked = [shot for start, end in truth.shots.tolist() for shot in _stretches(required, start, end, truth.fps)]
    answers = [_frames(truth, start_s, end_s) for start_s, end_s in (appearance.intervals_s if appearance else [])]
    named = np.any(answers, axis=0) if answers else np.zeros(truth.frames, bool)
    return Tally(
        int(required.any()),
        int(required.any() and appearance is not None),
        int(appearance is not None),
        int(present.any() and appearance is not None),
        len(asked),
        sum(bool(named[start:end].mean() >= 0.5) for start, end in asked),
        len(answers),
        sum(bool(present[answer].mean() >= 0.5) for answer in answers),
        int(required.sum()),
        int((required & named).sum()),
        int(named.sum()),
        int((named & present).sum()),
    )


def _stretches(seen: NDArray[np.bool_], start: int, end: int, fps: float) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(seen[start:end].astype(np.int8), prepend=0, append=0)) + start
    return [(a, b) for a, b in edges.reshape(-1, 2).tolist() if b - a >= MIN_INTERVAL_S * fps]


def _frames(truth: Truth, start_s: float, end_s: float) -> NDArray[np.bool_]:
    """The frames that begin in an interval of tracks, which go from their first box to their last."""
    begin_s, tolerance_s = np.arange(truth.frames) / truth.fps, 0.5 / truth.fps
    return (start_s - tolerance_s < begin_s) & (begin_s < end_s + tolerance_s)


def main() -> None:
    """Print a line for each photo, and one for all."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.find_photos", description=__doc__)
    parser.add_argument("photo_dir", type=Path)
    parser.add_argument("truth_dir", type=Path)
    options = parser.parse_args()
    truths: Mapping[str, Truth] = read_truths(options.truth_dir)
    show = show_of(next(iter(truths)))
    run, store = SettingsResource().load(), ArtifactStoreResource().store()
    rows, total = [], Tally()
    for photo in sorted(path for path in options.photo_dir.glob("*/*") if not path.name.startswith(".")):
        found = {seen.ep_id: seen for seen in find_photo(photo, run, store, show=show).appearances}
        person_id = person_of(photo.parent.name).person_id
        of_photo = sum((tally(truth, person_id, found.get(ep_id)) for ep_id, truth in truths.items()), Tally())
        rows.append(of_photo.row(f"{photo.parent.name}/{photo.name}"))
        total += of_photo
    print_table([*rows, total.row("all")])


if __name__ == "__main__":
    main()
