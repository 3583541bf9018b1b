"""The plain pipeline, ours, and the floor, taking turns on the same video with the same weights.

    python -m tests.benchmarks.compare VIDEO [--model-dir DIR] [--truth FILE] [--profile NAME ...] [--rounds 3]
        [--no-plain] [--json FILE] [--markdown FILE]

Ours is the whole ``screenalytics run`` with a fresh data root and a fresh Dagster home, start-up included; plain is
`plain_pipeline`, start-up included; the floor is decoding, the detector on the frames that ours looked at, and the
embedder on the crops that ours embedded, each alone and without start-up (`floor`). Without ``--model-dir`` the
weights are those of the pack ``open``. Without VIDEO, a minute of the demo's footage is rendered.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.evaluation.truth import Truth
from screenalytics_assets.services.demo import render_demo_episode
from screenalytics_assets.services.scoring import read_truth, score_published
from tests.benchmarks import plain_pipeline
from tests.benchmarks.footage import truth_path
from tests.benchmarks.machine import cores, description, load_warning, watch_other_processes
from tests.benchmarks.measure import here, locations, measure, run_in
from tests.benchmarks.speed_report import FLOOR_PARTS, Ours, Round, Taken, line_of, markdown
from tests.benchmarks.stages import stages_of

EP_ID = "bench-s01e01"
DEMO_S = 60.0


@dataclass(frozen=True)
class Subject:
    """What is measured: the video, its truth, the weights."""

    video: Path
    truth: Truth | None
    model_dir: Path | None

    @property
    def environment(self) -> dict[str, str]:
        """The variables that choose the weights."""
        return {"SCREENALYTICS_MODEL_DIR": str(self.model_dir)} if self.model_dir else {}


def plain_turn(subject: Subject) -> Taken:
    """The plain pipeline in a process of its own, scored afterwards."""
    models = ["--model-dir", str(subject.model_dir)] if subject.model_dir else []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "found.json"
        command = [sys.executable, "-m", "tests.benchmarks.plain_pipeline", str(subject.video), "--output", str(output)]
        taken = measure([*command, *models], {})
        found = plain_pipeline.Result(**json.loads(output.read_text(encoding="utf-8")))
    scores = plain_pipeline.score(found, subject.truth) if subject.truth else None
    return Taken(taken.wall_s, taken.cpu_s, taken.peak_mb, taken.peak_all_mb, scores.bcubed_f1 if scores else None)


def floor_part(part: str, subject: Subject, folder: Path, profile: str) -> Mapping[str, Any]:
    """A part of the floor in a process of its own, below a run in the folder.

    Raises:
        subprocess.CalledProcessError: It failed; what it said is on the terminal.
    """
    command = [sys.executable, "-m", "tests.benchmarks.floor", part, str(subject.video), EP_ID, "--profile", profile]
    environment = {**here(), **subject.environment, **locations(folder)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def our_turn(subject: Subject, profile: str) -> Ours:
    """The graph, and the floor below it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        taken = run_in(folder, subject.video, EP_ID, "--profile", profile, environment=subject.environment)
        stages, known = stages_of(folder, EP_ID, taken)
        store = LocalArtifactStore(folder / "data")
        scores = score_published(store, EP_ID, subject.truth) if subject.truth else None
        floor = {part: floor_part(part, subject, folder, profile) for part in FLOOR_PARTS}
    score = scores.bcubed_f1 if scores else None
    return Ours(Taken(taken.wall_s, taken.cpu_s, taken.peak_mb, taken.peak_all_mb, score), floor, stages, known)


def compare(
    subject: Subject, profiles: Sequence[str], rounds: int, *, with_plain: bool, console: Console
) -> tuple[list[Round], list[str]]:
    """All rounds, and sentences about what makes them doubtful."""
    done: list[Round] = []
    warnings = [warning] if (warning := load_warning()) else []
    for number in range(1, rounds + 1):
        with watch_other_processes() as others:
            plain = plain_turn(subject) if with_plain else None
            ours = {profile: our_turn(subject, profile) for profile in profiles}
        done.append(Round(plain, ours, others.cores))
        console.print(line_of(number, done[-1]))
        if warning := others.warning(number):
            warnings.append(warning)
    return done, warnings


def header(subject: Subject, rounds: Sequence[Round]) -> dict[str, str]:
    """The footage, the machine, and the command."""
    ours = next(iter(rounds[0].ours.values()))
    known, video = ours.known, ours.known["video"]
    arguments = shlex.join(Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])
    return {
        "command": f"`python -m tests.benchmarks.compare {arguments}`",
        "footage": (
            f"{subject.video.name}, {video['duration_s'] / 60:.2f} min, {video['width']}x{video['height']} "
            f"{video['codec']}, {video['fps']:.3g} frames/s, {video['size_bytes'] / 1e6:.0f} MB; "
            f"{known['shots']} shots, {known['faces_per_frame']:.2f} faces in a frame that was looked at"
        ),
        "weights": subject.model_dir.name if subject.model_dir else "pack `open`",
        "rounds": f"{len(rounds)}; median (least to most)",
    }


def main() -> None:
    """Compare, print, and write what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--model-dir", type=Path, help="folder with an SCRFD and an ArcFace file")
    parser.add_argument("--truth", type=Path, help="beside VIDEO, its name with .truth.json, unless given")
    parser.add_argument("--profile", action="append", help="may be given several times; balanced and fast_cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-plain", action="store_true", help="leave the plain pipeline out")
    parser.add_argument("--json", type=Path, help="write every figure of every round")
    parser.add_argument("--markdown", type=Path, help="write the tables")
    options = parser.parse_args()
    console = Console(soft_wrap=True, highlight=False, markup=False)
    machine = description()
    with tempfile.TemporaryDirectory() as folder:
        video = options.video or _demo(Path(folder))
        truth = options.truth or truth_path(video)
        subject = Subject(
            video.resolve(), read_truth(truth) if options.truth or truth.exists() else None, options.model_dir
        )
        profiles = options.profile or ["balanced", "fast_cpu"]
        rounds, warnings = compare(subject, profiles, options.rounds, with_plain=not options.no_plain, console=console)
    facts = {**header(subject, rounds), **machine}
    text = markdown(facts, rounds, cores(), warnings)
    console.print(text)
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    if options.json:
        document = {**facts, "warnings": warnings, "measured": [asdict(one) for one in rounds]}
        options.json.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _demo(folder: Path) -> Path:
    video = folder / "demo.mp4"
    truth_path(video).write_text(json.dumps(render_demo_episode(video, seed=1, duration_s=DEMO_S)), encoding="utf-8")
    return video


if __name__ == "__main__":
    main()
