"""How many seconds a person may be on screen."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screenalytics_assets.core.common.intervals import intervals_of
from screenalytics_assets.core.screen_time.sightings import Sightings
from screenalytics_assets.core.screen_time.uncertainty import Bridging, Doubt, seconds_range
from tests.unit.builders import FPS, Seen, frames_table, shots_table, track_id, tracks_table

SECONDS = 40
STEP = 6
"""A quarter of a second."""
NOTHING = intervals_of([])


def sightings(*spans_s: tuple[int, int]) -> Sightings:
    """One track for each span, in a shot of forty seconds."""
    tracks = [[Seen(frame) for frame in range(int(FPS) * start, int(FPS) * end, STEP)] for start, end in spans_s]
    frames = list(range(0, int(FPS) * SECONDS, STEP))
    return Sightings(tracks_table(tracks), frames_table(frames), shots_table([(0, int(FPS) * SECONDS - 1)]))


def range_of(
    seen: Sightings, tracks: list[int], doubts: dict[int, float] | None = None, **changes: Any
) -> tuple[float, float]:
    options = {"damaged": NOTHING, "confirmed": NOTHING, "duration_s": float(SECONDS), **changes}
    found = [Doubt(track_id(track), probability) for track, probability in (doubts or {}).items()]
    return seconds_range(seen, [track_id(track) for track in tracks], found, Bridging(0.0, 0.0), **options)


SEEN = sightings((2, 12), (20, 24), (30, 31))


def test_certain_tracks_leave_only_the_ends_of_their_appearances_open() -> None:
    least_s, most_s = range_of(SEEN, [0])
    half_s = 1.645 * 0.25 * np.sqrt(2 / 12)
    assert (least_s, most_s) == pytest.approx((10 - half_s, 10 + half_s), abs=0.02)


def test_a_track_that_may_show_somebody_else_lowers_the_least_seconds() -> None:
    least_s, most_s = range_of(SEEN, [0, 1], {1: 0.7})
    assert least_s == pytest.approx(10, abs=0.3)
    assert most_s == pytest.approx(14, abs=0.3)


def test_a_track_that_may_show_the_person_raises_the_most_seconds() -> None:
    least_s, most_s = range_of(SEEN, [0], {1: 0.3})
    assert least_s == pytest.approx(10, abs=0.3)
    assert most_s == pytest.approx(14, abs=0.3)


def test_what_is_less_probable_than_a_twentieth_is_outside() -> None:
    assert range_of(SEEN, [0], {1: 0.03}) == pytest.approx(range_of(SEEN, [0]), abs=0.1)


def test_a_doubtful_track_at_the_same_time_as_a_certain_one_changes_nothing() -> None:
    seen = sightings((2, 12), (4, 8))
    assert range_of(seen, [0, 1], {1: 0.5}) == pytest.approx(range_of(seen, [0]), abs=0.05)


def test_in_damaged_seconds_the_person_may_be_missing_or_somebody_else() -> None:
    damaged = intervals_of([(10, 15)])
    (least_s, most_s), intact = range_of(SEEN, [0], damaged=damaged), range_of(SEEN, [0])
    assert (intact[0] - least_s, most_s - intact[1]) == pytest.approx((2, 3), abs=STEP / FPS / 2 + 1e-9)
    confirmed, _ = range_of(SEEN, [0], damaged=damaged, confirmed=intervals_of([(2, 12)]))
    assert confirmed == pytest.approx(intact[0], abs=STEP / FPS / 2 + 1e-9)


def test_the_range_stays_within_the_video() -> None:
    assert range_of(sightings((0, 40)), [0])[1] == SECONDS
    assert range_of(sightings((0, 1)), [0], {0: 0.5})[0] == 0.0


@given(doubts=st.dictionaries(st.integers(0, 2), st.floats(0, 1)), tracks=st.sets(st.integers(0, 2), min_size=1))
def test_the_likely_seconds_are_within_the_range_and_each_run_gives_the_same(
    doubts: dict[int, float], tracks: set[int]
) -> None:
    least_s, most_s = range_of(SEEN, sorted(tracks), doubts)
    assert least_s <= sum((10, 4, 1)[track] for track in tracks) <= most_s
    assert (least_s, most_s) == range_of(SEEN, sorted(tracks), doubts)


def test_two_doubtful_tracks_at_the_same_time_count_once() -> None:
    seen = sightings((2, 12), (20, 24), (20, 24))
    assert range_of(seen, [0], {1: 0.5, 2: 0.5})[1] == pytest.approx(14, abs=0.3)
    assert range_of(seen, [0, 1, 2], {1: 0.5, 2: 0.5})[0] == pytest.approx(10, abs=0.3)
