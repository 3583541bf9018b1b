import numpy as np
import pytest

from screenalytics_assets.core.video.clock import joined_clock
from screenalytics_assets.core.video.probe import summarise_timestamps

HOLD, STEP = 24, 1
"""A frame for each tick, 24 a second."""


def joined(*runs: list[int]) -> list[int]:
    ticks = np.array([tick for run in runs for tick in run], np.int64)
    return (ticks + joined_clock(ticks, HOLD, STEP)).tolist()


def test_a_recording_in_one_piece_keeps_its_times() -> None:
    assert joined(list(range(100, 200))) == list(range(100, 200))


def test_recordings_that_were_joined_follow_each_other() -> None:
    assert joined(list(range(50)), list(range(50)), list(range(30))) == list(range(130))


def test_a_jump_forward_stays_a_gap() -> None:
    times = [*range(50), *range(5000, 5050)]
    assert joined(times) == times


@pytest.mark.parametrize("wrong", [3, 90_000])
def test_one_wrong_time_moves_no_other(wrong: int) -> None:
    times = [*range(50), wrong, *range(51, 100)]
    assert joined(times) == list(range(100))


def test_a_gap_is_no_time_of_a_picture() -> None:
    times_s = np.concatenate([np.arange(138), 1576 + np.arange(188)]) / 24
    found = summarise_timestamps(times_s)
    assert found.fps == pytest.approx(24)
    assert found.gaps.tolist() == [pytest.approx([138 / 24, 1576 / 24])]
    assert found.end_s == pytest.approx((1576 + 188) / 24)


@pytest.mark.parametrize("steps_s", [[4.0] * 6, [2.0, 10.0, 2.0, 10.0, 2.0, 10.0], [600.0]])
def test_a_slideshow_has_no_gaps(steps_s: list[float]) -> None:
    assert not len(summarise_timestamps(np.cumsum([0.0, *steps_s])).gaps)


def test_a_slideshow_can_have_a_gap() -> None:
    found = summarise_timestamps(np.cumsum([0.0, 4, 4, 60, 4, 4]))
    assert found.gaps.tolist() == [[12.0, 68.0]]


def test_the_last_picture_ends_when_the_file_says() -> None:
    assert summarise_timestamps(np.array([0.0, 4, 8, 8.0 + 4]), 0.04).end_s == 12.04
    assert summarise_timestamps(np.array([0.0, 4, 8, 12]), 0.0).end_s == 16
