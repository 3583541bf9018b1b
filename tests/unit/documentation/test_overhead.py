"""The benchmark that tells where the time of a run goes."""

import pytest

from tests.benchmarks.overhead import Event, StepTimes, step_times


def test_the_time_of_a_step_is_divided_by_its_events() -> None:
    events = [
        Event(10.0, "ASSET_MATERIALIZATION_PLANNED", "tracks", ""),
        Event(11.0, "STEP_START", "tracks", ""),
        Event(11.5, "LOG", "tracks", "tracks: 10/20 crops"),
        Event(14.0, "LOG", "tracks", "tracks of a-s01e01: computed and published"),
        Event(14.25, "STEP_SUCCESS", "tracks", ""),
        Event(15.0, "STEP_START", "tracks_integrity", ""),
        Event(15.1, "ASSET_CHECK_EVALUATION", "tracks_integrity", "tracks"),
        Event(15.5, "STEP_SUCCESS", "tracks_integrity", ""),
    ]
    times = step_times(events, {"tracks": 2.0})
    assert times == {"tracks": pytest.approx(StepTimes(2.0, 1.0, 0.25, 0.5))}
    assert times["tracks"].total_s == pytest.approx(3.75)


def test_a_step_that_was_reused_computed_nothing_and_one_that_failed_is_left_out() -> None:
    events = [
        Event(1.0, "STEP_START", "faces", ""),
        Event(1.5, "LOG", "faces", "faces of a-s01e01: unchanged, nothing computed"),
        Event(2.0, "STEP_SUCCESS", "faces", ""),
        Event(3.0, "STEP_START", "tracks", ""),
        Event(4.0, "STEP_FAILURE", "tracks", ""),
    ]
    assert step_times(events, {"faces": 9.0, "tracks": 9.0}) == {"faces": StepTimes(0.0, 0.5, 0.5, 0.0)}
