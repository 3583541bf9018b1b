"""The similarity of the identities of an episode as a heatmap."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from screenalytics_assets.core.people.review_candidates import IdentitySimilarity

MAX_IDENTITIES = 40
"""More cells are hard to read; of more identities, those with the longest screen time are shown."""
_TEXT_UP_TO = 16
_DARK_BELOW = 0.45
_COLOURS = np.array(
    [
        tuple(bytes.fromhex(colour))
        for colour in ("ffffd9", "edf8b1", "c7e9b4", "7fcdbb", "41b6c4", "1d91c0", "225ea8", "253494", "081d58")
    ]
)
"""Evenly spaced from 0 to 1: ColorBrewer's YlGnBu in nine classes (colorbrewer2.org), as in matplotlib, which takes a
tenth of a second to import."""


class Cell(NamedTuple):
    """A pair of identities: similarity, fill and text colour, description."""

    value: float
    fill: str
    ink: str
    text: str


class Heatmap(NamedTuple):
    """The cells row by row, in the order of the labels."""

    labels: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def has_numbers(self) -> bool:
        """Whether there is room for a number in each cell."""
        return len(self.labels) <= _TEXT_UP_TO


def heatmap_of(similarity: IdentitySimilarity, labels: Mapping[str, str]) -> Heatmap:
    """A similarity matrix as cells.

    Args:
        similarity: The matrix, in the order in which it is shown.
        labels: Label of each identity.
    """
    names = [labels[name] for name in similarity.identity_ids]
    rows = [
        [_cell(names[i], names[j], value, within=i == j) for j, value in enumerate(row)]
        for i, row in enumerate(similarity.values.tolist())
    ]
    return Heatmap(names, rows)


def _cell(first: str, second: str, value: float, *, within: bool) -> Cell:
    shade = min(1.0, max(0.0, value))
    text = f"within {first}: {value:.2f}" if within else f"{first} and {second}: {value:.2f}"
    places = np.linspace(0.0, 1.0, len(_COLOURS))
    red, green, blue = (round(float(np.interp(shade, places, channel))) for channel in _COLOURS.T)
    luminance = (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255
    return Cell(value, f"#{red:02x}{green:02x}{blue:02x}", "#fff" if luminance < _DARK_BELOW else "#111", text)
