import json
import re

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from resources import progress
from resources.progress import (
    REPORT_INTERVAL_S,
    TAG_PREFIX,
    ProgressResource,
    ProgressTask,
    reported_fractions,
)


class Clock:
    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_a_line_shows_what_is_done_the_rate_and_the_time_left() -> None:
    task = ProgressTask("detections", 1440, "frames", print)
    task.done = 412
    assert task.line(4.3) == "detections: 412/1440 frames (29 %), 96 frames/s, 0:10 left"


def test_minutes_and_seconds_are_left() -> None:
    task = ProgressTask("faces", 1000, "faces", print)
    task.done = 100
    assert task.line(10).endswith("10 faces/s, 1:30 left")


def test_a_line_is_logged_per_interval_and_not_per_unit(clock: Clock) -> None:
    lines: list[str] = []
    with ProgressResource().task("faces", 100, "faces", lines.append) as task:
        for _ in range(40):
            clock.now_s += REPORT_INTERVAL_S / 10
            task.advance()
    assert task.done == 40
    assert [line.split()[1] for line in lines] == ["10/100", "20/100", "30/100", "40/100"]


def test_a_task_shorter_than_the_interval_logs_nothing(clock: Clock) -> None:
    lines: list[str] = []
    with ProgressResource().task("faces", 10, "faces", lines.append) as task:
        for _ in range(10):
            clock.now_s += REPORT_INTERVAL_S / 20
            task.advance()
    assert lines == []


@given(st.integers(0, 5000), st.integers(0, 5000), st.just(0.0) | st.floats(1e-3, 1e4))
def test_a_line_is_well_formed_when_the_estimated_total_is_wrong(total: int, done: int, elapsed_s: float) -> None:
    task = ProgressTask("detections", total, "frames", print)
    task.done = done
    line = task.line(elapsed_s)
    found = re.fullmatch(r"detections: \d+/\d+ frames \((\d+) %\), \d+ frames/s, \d+:[0-5]\d left", line)
    assert found, line
    assert int(found[1]) <= 100


@dg.asset
def counting(progress: ProgressResource) -> None:
    """A step that reports each unit and fails before the end."""
    with progress.task("counting", 4, "faces", lambda _: None) as task:
        for _ in range(3):
            task.advance()
        raise dg.Failure("enough", allow_retries=False)


def test_another_process_reads_from_the_run_how_much_of_a_step_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REPORT_INTERVAL_S", 0.0)
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"progress": ProgressResource()}
        failed = dg.materialize([counting], instance=instance, resources=resources, raise_on_error=False)
        run = instance.get_run_by_id(failed.run_id)
        assert run is not None
        assert reported_fractions(run) == {"counting": 0.75}


def test_a_database_that_does_not_answer_does_not_fail_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise OperationalError("UPDATE runs", {}, Exception("database is locked"))

    monkeypatch.setattr(progress, "REPORT_INTERVAL_S", 0.0)
    monkeypatch.setattr(dg.DagsterInstance, "add_run_tags", locked)
    lines: list[str] = []

    @dg.asset
    def counts(progress: ProgressResource) -> None:
        with progress.task("counts", 1, "faces", lines.append) as task:
            task.advance()

    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([counts], instance=instance, resources={"progress": ProgressResource()}).success
    assert "database is locked" in lines[1]


def test_progress_of_the_run_that_is_retried_is_not_taken_for_that_of_the_retry() -> None:
    report = json.dumps({"run_id": "first", "done": 3, "total": 4})
    tags = {f"{TAG_PREFIX}faces": report, "dagster/partition": "show-s01e01"}
    assert reported_fractions(dg.DagsterRun("episode_job", run_id="first", tags=tags)) == {"faces": 0.75}
    assert reported_fractions(dg.DagsterRun("episode_job", run_id="second", tags=tags)) == {}


@pytest.mark.parametrize(("done", "total", "expected"), [(0, 4, 0.0), (5, 4, 1.0), (0, 0, 1.0)])
def test_a_reported_fraction_stays_between_0_and_1_when_the_total_was_wrong(
    done: int, total: int, expected: float
) -> None:
    tags = {f"{TAG_PREFIX}faces": json.dumps({"run_id": "r", "done": done, "total": total})}
    assert reported_fractions(dg.DagsterRun("episode_job", run_id="r", tags=tags)) == {"faces": expected}
