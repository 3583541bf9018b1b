"""What the cleanup makes of deliberately bad starts, on published labelled episodes.

    python -m tests.benchmarks.bad_starts TRUTH_DIR EPISODE [EPISODE ...] [--starts NAME ...]

The published artifacts below the data root are copied to a temporary folder. There the main graph's tables are computed
from the detections as each start says, then the four phases and the report with the usual configuration.
The facebank is left out: clusters are merged within the episode and get no names, which is the harder task.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.storage.store import ArtifactStore, require_artifact
from resources.system.paths import data_root
from screenalytics_assets.core.evaluation.episode_scores import EpisodeScores
from screenalytics_assets.core.evaluation.truth import Truth
from screenalytics_assets.services.dagster_instance.instance import open_instance
from screenalytics_assets.services.running.runs import run_episode
from screenalytics_assets.services.scoring import score_published
from tests.benchmarks.labelled import print_table, read_truths

_GATE_OFF = {"gate_enabled": False}
_TIGHT = {"cluster_thresh": 0.8}
_LOOSE = {"cluster_thresh": -0.1, "tight_thresh": -0.1}
STARTS: Mapping[str, Mapping[str, Any]] = {
    "good": {},
    "gate off": _GATE_OFF,
    "tight": _TIGHT,
    "loose": _LOOSE,
    "gate off, tight": _GATE_OFF | _TIGHT,
    "gate off, loose": _GATE_OFF | _LOOSE,
}
MAIN = ("tracks", "faces", "identities", "track_metrics")
CLEANUP = ("split_tracks", "reembed", "recluster", "group_clusters", "cleanup_report")


def clean(instance: dg.DagsterInstance, ep_id: str, start: str) -> None:
    """Compute an episode from a start, and clean it up."""
    for overrides, assets in ((STARTS[start], MAIN), ({}, CLEANUP)):
        outcome = run_episode(instance, ep_id, overrides=overrides, select=assets)
        if not outcome.success:
            raise SystemExit(f"{ep_id}, {start}: {outcome.failures + outcome.failed_checks}")


def truth_row(ep_id: str, start: str, before: EpisodeScores, after: EpisodeScores) -> dict[str, object]:
    """What the truth says of an episode before and after."""
    return {
        "episode": ep_id,
        "start": start,
        "B³F before": before.bcubed_f1,
        "B³F after": after.bcubed_f1,
        "purity before": before.track_purity,
        "purity after": after.track_purity,
        "tracks": f"{before.num_tracks} → {after.num_tracks}",
        "clusters": f"{before.clusters} → {after.clusters}",
        "people": before.people,
    }


def metrics_row(ep_id: str, start: str, report: Mapping[str, Any]) -> dict[str, object]:
    """What the report of the cleanup says: each metric before, after, and its verdict, by the baseline in brackets."""
    row: dict[str, object] = {"episode": ep_id, "start": start}
    for name, change in report["improvement"].items():
        before, baseline, after = report["metrics_before"][name], change["baseline"], report["metrics_after"][name]
        excused = f" ({baseline:.2f})" if baseline != before else ""
        row[name] = f"{before:.2f}{excused} → {after:.2f} {change['verdict']}"
    return row


def measure_starts(
    ep_id: str, truth: Truth, starts: Sequence[str], instance: dg.DagsterInstance, store: ArtifactStore
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The rows of both tables."""
    truth_rows, metrics_rows = [], []
    for start in starts:
        clean(instance, ep_id, start)
        before, after = (score_published(store, ep_id, truth, before_cleanup=early) for early in (True, False))
        truth_rows.append(truth_row(ep_id, start, before, after))
        report = require_artifact(store, "cleanup_report", ep_id).json("cleanup_report.json")
        metrics_rows.append(metrics_row(ep_id, start, report))
    return truth_rows, metrics_rows


def work_in_a_copy(folder: Path) -> None:
    """Point this process at a copy of the published artifacts and at an instance of its own."""
    left_out = shutil.ignore_patterns("database", "reports", "videos", "facebank", "facebank.manifest.json")
    shutil.copytree(data_root(), folder / "data", ignore=left_out)
    os.environ["SCREENALYTICS_DATA_ROOT"] = str(folder / "data")
    os.environ["DAGSTER_HOME"] = str(folder / "home")


def main() -> None:
    """Print what the truth says, and what the report says."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bad_starts", description=__doc__)
    parser.add_argument("truth_dir", type=Path)
    parser.add_argument("episodes", nargs="+")
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    options = parser.parse_args()
    truths = read_truths(options.truth_dir)
    tables: tuple[list[dict[str, object]], list[dict[str, object]]] = ([], [])
    with tempfile.TemporaryDirectory() as folder:
        work_in_a_copy(Path(folder))
        store = ArtifactStoreResource().store()
        with open_instance() as instance:
            for ep_id in options.episodes:
                for table, rows in zip(
                    tables, measure_starts(ep_id, truths[ep_id], options.starts, instance, store), strict=True
                ):
                    table += rows
    for table in tables:
        print_table(table)


if __name__ == "__main__":
    main()
