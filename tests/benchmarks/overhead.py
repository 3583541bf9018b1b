"""What the orchestration costs: a run from the pixels, and a second one that has nothing to compute.

    python -m tests.benchmarks.overhead VIDEO --model-dir DIR

Both are whole ``screenalytics run`` commands, timed from outside and by the timestamps of their events. Of each step:
what its stage computed by its own clock (``runtime_s``), what it took besides to read the configuration, open its
inputs and publish, then telling (metadata and events), then the checks of its assets. What is in no step is
Dagster's own.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import dagster as dg
from rich.console import Console
from rich.table import Table

from resources.artifact_store import ArtifactStoreResource
from tests.benchmarks.measure import Measured, run_in

EP_ID = "bench-s01e01"
_COMPUTED, _UNCHANGED = "computed and published", "unchanged, nothing computed"


class Event(NamedTuple):
    """An entry of the event log.

    Attributes:
        at_s: When it was written, in seconds since the epoch.
        kind: Type of the event; ``LOG`` of a line that is none.
        step: The step that it is about.
        text: Its message; of the evaluation of a check the name of the asset.
    """

    at_s: float
    kind: str
    step: str | None
    text: str


class StepTimes(NamedTuple):
    """Seconds of one step that makes an asset."""

    computing_s: float
    publishing_s: float
    telling_s: float
    checks_s: float

    @property
    def total_s(self) -> float:
        """All of them."""
        return sum(self)


def events_of(entries: Iterable[dg.EventLogEntry]) -> list[Event]:
    """The entries of a run, plainly."""
    return [_event(entry) for entry in entries]


def _event(entry: dg.EventLogEntry) -> Event:
    found = entry.dagster_event
    if found is None:
        return Event(entry.timestamp, "LOG", entry.step_key, entry.user_message)
    is_check = found.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    text = found.asset_check_evaluation_data.asset_key.to_user_string() if is_check else found.message or ""
    return Event(entry.timestamp, found.event_type_value, entry.step_key, text)


def step_times(events: Iterable[Event], runtimes_s: Mapping[str, float]) -> dict[str, StepTimes]:
    """Where the time of each step went, in the order in which they ran.

    Args:
        events: Of one run.
        runtimes_s: By asset, what its stage computed by its own clock.
    """
    by_step: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.step:
            by_step[event.step].append(event)
    checks_s: dict[str, float] = defaultdict(float)
    spans: dict[str, tuple[float, float, float, bool]] = {}
    for step, own in by_step.items():
        at_s = {event.kind: event.at_s for event in own}
        if "STEP_START" not in at_s or "STEP_SUCCESS" not in at_s:
            continue
        start_s, end_s = at_s["STEP_START"], at_s["STEP_SUCCESS"]
        judged = next((event.text for event in own if event.kind == "ASSET_CHECK_EVALUATION"), None)
        done = next((e for e in own if e.kind == "LOG" and e.text.endswith((_COMPUTED, _UNCHANGED))), None)
        if judged is not None:
            checks_s[judged] += end_s - start_s
        elif done is not None:
            spans[step] = (start_s, done.at_s, end_s, done.text.endswith(_COMPUTED))
    # One step makes detections and face_crops.
    checks_s["detections"] += checks_s.pop("face_crops", 0.0)
    found = {}
    for step, (start_s, done_s, end_s, is_computed) in sorted(spans.items(), key=lambda entry: entry[1]):
        computing_s = runtimes_s.get(step, 0.0) if is_computed else 0.0
        found[step] = StepTimes(computing_s, done_s - start_s - computing_s, end_s - done_s, checks_s[step])
    return found


def tell(console: Console, title: str, measured: Measured, launched_s: float, folder: Path) -> None:
    """Print one run."""
    with dg.DagsterInstance.from_config(str(folder / "home")) as instance:
        run_id = instance.get_run_records(limit=1)[0].dagster_run.run_id
        events = events_of(instance.all_logs(run_id))
    store = ArtifactStoreResource(root=str(folder / "data")).store()
    names = {event.step for event in events if event.kind == "ASSET_MATERIALIZATION" and event.step}
    manifests = [manifest for name in names if (manifest := store.manifest(name, EP_ID))]
    steps = step_times(events, {manifest.asset: manifest.metrics.get("runtime_s", 0.0) for manifest in manifests})
    table = Table("step", *("seconds", "computing", "publishing", "telling", "checks"), title=title)
    for name, times in steps.items():
        table.add_row(name, *(f"{seconds:.2f}" for seconds in (times.total_s, *times)))
    sums = [sum(column) for column in zip(*steps.values(), strict=True)]
    table.add_section()
    table.add_row("all steps", *(f"{seconds:.2f}" for seconds in (sum(sums), *sums)))
    console.print(table)
    at_s = {event.kind: event.at_s for event in events}
    began_s, ended_s = at_s["PIPELINE_START"], at_s["PIPELINE_SUCCESS"]
    for name, seconds in {
        "start-up, to the first event": events[0].at_s - launched_s,
        "planning the run": began_s - events[0].at_s,
        "Dagster between the steps": ended_s - began_s - sum(sums),
        "end, after the last event": launched_s + measured.wall_s - ended_s,
        "whole command": measured.wall_s,
    }.items():
        console.print(f"{name}: {seconds:.2f} s", highlight=False)
    console.print(f"{len(events)} events, CPU {measured.cpu_s:.1f} s, peak {measured.peak_mb:.0f} MB")


def main() -> None:
    """Run twice and print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--model-dir", type=Path, required=True, help="folder with a detector and an embedder")
    arguments = parser.parse_args()
    console = Console()
    models = {"SCREENALYTICS_MODEL_DIR": str(arguments.model_dir.resolve())}
    with tempfile.TemporaryDirectory(prefix="overhead-") as temporary:
        for title in ("from the pixels", "nothing to compute"):
            launched_s = time.time()
            measured = run_in(Path(temporary), arguments.video, EP_ID, environment=models)
            tell(console, title, measured, launched_s, Path(temporary))


if __name__ == "__main__":
    main()
