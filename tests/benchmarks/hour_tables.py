"""What it costs to cluster, name, count and report an hour's episode again, without its video.

    python -m tests.benchmarks.hour_tables [--tracks 2000] [--rounds 1] [--folder DIR]

`hour_episode` draws the episode. Each line is a whole ``screenalytics run --select ...`` in a process of its own, with
a key changed or forced: wall and CPU seconds and peak memory of the process, start-up included; of that the steps and
their checks, and the stage's own ``runtime_s``, as Dagster and the manifest tell them. CPU of the database's server is
not in it. Medians over the rounds. Of several numbers of tracks, the last table has the exponents with which they grow.

Ends with an error where a stage finds something else than what was drawn.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tests.benchmarks.labelled import print_table
from tests.benchmarks.measure import SCREENALYTICS, measure

if TYPE_CHECKING:
    from tests.benchmarks.hour_truth import PublishedHour

AFTER_FACES = (
    "identities",
    "split_tracks",
    "reembed",
    "recluster",
    "corrections",
    "group_clusters",
    "screen_time",
    "track_metrics",
    "cleanup_report",
    "episode_vectors",
    "episode_report",
)
NEW_FACEBANK = "another facebank"


class Case(NamedTuple):
    """A command: what is computed again, with which key changed."""

    assets: Sequence[str]
    change: str = ""

    @property
    def label(self) -> str:
        """What the table calls it."""
        name = self.assets[0] if len(self.assets) == 1 else f"everything after {FIRST}"
        return f"{name}, {self.change}" if self.change else name


FIRST = "faces"
CASES = (
    Case(["identities"], "cluster_thresh=0.40"),
    Case(["split_tracks"], "gate_streak=4"),
    Case(["reembed"], "reembed_min_faces=5"),
    Case(["recluster"], "recluster_thresh=0.40"),
    Case(["group_clusters"], "name_similarity=0.43"),
    Case(["group_clusters"], NEW_FACEBANK),
    Case(["screen_time"], "gap_tolerance_s=0.9"),
    Case(["track_metrics"]),
    Case(["cleanup_report"]),
    Case(["episode_vectors"]),
    Case(["episode_report"]),
)
TRACKS = Case(["tracks"], "gate_enabled=false")


class Taken(NamedTuple):
    """What a command took: of its process, of its steps and checks, and of the stage's computing."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    steps_s: float
    stage_s: float


class Aside(BaseManager):
    """Another process for the episode: what a process takes is counted for the programs that it starts as well."""


def publish(folder: Path, tracks: int) -> "PublishedHour":
    """Draw and publish an episode."""
    from tests.benchmarks.hour_truth import PublishedHour

    return PublishedHour(folder, tracks)


Aside.register("publish", publish)


def take(case: Case, hour: "PublishedHour") -> Taken:
    """Run a command, measured, and compare what it published with what was drawn."""
    if case.assets == ["group_clusters"]:
        hour.enrol(more=case.change == NEW_FACEBANK)
    command = [SCREENALYTICS, "run", "--ep-id", hour.ep_id(), "--force"]
    command += [part for asset in case.assets for part in ("--select", asset)]
    command += ["--set", case.change] if "=" in case.change else []
    took = measure(command, hour.environment())
    hour.compare(case.assets)
    taken = Taken(took.wall_s, took.cpu_s, took.peak_mb, hour.steps_s(), hour.stage_s(case.assets))
    print(f"{case.label}: {taken.wall_s:.1f} s, CPU {taken.cpu_s:.1f} s", file=sys.stderr, flush=True)
    return taken


def measure_hour(tracks: int, rounds: int, folder: Path) -> dict[str, Taken]:
    """Medians over the rounds, by the label of the case."""
    with Aside(ctx=get_context("spawn")) as aside:
        hour = aside.publish(folder, tracks)  # type: ignore[attr-defined]
        everything = Case(AFTER_FACES)
        taken = {everything.label: [take(everything, hour)]}
        for case in [*CASES * rounds, TRACKS]:
            taken.setdefault(case.label, []).append(take(case, hour))
        print(f"{tracks} tracks: report of {hour.report_mb():.1f} MB", flush=True)
    return {label: Taken(*map(statistics.median, zip(*rows, strict=True))) for label, rows in taken.items()}


def exponents(measured: dict[int, dict[str, Taken]], quantity: str) -> dict[str, float]:
    """How each case grows with the number of tracks: the slope of the line through the logarithms."""
    sizes = np.log(list(measured))
    labels = next(iter(measured.values()))
    return {
        label: float(np.polyfit(sizes, np.log([getattr(rows[label], quantity) for rows in measured.values()]), 1)[0])
        for label in labels
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, nargs="+", default=[2000], help="2000 are an hour")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to work; empty, and kept")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pyarrow", "dagster"))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, {versions}")
    measured: dict[int, dict[str, Taken]] = {}
    for tracks in options.tracks:
        with tempfile.TemporaryDirectory(prefix="hour-") as temporary:
            folder = (options.folder or Path(temporary)) / str(tracks)
            measured[tracks] = measure_hour(tracks, options.rounds, folder)
        print_table(
            {"command": label, **{name: f"{value:.2f}" for name, value in row._asdict().items()}}
            for label, row in measured[tracks].items()
        )
    if len(measured) > 1:
        columns = {name: exponents(measured, name) for name in ("cpu_s", "steps_s", "stage_s")}
        print_table(
            {"command": label, **{f"exponent of {name}": f"{found[label]:.2f}" for name, found in columns.items()}}
            for label in columns["cpu_s"]
        )


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error}\n{error.output.decode()}")
