"""Arithmetic on what was measured: medians with their spread, and how cost grows with the length."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Spread(NamedTuple):
    """Median, least and most of several rounds."""

    median: float
    low: float
    high: float

    def text(self, digits: int) -> str:
        """``12.3 (11.9 to 12.8)``; the median alone where the rounds agree to that many decimals."""
        median, low, high = (f"{value:.{digits}f}" for value in self)
        return median if low == high else f"{median} ({low} to {high})"


def spread_of(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


class Growth(NamedTuple):
    """How cost grows with length.

    Attributes:
        fixed: What a video of no length would take, by the fitted line.
        per_minute: What each minute adds, by the fitted line.
        largest_residual: The largest distance of a measurement from the line, as a share of the line's value there.
        exponent: Slope of the logarithm of the cost over the logarithm of the length: 1 is linear, above is worse, and
            below is linear with something fixed.
    """

    fixed: float
    per_minute: float
    largest_residual: float
    exponent: float

    def text(self) -> str:
        """The line and how good it is."""
        return (
            f"seconds = {self.fixed:.1f} + {self.per_minute:.2f} x minutes, largest residual "
            f"{self.largest_residual:.1%}, growth exponent {self.exponent:.2f}"
        )


def growth(minutes: Sequence[float], costs: Sequence[float]) -> Growth:
    """The line of least squares through the measurements, and the exponent; at least two lengths that differ.

    Raises:
        ValueError: There is one length only.
    """
    if len(set(minutes)) < 2:
        raise ValueError(f"a line needs two lengths, found {len(set(minutes))}")
    per_minute, fixed = np.polyfit(minutes, costs, 1).tolist()
    line = [fixed + per_minute * length for length in minutes]
    residual = max(abs(cost / value - 1) for cost, value in zip(costs, line, strict=True))
    exponent = np.polyfit([math.log(length) for length in minutes], [math.log(cost) for cost in costs], 1)[0]
    return Growth(fixed, per_minute, residual, float(exponent))


def deviation(values: Sequence[float]) -> float:
    """How far the values are from the middle between the least and the most, as a share of it: 0.05 is +- 5 %."""
    return (max(values) - min(values)) / (max(values) + min(values))
