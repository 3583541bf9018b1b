"""The clock of a video file: one that runs on where recordings were joined, and the time without pictures."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.intervals import Intervals

MAX_HOLD_S = 1.0
"""Longest time for which one picture may stand in a video of many pictures a second. Encoders leave out pictures that
repeat, but a living face never repeats for long; where nothing changes, detection too trusts a picture for this long
(``still_interval_s``)."""
MAX_HOLD_STEPS = 3
"""In a slow video, such as a slideshow, it may stand for as many usual steps: a step is rarely more than doubled by
rounding or a picture left out, and three leave a margin."""
_USUAL_QUANTILE = 0.9
"""The usual step is one that nine in ten do not exceed: a slideshow may mix short and long steps, while the gaps of a
recording are few."""


def usual_hold_s(times_s: NDArray[np.float64]) -> float:
    """For how long one picture may stand: (N,) ascending seconds of at least two pictures, in; seconds, out."""
    usual_s = float(np.quantile(np.diff(times_s), _USUAL_QUANTILE, method="lower"))
    return max(MAX_HOLD_S, MAX_HOLD_STEPS * usual_s)


def gaps_between(times_s: NDArray[np.float64]) -> NDArray[np.intp]:
    """Numbers of the pictures after which there is a gap: the next one is later than one picture may stand for.

    Args:
        times_s: (N,) ascending seconds, at least two.
    """
    return np.flatnonzero(np.diff(times_s) > usual_hold_s(times_s))


class _Run(NamedTuple):
    """Packets in the order of the file whose times go on without a jump."""

    first: int
    end: int
    start_ticks: int
    end_ticks: int


def joined_clock(decode_ticks: NDArray[np.int64], max_hold_ticks: int, step_ticks: int) -> NDArray[np.int64]:
    """What to add to the times of each packet so that they go on where recordings were joined.

    Times of decoding never go back in one recording. Where they do, a new recording begins: it follows the one before.
    A few packets with a wrong time, after which the old times go on, are put where they stand. A jump forward stays:
    the time is missing in the file.

    Args:
        decode_ticks: (N,) times of decoding, in the order of the file.
        max_hold_ticks: A longer step is a jump.
        step_ticks: The usual step.

    Returns:
        (N,) int64 ticks, all zero for a recording in one piece.
    """
    shifts = np.zeros(len(decode_ticks), np.int64)
    runs = _runs(decode_ticks, max_hold_ticks)
    offsets = [0]
    end: int | None = None
    for number, run in enumerate(runs):
        if end is None:
            end = run.end_ticks + step_ticks
            continue
        limit = end + max_hold_ticks
        offset = next((o for o in reversed(offsets) if end - step_ticks < run.start_ticks + o <= limit), None)
        if offset is None:
            start = run.start_ticks + offsets[-1]
            following = runs[number + 1].start_ticks + offsets[-1] if number + 1 < len(runs) else None
            is_slip = following is not None and end - step_ticks < following <= limit
            offset = end - run.start_ticks if is_slip or start < end else offsets[-1]
            if not is_slip and offset not in offsets:
                offsets.append(offset)
        elif offset != offsets[-1]:
            offsets.remove(offset)
            offsets.append(offset)
        shifts[run.first : run.end] = offset
        end = max(end, run.end_ticks + offset + step_ticks)
    return shifts


def _runs(decode_ticks: NDArray[np.int64], max_hold_ticks: int) -> list[_Run]:
    steps = np.diff(decode_ticks)
    bounds = [0, *(np.flatnonzero((steps < 0) | (steps > max_hold_ticks)) + 1).tolist(), len(decode_ticks)]
    return [
        _Run(first, end, int(decode_ticks[first]), int(decode_ticks[end - 1]))
        for first, end in pairwise(bounds)
        if end > first
    ]


def with_gap_before_start(gaps_s: Intervals, first_packet_s: float, start_s: float) -> Intervals:
    """The gaps, and before them the time that cannot be decoded because the file begins between key frames."""
    if start_s <= first_packet_s:
        return gaps_s
    return np.concatenate([[[first_packet_s, start_s]], gaps_s])
