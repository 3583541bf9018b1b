import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources import progress
from resources.progress import LOG_INTERVAL_S, ProgressResource, ProgressTask


class Clock:
    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_a_line_tells_how_far_how_fast_and_how_long_still() -> None:
    task = ProgressTask("detections", 1440, "frames", print)
    task.done = 412
    assert task.line(4.3) == "detections: 412/1440 frames (29 %), 96 frames/s, 0:10 left"


def test_minutes_and_seconds_are_left() -> None:
    task = ProgressTask("faces", 1000, "faces", print)
    task.done = 100
    assert task.line(10).endswith("10 faces/s, 1:30 left")


def test_lines_come_now_and_then_and_not_with_every_unit(clock: Clock) -> None:
    lines: list[str] = []
    with ProgressResource().task("faces", 100, "faces", lines.append) as task:
        for _ in range(40):
            clock.now_s += LOG_INTERVAL_S / 10
            task.advance()
    assert task.done == 40
    assert [line.split()[1] for line in lines] == ["10/100", "20/100", "30/100", "40/100"]


def test_a_short_task_says_nothing(clock: Clock) -> None:
    lines: list[str] = []
    with ProgressResource().task("faces", 10, "faces", lines.append) as task:
        for _ in range(10):
            clock.now_s += LOG_INTERVAL_S / 20
            task.advance()
    assert lines == []


@given(st.integers(0, 5000), st.integers(0, 5000), st.just(0.0) | st.floats(1e-3, 1e4))
def test_a_line_is_sane_also_when_the_total_was_guessed_wrong(total: int, done: int, elapsed_s: float) -> None:
    task = ProgressTask("detections", total, "frames", print)
    task.done = done
    line = task.line(elapsed_s)
    found = re.fullmatch(r"detections: \d+/\d+ frames \((\d+) %\), \d+ frames/s, \d+:[0-5]\d left", line)
    assert found, line
    assert int(found[1]) <= 100


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 10**4))
def test_how_much_is_done_can_be_read_from_a_line(done: int, total: int, elapsed_s: float) -> None:
    task = ProgressTask("reembed", total, "faces", print)
    task.done = done
    assert progress.fraction_of(task.line(elapsed_s)) == (min(1.0, done / total) if total else 1.0)


@pytest.mark.parametrize(
    "line", ["", "faces of x-s01e01: computed and published", "9/10", "a: 1/2 b", "see faces: 1/2"]
)
def test_other_lines_say_nothing_of_how_much_is_done(line: str) -> None:
    assert progress.fraction_of(line) is None
