"""How many seconds a person may be on screen, where it is not certain which tracks show the person."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.intervals import Intervals, time_with_at_least, total_s
from screenalytics_assets.core.screen_time.sightings import Sightings

COVERAGE = 0.9
"""Probability with which the seconds are within the range."""
_DRAWS = 2000
"""A hundred of them are beyond the range at either end, so that its ends scatter little."""


class Bridging(NamedTuple):
    """How the times of tracks become appearances, see `Sightings.intervals`."""

    gap_s: float
    padding_s: float


class Doubt(NamedTuple):
    """A track that may or may not show a person.

    Attributes:
        track_id: The track.
        probability: That it shows the person.
    """

    track_id: str
    probability: float


def seconds_range(
    sightings: Sightings,
    track_ids: Sequence[str],
    doubts: Sequence[Doubt],
    bridging: Bridging,
    *,
    damaged: Intervals,
    confirmed: Intervals,
    duration_s: float,
) -> tuple[float, float]:
    """The least and the most seconds of a person, between which the true ones are with a probability of `COVERAGE`.

    Each doubtful track shows the person or not, independently of the others. Each end of an appearance is as far from
    an analysed frame as half a step at most, to either side alike. In damaged seconds the person may be missing or be
    somebody else. Faces that the detector does not find at all are not considered.

    Args:
        sightings: When the faces of the tracks are in the picture.
        track_ids: The tracks that count for the person.
        doubts: Those of them that may show somebody else, and tracks of others that may show the person.
        bridging: How appearances are made of tracks.
        damaged: When the video is damaged.
        confirmed: When a user confirmed that the person is on screen.
        duration_s: Of the video.
    """
    time = sightings.intervals(track_ids, **bridging._asdict())
    likely_s = total_s(time)
    shown = set(track_ids) - {doubt.track_id for doubt in doubts}
    seconds = [total_s(sightings.intervals(sorted(shown), **bridging._asdict()))]
    by_probability = sorted(doubts, key=lambda doubt: (-doubt.probability, doubt.track_id))
    # Each adds what those before it do not show, so that two at the same time do not count twice.
    for doubt in by_probability:
        shown.add(doubt.track_id)
        seconds.append(total_s(sightings.intervals(sorted(shown), **bridging._asdict())))
    probabilities = np.array([doubt.probability for doubt in by_probability])
    ends_sd_s = _ends_sd_s(time, sightings.step_s)
    low_s, high_s = seconds[0] + _quantiles(np.diff(seconds), probabilities, ends_sd_s)
    # The published seconds are always inside, with the error of their own ends.
    ends_s = _quantiles(np.empty(0), np.empty(0), ends_sd_s)
    low_s, high_s = min(low_s, likely_s + ends_s[0]), max(high_s, likely_s + ends_s[1])
    in_damage_s, confirmed_s = (time_with_at_least(2, [own, damaged]) for own in (time, confirmed))
    least_s = low_s - (in_damage_s - confirmed_s)
    most_s = high_s + total_s(damaged) - in_damage_s
    return max(0.0, least_s), min(duration_s, most_s)


def _quantiles(
    added_s: NDArray[np.float64], probabilities: NDArray[np.float64], ends_sd_s: float
) -> NDArray[np.float64]:
    """(2,) between which the sum of what is added and of the error of the ends is; the same in each run."""
    random = np.random.default_rng(0)
    happens = random.random((_DRAWS, len(added_s))) < probabilities
    drawn_s = happens @ added_s + random.normal(0.0, ends_sd_s, _DRAWS)
    return np.asarray(np.quantile(drawn_s, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]), np.float64)


def _ends_sd_s(time: Intervals, step_s: float) -> float:
    """Standard deviation of the seconds if each end of each interval is uniformly distributed over one step."""
    return step_s * float(np.sqrt(2 * len(time) / 12))
