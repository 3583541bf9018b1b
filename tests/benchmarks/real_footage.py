"""Clips labelled by hand: a whole run of each, and how its screen time and its boxes agree with the labels.

    python -m tests.benchmarks.real_footage --clips DIR [--labels DIR] [--only NAME ...] [--boxes FILE]
        [--pack NAME | --model-dir DIR] [--set KEY=VALUE ...] [--keep DIR]

Each ``{NAME}.json`` of the labels belongs to the ``{NAME}.mp4`` of the clips and has the seconds in which a face of
each person can be seen, as ``screenalytics evaluate --intervals`` takes them. FILE is what `labelled_boxes` reads.
``--keep`` leaves the data roots, and scores those that are there already without running again: ``DIR/NAME/data``.
Prints a Markdown row per clip. `error` is that of the seconds of a person, `false people` those of identities that
stand for nobody; `boxes` are detections of faces + of pictures of faces + of nothing on the labelled frames.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from resources.storage.local_store import LocalArtifactStore
from resources.storage.store import ArtifactStore, require_artifact
from resources.video.decoder import probe_video
from screenalytics_assets.core.evaluation.sightings import single_track_of_detection
from screenalytics_assets.services.scoring import read_labels, score_published_intervals
from tests.benchmarks.labelled import print_table
from tests.benchmarks.labelled_boxes import BoxScores, LabelledFrame, read_boxes, score_boxes
from tests.benchmarks.measure import Measured, run_in

EP_ID = "bench-s01e01"


@dataclass(frozen=True)
class Models:
    """What is run: a pack or a folder of weights, and changed keys."""

    model_dir: Path | None = None
    overrides: Sequence[str] = field(default_factory=list)

    def run(self, video: Path, folder: Path) -> Measured:
        """A whole run of a clip."""
        environment = {"SCREENALYTICS_MODEL_DIR": str(self.model_dir.resolve())} if self.model_dir else {}
        options = [word for override in self.overrides for word in ("--set", override)]
        return run_in(folder, video, EP_ID, *options, environment=environment)


def row(
    video: Path, labels: Path, boxes: Sequence[LabelledFrame], folder: Path, models: Models
) -> tuple[dict[str, object], list[dict[str, object]]]:
    """The row of a clip, and one for each of its people."""
    store = LocalArtifactStore(folder / "data")
    taken = None if store.manifest("screen_time", EP_ID) else models.run(video, folder)
    scores = score_published_intervals(store, EP_ID, read_labels(labels))
    found, tracked = box_scores(store, video, boxes) if boxes else (None, None)
    return {
        "clip": video.stem,
        "people": scores.people,
        "identities": scores.identities,
        "over 1 s": scores.identities_over_1s,
        "mean error": scores.error_mean,
        "worst error": scores.error_max,
        "false people s": scores.false_people_s,
        "unassigned s": scores.unassigned_s,
        "in range": scores.people_in_range,
        "wall s": taken.wall_s if taken else None,
        "CPU s": taken.cpu_s if taken else None,
        "boxes": found and f"{found.on_faces} + {found.on_pictures} + {found.on_nothing}",
        "precision": found and found.precision,
        "recall": found and found.recall,
        "precision in tracks": tracked and tracked.precision,
        "recall in tracks": tracked and tracked.recall,
    }, [
        {
            "clip": video.stem,
            "person": person.person,
            "seconds": person.true_s,
            "identity": person.identity,
            "predicted": person.predicted_s,
            "shared": person.shared_s,
            "least": person.least_s,
            "most": person.most_s,
            "in range": person.in_range,
        }
        for person in scores.per_person
    ]


def box_scores(store: ArtifactStore, video: Path, boxes: Sequence[LabelledFrame]) -> tuple[BoxScores, BoxScores]:
    """The published detections against the labelled boxes: all of them, and those that are in a track."""
    found, probe = require_artifact(store, "detections", EP_ID), probe_video(video)
    detections = found.table("detections.parquet")
    track_of = single_track_of_detection(require_artifact(store, "tracks", EP_ID).table("tracks.parquet"))
    in_track = pc.is_in(detections["detection_id"], pa.array(list(track_of), pa.string()))
    analysed = found.table("analysed_frames.parquet")
    all_of_them, tracked = (
        score_boxes(boxes, analysed, rows, (probe.width, probe.height))
        for rows in (detections, detections.filter(in_track))
    )
    return all_of_them, tracked


def main() -> None:
    """Run and score the clips, and print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.real_footage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clips", type=Path, required=True, help="folder of NAME.mp4")
    parser.add_argument("--labels", type=Path, help="folder of NAME.json; that of the clips unless given")
    parser.add_argument("--boxes", type=Path, help="JSON file of labelled boxes")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these clips")
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--pack", help="name of a model pack")
    weights.add_argument("--model-dir", type=Path, help="folder with a detector and an embedder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a changed key")
    parser.add_argument("--keep", type=Path, help="folder for the data roots")
    options = parser.parse_args()
    labels = sorted((options.labels or options.clips).glob("*.json"))
    chosen = [path for path in labels if not options.only or path.stem in options.only]
    if missing := set(options.only or ()) - {path.stem for path in chosen}:
        parser.error(f"no labels of {', '.join(sorted(missing))}")
    boxes = read_boxes(options.boxes) if options.boxes else {}
    models = Models(options.model_dir, [*options.set, *([f"model_pack={options.pack}"] if options.pack else [])])
    clips, people = [], []
    with tempfile.TemporaryDirectory(prefix="real-footage-") as temporary:
        for path in chosen:
            folder = (options.keep or Path(temporary)).resolve() / path.stem
            folder.mkdir(parents=True, exist_ok=True)
            clip, of_clip = row(options.clips / f"{path.stem}.mp4", path, boxes.get(path.stem, []), folder, models)
            Console(stderr=True, soft_wrap=True, highlight=False).print(clip)
            clips.append(clip)
            people.extend(of_clip)
    print_table(clips)
    print()
    print_table(people)


if __name__ == "__main__":
    main()
