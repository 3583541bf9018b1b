"""How often two tracks at one place, an even number of shots apart, show one person: on labelled tracks of episodes.

    python -m tests.benchmarks.threads DATA

DATA is the folder ``data`` of TVPersonID (Tapaswi et al., FG 2015), with hand-labelled face tracks and cuts of twelve
episodes. Prints a Markdown row for each overlap of the last and the first box: pairs of tracks within
`NEARBY_S`, the share that shows one person, and the likelihood ratio that this is and that the product uses.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from screenalytics_assets.core.common.geometry import paired_iou
from screenalytics_assets.core.identity.link_probability import NEARBY_S, thread_ratios
from tests.benchmarks.labelled import print_table

_TRACKS = ".facetracks.mat"
_BINS = 10


class Tracks(NamedTuple):
    """The tracks of an episode by their start; boxes are x1, y1, x2, y2 in pixels."""

    spans_s: NDArray[np.float64]
    shots: NDArray[np.int64]
    first_boxes: NDArray[np.float32]
    last_boxes: NDArray[np.float32]
    people: NDArray[np.str_]


def read_tracks(path: Path, cuts_path: Path) -> Tracks:
    """The labelled tracks of an episode, with the number of the shot of each."""
    cut_lines = (line.split() for line in cuts_path.read_text(encoding="utf-8").splitlines()[1:])
    cuts = np.sort([int(words[0]) for words in cut_lines if words])
    found = []
    for track in loadmat(path, squeeze_me=True, struct_as_record=False)["FaceTracks"]:
        frames, ts_s, *sides = (np.atleast_1d(getattr(track, name)) for name in ("frames", "timestamps", *"xywh"))
        if len(frames):
            x, y, width, height = (side.astype(np.float32) for side in sides)
            boxes = np.column_stack([x, y, x + width, y + height])
            shot = int(np.searchsorted(cuts, frames[0], side="right"))
            found.append((ts_s[[0, -1]], shot, boxes[0], boxes[-1], str(track.groundTruthIdentity)))
    found.sort(key=lambda entry: float(entry[0][0]))
    spans_s, shots, first_boxes, last_boxes, people = zip(*found, strict=True)
    return Tracks(
        np.array(spans_s, np.float64), np.array(shots), np.array(first_boxes), np.array(last_boxes), np.array(people)
    )


def pairs(tracks: Tracks) -> Iterator[NDArray[np.float64]]:
    """(N, 3) arrays of pairs in different shots: number of shots apart, overlap, whether both show one person."""
    for row in range(len(tracks.shots)):
        starts_s, end_s = tracks.spans_s[:, 0], tracks.spans_s[row, 1]
        later = np.flatnonzero((tracks.shots > tracks.shots[row]) & (starts_s > end_s) & (starts_s <= end_s + NEARBY_S))
        overlap = paired_iou(np.repeat(tracks.last_boxes[row][None], len(later), 0), tracks.first_boxes[later])
        apart = tracks.shots[later] - tracks.shots[row]
        yield np.column_stack([apart, overlap, tracks.people[later] == tracks.people[row]])


def rows_of(found: NDArray[np.float64]) -> Iterator[dict[str, object]]:
    """A row for each number of shots apart that the product uses, and each tenth of overlap."""
    for apart in (2, 4):
        of_apart = found[found[:, 0] == apart]
        chance = of_apart[:, 2].mean()
        for low in np.arange(_BINS) / _BINS:
            inside = of_apart[(of_apart[:, 1] >= low) & (of_apart[:, 1] < low + 1 / _BINS)]
            right = inside[:, 2].mean()
            odds = (right / max(1 - right, 1 / len(inside))) / (chance / (1 - chance))
            used = thread_ratios(np.array([inside[:, 1].mean()]), np.array([apart]))[0]
            yield {
                "shots apart": apart,
                "IoU from": low,
                "pairs": len(inside),
                "one person": right,
                "likelihood ratio": odds,
                "used": used,
            }


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.threads", description=__doc__)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    found = [
        pair
        for path in sorted((data / "tracks").glob(f"*{_TRACKS}"))
        for pair in pairs(read_tracks(path, data / "video" / path.name.replace(_TRACKS, ".videvents")))
    ]
    print_table(rows_of(np.concatenate(found)))


if __name__ == "__main__":
    main()
