"""How cost grows with the length of the video, and with the faces in a frame.

    python -m tests.benchmarks.scaling [VIDEO ...] [--minutes 1 3 10] [--faces 1 2 3 5 10] [--faces-only]
        [--folder DIR] [--model-dir DIR] [--profile NAME] [--rounds 1] [--json FILE] [--markdown FILE]

Each figure is a whole ``screenalytics run`` with a fresh data root and a fresh Dagster home, start-up included. The
videos are of the same footage in several lengths (`footage`); without any, the demo's footage is rendered in those of
``--minutes``. ``--faces`` adds half a minute for each number of faces (`crowd`). What is rendered is kept in
``--folder`` and used again, or thrown away.
"""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from screenalytics_assets.services.demo import render_demo_episode
from screenalytics_assets.services.scoring import table_text
from tests.benchmarks.crowd import render
from tests.benchmarks.figures import deviation, growth, spread_of
from tests.benchmarks.machine import description, load_warning, watch_other_processes
from tests.benchmarks.measure import run_in
from tests.benchmarks.stages import stages_of

EP_ID = "bench-s01e01"
PICTURE_STEPS = ("detections", "tracks", "faces")


class Cost(NamedTuple):
    """What a run took.

    Attributes:
        minutes: Length of the video.
        wall_s: Start-up included.
        cpu_s: Of all its processes.
        peak_mb: Of its largest process.
        peak_all_mb: Of all together.
        looks: Frames that the detector looked at.
        detections: Faces that it found.
        steps_s: Seconds of the steps that look at pictures.
    """

    minutes: float
    wall_s: float
    cpu_s: float
    peak_mb: float
    peak_all_mb: float
    looks: int
    detections: int
    steps_s: Mapping[str, float]

    @property
    def faces_per_look(self) -> float:
        """Faces in a frame that was looked at."""
        return self.detections / max(1, self.looks)


def cost_of(video: Path, profile: str, environment: Mapping[str, str]) -> Cost:
    """One run."""
    with tempfile.TemporaryDirectory() as name:
        taken = run_in(Path(name), video, EP_ID, "--profile", profile, environment=environment)
        stages, known = stages_of(Path(name), EP_ID, taken)
    steps_s = {use.name: use.wall_s for use in stages if use.name in PICTURE_STEPS}
    return Cost(
        known["video"]["duration_s"] / 60,
        *(taken.wall_s, taken.cpu_s, taken.peak_mb, taken.peak_all_mb),
        *(known["looks"], known["detections"]),
        steps_s,
    )


Costs = Mapping[str, Sequence[Cost]]
"""The rounds of each video, by its name."""


def figures_of(rounds: Sequence[Cost]) -> dict[str, str]:
    """The cells of a row that every table has."""
    return {
        "wall s": spread_of([cost.wall_s for cost in rounds]).text(1),
        "CPU s": spread_of([cost.cpu_s for cost in rounds]).text(1),
        "peak MB": spread_of([cost.peak_mb for cost in rounds]).text(0),
        "with PostgreSQL": spread_of([cost.peak_all_mb for cost in rounds]).text(0),
        "frames looked at": str(rounds[-1].looks),
        "faces": str(rounds[-1].detections),
    }


def length_table(costs: Costs) -> str:
    """A row a length, and the lines through the medians: of two lengths a line would say nothing."""
    rows = [{"minutes": f"{rounds[0].minutes:.4g}", **figures_of(rounds)} for rounds in costs.values()]
    minutes = [rounds[0].minutes for rounds in costs.values()]
    text = table_text(rows, ".md")
    if len(set(minutes)) < 3:
        return text
    wall, cpu, peak, everything = (
        [spread_of([getattr(cost, name) for cost in rounds]).median for rounds in costs.values()]
        for name in ("wall_s", "cpu_s", "peak_mb", "peak_all_mb")
    )
    return (
        f"{text}\n- wall time: {growth(minutes, wall).text()}\n- CPU time: {growth(minutes, cpu).text()}\n"
        f"- peak memory: ± {deviation(peak):.1%}, with PostgreSQL ± {deviation(everything):.1%}\n"
    )


