"""Progress of long steps: a line in the run's log, and a run tag that ``screenalytics progress`` reads."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import dagster as dg
from pydantic import PrivateAttr
from sqlalchemy.exc import SQLAlchemyError

REPORT_INTERVAL_S = 5.0
TAG_PREFIX = "screenalytics/progress."
"""Followed by the step; Dagster has no progress of its own, and a tag can be overwritten, unlike an event."""


class ProgressTask:
    """Counts the finished units of one task.

    Args:
        name: The step.
        total: Number of units; an estimate will do.
        unit: What is counted, in the plural.
        report: Called with the task at most every ``REPORT_INTERVAL_S`` seconds.
    """

    def __init__(self, name: str, total: int, unit: str, report: Callable[["ProgressTask"], object]) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done = 0
        self._report = report
        self._started = self._reported = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Count finished units."""
        self.done += count
        now = time.monotonic()
        if now - self._reported >= REPORT_INTERVAL_S:
            self._reported = now
            self._report(self)

    def elapsed_s(self) -> float:
        """Seconds since the task began."""
        return time.monotonic() - self._started

    def rate(self, elapsed_s: float) -> float:
        """Units per second so far."""
        return self.done / elapsed_s if elapsed_s > 0 else 0.0

    def line(self, elapsed_s: float) -> str:
        """For example ``detections: 412/1440 frames (29 %), 95 frames/s, 0:11 left``."""
        rate = self.rate(elapsed_s)
        left_s = max(0, self.total - self.done) / rate if rate else 0.0
        return (
            f"{self.name}: {self.done}/{self.total} {self.unit} ({100 * _fraction(self.done, self.total):.0f} %), "
            f"{rate:.0f} {self.unit}/s, {int(left_s) // 60}:{int(left_s) % 60:02d} left"
        )


class ProgressResource(dg.ConfigurableResource[None]):
    """Reports progress to the run's log and tags; the command line adds a bar in the terminal."""

    _instance: dg.DagsterInstance | None = PrivateAttr(default=None)
    _run_id: str | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember the run; without one, progress goes to the log alone."""
        self._instance, self._run_id = context.instance, context.run.run_id if context.run else None

    @contextmanager
    def task(self, name: str, total: int, unit: str, log: Callable[[str], None]) -> Iterator[ProgressTask]:
        """Follow one task of ``total`` units."""
        yield ProgressTask(name, total, unit, lambda task: self.report(task, log))

    def say(self, line: str) -> None:
        """Tell whoever watches the run something that is in its log anyway."""

    def report(self, task: ProgressTask, log: Callable[[str], None]) -> None:
        """Log how far a task is, and note it in the run's tags; if Dagster's database does not answer, only log it."""
        log(task.line(task.elapsed_s()))
        if self._instance is None or self._run_id is None:
            return
        value = {"run_id": self._run_id, "done": task.done, "total": task.total}
        try:
            self._instance.add_run_tags(self._run_id, {f"{TAG_PREFIX}{task.name}": json.dumps(value)})
        except _database_errors() as error:
            log(f"{task.name}: its progress could not be noted in the run's tags: {error}")


def _database_errors() -> tuple[type[Exception], ...]:
    if find_spec("dagster_postgres") is None:
        return (SQLAlchemyError,)
    from dagster_postgres.utils import DagsterPostgresException

    return (SQLAlchemyError, DagsterPostgresException)


def reported_fractions(run: dg.DagsterRun) -> dict[str, float]:
    """Finished part of each step that reported progress, 0 to 1, by step.

    A retried run inherits the tags of the run before; those are ignored.
    """
    reports = {key.removeprefix(TAG_PREFIX): value for key, value in run.tags.items() if key.startswith(TAG_PREFIX)}
    parsed = {step: json.loads(value) for step, value in reports.items()}
    return {
        step: _fraction(report["done"], report["total"])
        for step, report in parsed.items()
        if report["run_id"] == run.run_id
    }


def _fraction(done: int, total: int) -> float:
    return min(1.0, done / total) if total else 1.0
