"""The progress of a long stage in the log of the run: units done, rate and time left."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

LOG_INTERVAL_S = 5.0
_LINE = re.compile(r"\w+: (?P<done>\d+)/(?P<total>\d+) \w+ \(\d+ %\), ")


class ProgressTask:
    """Counts the units of a task and logs them every few seconds."""

    def __init__(self, name: str, total: int, unit: str, log: Callable[[str], None]) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done = 0
        self._log = log
        self._started = self._logged = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Add units that are done."""
        self.done += count
        now = time.monotonic()
        if now - self._logged >= LOG_INTERVAL_S:
            self._logged = now
            self._log(self.line(self.elapsed_s()))

    def elapsed_s(self) -> float:
        """Seconds since the task began."""
        return time.monotonic() - self._started

    def rate(self, elapsed_s: float) -> float:
        """Units a second so far."""
        return self.done / elapsed_s if elapsed_s > 0 else 0.0

    def line(self, elapsed_s: float) -> str:
        """For example ``detections: 412/1440 frames (29 %), 95 frames/s, 0:11 left``."""
        rate = self.rate(elapsed_s)
        left_s = max(0, self.total - self.done) / rate if rate else 0.0
        share = min(100.0, 100 * self.done / self.total) if self.total else 100.0
        return (
            f"{self.name}: {self.done}/{self.total} {self.unit} ({share:.0f} %), "
            f"{rate:.0f} {self.unit}/s, {int(left_s) // 60}:{int(left_s) % 60:02d} left"
        )


def fraction_of(line: str) -> float | None:
    """The fraction of a task that is done, 0 to 1, from a line by `ProgressTask.line`; None for other lines."""
    found = _LINE.match(line)
    if found is None:
        return None
    done, total = int(found["done"]), int(found["total"])
    return min(1.0, done / total) if total else 1.0


class ProgressResource(dg.ConfigurableResource[None]):
    """Progress in the run's log; the command line adds a bar in the terminal."""

    @contextmanager
    def task(self, name: str, total: int, unit: str, log: Callable[[str], None]) -> Iterator[ProgressTask]:
        """Count and log a task of ``total`` units."""
        yield ProgressTask(name, total, unit, log)