def faces_table(costs: Costs) -> str:
    """A row for each number of faces."""
    rows = []
    for name, rounds in costs.items():
        steps = {f"`{step}` s": spread_of([cost.steps_s[step] for cost in rounds]).text(1) for step in PICTURE_STEPS}
        found = f"{rounds[-1].faces_per_look:.2f}"
        rows.append({"faces in a frame": name, "found": found, **figures_of(rounds), **steps})
    return table_text(rows, ".md")


def measured(videos: Mapping[str, Path], rounds: int, profile: str, model_dir: Path | None) -> tuple[Costs, list[str]]:
    """All videos in turns, and sentences about what makes the figures doubtful."""
    environment = {"SCREENALYTICS_MODEL_DIR": str(model_dir)} if model_dir else {}
    console = Console(soft_wrap=True, highlight=False, markup=False)
    costs: dict[str, list[Cost]] = {name: [] for name in videos}
    warnings = []
    for number in range(1, rounds + 1):
        with watch_other_processes() as others:
            for name, video in videos.items():
                costs[name].append(cost := cost_of(video, profile, environment))
                console.print(
                    f"round {number}, {name}: {cost.wall_s:.1f} s (CPU {cost.cpu_s:.1f} s), {cost.peak_mb:.0f} MB"
                )
        if warning := others.warning(number):
            warnings.append(warning)
    return costs, warnings


def demo_of(minutes: float, folder: Path) -> Path:
    """The demo's footage in that length, rendered unless it is there."""
    video = folder / f"demo-{minutes:g}min.mp4"
    if not video.exists():
        folder.mkdir(parents=True, exist_ok=True)
        render_demo_episode(video, seed=1, duration_s=60 * minutes)
    return video


def crowd_of(faces: int, folder: Path) -> Path:
    """Half a minute with so many faces, rendered unless it is there."""
    video = folder / f"crowd-{faces}.mp4"
    if not video.exists():
        render(video, faces, seconds=30)
    return video


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("videos", type=Path, nargs="*")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 3, 10])
    parser.add_argument("--faces", type=int, nargs="+", default=[])
    parser.add_argument("--faces-only", action="store_true", help="no lengths")
    parser.add_argument("--folder", type=Path, help="keeps what is rendered")
    parser.add_argument("--model-dir", type=Path, help="folder with a detector and an embedder")
    parser.add_argument("--profile", default="balanced")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write every figure of every round")
    parser.add_argument("--markdown", type=Path, help="write the tables")
    options = parser.parse_args()
    facts, busy = description(), load_warning()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        lengths: dict[str, Path] = {}
        if not options.faces_only:
            videos = options.videos or [demo_of(minutes, folder) for minutes in options.minutes]
            lengths = {video.name: video.resolve() for video in videos}
        crowds = {str(faces): crowd_of(faces, folder) for faces in options.faces}
        by_length, doubts = measured(lengths, options.rounds, options.profile, options.model_dir)
        by_faces, more_doubts = measured(crowds, options.rounds, options.profile, options.model_dir)
    warnings = [*([busy] if busy else []), *doubts, *(f"faces, {doubt}" for doubt in more_doubts)]
    text = report(_header(options, facts), by_length, by_faces, warnings)
    Console(soft_wrap=True, highlight=False, markup=False).print(text)
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    if options.json:
        document = {
            **facts,
            "warnings": warnings,
            "lengths": {name: [cost._asdict() for cost in rounds] for name, rounds in by_length.items()},
            "faces": {name: [cost._asdict() for cost in rounds] for name, rounds in by_faces.items()},
        }
        options.json.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _header(options: argparse.Namespace, facts: Mapping[str, str]) -> dict[str, str]:
    arguments = shlex.join(Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])
    return {
        "command": f"`python -m tests.benchmarks.scaling {arguments}`",
        "weights": options.model_dir.name if options.model_dir else "pack `open`",
        "profile": f"`{options.profile}`",
        "rounds": str(options.rounds),
        **facts,
    }


def report(header: Mapping[str, Any], by_length: Costs, by_faces: Costs, warnings: Sequence[str]) -> str:
    """The whole report, to be put under a heading."""
    lines = [f"- {name}: {text}\n" for name, text in header.items()]
    lines += [f"- **{warning}**\n" for warning in warnings]
    tables = [f"\n{table(costs)}" for table, costs in ((length_table, by_length), (faces_table, by_faces)) if costs]
    return "".join([*lines, *tables])


if __name__ == "__main__":
    main()
