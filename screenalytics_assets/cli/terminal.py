"""What the commands share: the progress bar, and the table of an episode's people."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from pydantic import PrivateAttr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from resources.artifact_store import ArtifactStore
from resources.progress import ProgressResource, ProgressTask
from screenalytics_assets.core.layout import file_path
from screenalytics_assets.reports.cast import CastMember, cast_of
from screenalytics_assets.stage import require_artifact


class _BarTask(ProgressTask):
    def __init__(self, name: str, total: int, unit: str, log: Callable[[str], None], bar: Progress) -> None:
        super().__init__(name, total, unit, log)
        self._bar = bar
        self._id = bar.add_task(name, total=total, rate="")

    def advance(self) -> None:
        super().advance()
        self._bar.update(self._id, completed=self.done, rate=f"{self.rate(self.elapsed_s()):.0f} {self.unit}/s")


def _own_standard_error() -> TextIO:
    """Standard error as it is now; Dagster points the descriptor itself at a log file while a step runs."""
    return os.fdopen(os.dup(2), "w", encoding="utf-8")


class TerminalProgress(ProgressResource):
    """Progress in the run's log, and as a bar where standard error is a terminal."""

    _console: Console = PrivateAttr(default_factory=lambda: Console(file=_own_standard_error()))

    @contextmanager
    def task(self, name: str, total: int, unit: str, log: Callable[[str], None]) -> Iterator[ProgressTask]:
        """Follow one task of ``total`` units."""

        def tell(line: str) -> None:
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
            yield _BarTask(name, total, unit, tell, bar)


def episode_cast(store: ArtifactStore, ep_id: str) -> list[CastMember]:
    """The people of a published episode, the one seen longest first."""
    return cast_of(
        require_artifact(store, "identities", ep_id).json("identities.json"),
        require_artifact(store, "tracks", ep_id).table("tracks.parquet"),
        require_artifact(store, "faces", ep_id).table("faces.parquet"),
    )


def cast_table(ep_id: str, cast: list[CastMember]) -> Table:
    """The people of an episode as a table for the terminal."""
    table = Table(title=f"{ep_id}: {len(cast)} people")
    for name in ("identity", "seconds", "tracks", "faces", "first seen", "cohesion", "remark"):
        table.add_column(name, justify="left" if name in ("identity", "remark") else "right")
    for member in cast:
        table.add_row(
            member.identity_id,
            f"{member.seconds:.1f}",
            str(member.tracks),
            str(member.faces),
            f"{member.first_s:.1f} s",
            f"{member.cohesion_score:.2f}" if member.tracks > 1 else "",
            member.remark,
        )
    return table


def report_location(store: ArtifactStore, ep_id: str) -> str:
    """Where the report of an episode is: its path, or the URL of the object."""
    return store.location(file_path(ep_id, "index.html"))
