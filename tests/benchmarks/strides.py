"""Person-seconds found at strides 1, 2, 3 and 5: all people of an episode together, and the person who fares worst.

    python -m tests.benchmarks.strides VIDEO [VIDEO ...] [--model-dir DIR] [--strides 1 2 3 5]

Each video lies beside its ``.truth.json``. The limit on frames a second is lifted, so that the stride is what it says.
Seconds are those that ``screen_time`` gives to the identities of people of the truth.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from resources.models.packs import load_pack
from resources.system.paths import config_dir
from tests.benchmarks.ablation import Bench, Variant
from tests.benchmarks.labelled import print_table

STRIDES = (1, 2, 3, 5)
Seconds = dict[str, float]


def stride_variant(stride: int) -> Variant:
    """The pipeline at a stride, on every such frame."""
    return Variant(f"stride {stride}", {"frame_stride": stride, "detection_fps_limit": 60.0})


def person_seconds(bench: Bench, video: Path, stride: int) -> Seconds:
    """Seconds of each person of the truth who has an identity."""
    scores, _ = bench.score(video, stride_variant(stride))
    return {person.person: person.predicted_s for person in scores.per_person if person.identity_id is not None}


def difference(seconds: Sequence[float]) -> float:
    """Largest difference between two of them, as a share of the largest."""
    return (max(seconds) - min(seconds)) / max(seconds) if max(seconds) else 0.0


def row(video: Path, of_strides: Mapping[int, Seconds]) -> dict[str, object]:
    """The episode, the seconds of each stride, how far they differ, and the person of whom they differ most."""
    totals = {stride: sum(seconds.values()) for stride, seconds in of_strides.items()}
    people = sorted({person for seconds in of_strides.values() for person in seconds})
    by_person = {person: difference([s.get(person, 0.0) for s in of_strides.values()]) for person in people}
    worst = max(by_person, key=by_person.__getitem__, default="")
    return {
        "episode": video.stem,
        **{f"stride {stride}": f"{total:.2f}" for stride, total in totals.items()},
        "largest difference": f"{difference(list(totals.values())):.2%}",
        "of one person": f"{by_person.get(worst, 0.0):.2%} {worst}",
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.strides", description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--model-dir", type=Path)
    parser.add_argument("--strides", nargs="+", type=int, default=STRIDES)
    options = parser.parse_args()
    bench = Bench(load_pack("open", options.model_dir, config_dir() / "pipeline" / "models.yaml", verifier_pack="open"))
    print_table(
        [
            row(video, {stride: person_seconds(bench, video, stride) for stride in options.strides})
            for video in options.videos
        ]
    )


if __name__ == "__main__":
    main()
