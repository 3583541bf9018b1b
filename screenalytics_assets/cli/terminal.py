"""Progress bar and table of people, shared by the commands."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from pydantic import PrivateAttr
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from resources.progress import ProgressResource, ProgressTask
from resources.storage.store import ArtifactStore, require_artifact
from screenalytics_assets.cli.options import uncut
from screenalytics_assets.core.common.layout import SHEET, file_path
from screenalytics_assets.core.documents.screen_time import ScreenTime


class _BarTask(ProgressTask):
    def __init__(
        self, name: str, total: int, unit: str, report: Callable[[ProgressTask], object], bar: Progress
    ) -> None:
        super().__init__(name, total, unit, report)
        self._bar = bar
        self._id = bar.add_task(name, total=total, rate="")

    def advance(self, count: int = 1) -> None:
        super().advance(count)
        self._bar.update(self._id, completed=self.done, rate=f"{self.rate(self.elapsed_s()):.0f} {self.unit}/s")


def _own_standard_error() -> TextIO:
    """A copy of standard error; Dagster redirects the descriptor itself to a log file while a step runs."""
    return os.fdopen(os.dup(2), "w", encoding="utf-8")


class TerminalProgress(ProgressResource):
    """Also shows a bar on standard error, or the lines of the log where that is not a terminal."""

    _console: Console = PrivateAttr(default_factory=lambda: Console(file=_own_standard_error()))

    @contextmanager
    def task(self, name: str, total: int, unit: str, log: Callable[[str], None]) -> Iterator[ProgressTask]:
        """Follow one task of ``total`` units."""

        def log_and_print(line: str) -> None:
            log(line)
            if not self._console.is_terminal:
                self._console.print(line, highlight=False)

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as bar:
            yield _BarTask(name, total, unit, lambda task: self.report(task, log_and_print), bar)

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, highlight=False)


def totals_line(screen_time: ScreenTime) -> str:
    """The seconds with people, and the uncertain ones."""
    totals, damage = screen_time.totals, screen_time.damage
    parts = [
        f"someone on screen {totals.union_s:.1f} s of {screen_time.duration_s:.1f} s",
        f"two or more {totals.overlap_s:.1f} s",
        f"an unassigned face {totals.unassigned_s:.1f} s" if totals.unassigned_s else "",
        f"a picture of a face {totals.picture_s:.1f} s" if totals.picture_s else "",
        f"{damage.damaged_s:.1f} s of the video damaged" if damage else "",
        f"no picture {screen_time.missing_s:.1f} s" if screen_time.missing_s else "",
    ]
    return ", ".join(filter(None, parts))


def people_table(store: ArtifactStore, ep_id: str) -> Table:
    """The people of a published episode after the cleanup, by falling screen time."""
    screen_time = require_artifact(store, "screen_time", ep_id).document("screen_time.json", ScreenTime)
    table = Table(title=f"{ep_id}: {len(screen_time.people)} people", caption=totals_line(screen_time))
    for name in ("person", "identity"):
        table.add_column(name)
    for name in ("on screen", "90 % range", "share", "first seen", "tracks", "faces", "confidence"):
        table.add_column(name, justify="right")
    for person in screen_time.people:
        table.add_row(
            escape(person.name or "unknown"),
            ", ".join(person.identity_ids),
            f"{person.visual_s:.1f} s",
            f"{person.least_s:.1f}–{person.most_s:.1f} s",
            f"{person.share:.1%}",
            f"{person.first_s:.1f} s",
            str(person.tracks),
            str(person.faces),
            f"{person.confidence:.0%}",
            style=None if person.name else "dim",
        )
    return uncut(table)


def report_location(store: ArtifactStore, ep_id: str) -> str:
    """The location of an episode's report: its path, or the URL of the object."""
    return store.location(file_path(ep_id, "index.html"))


def sheet_location(store: ArtifactStore, ep_id: str) -> str:
    """The location of the contact sheet of an episode's people."""
    return store.location(file_path(ep_id, SHEET))
