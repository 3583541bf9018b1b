"""Ours against the plain afternoon's pipeline: the same weights, the same video, taking turns.

python -m tests.benchmarks.compare VIDEO --model-dir DIR [--rounds 3]
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.measure import measure, run_in

PLAIN = Path(__file__).with_name("plain_pipeline.py")


def main() -> None:
    """Print wall time and peak memory of both, round by round, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--model-dir", type=Path, required=True, help="folder with an SCRFD and an ArcFace file")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    ratios = []
    for number in range(1, arguments.rounds + 1):
        plain = measure([sys.executable, str(PLAIN), str(arguments.video), "--model-dir", str(arguments.model_dir)], {})
        with tempfile.TemporaryDirectory() as folder:
            models = {"SCREENALYTICS_MODEL_DIR": str(arguments.model_dir)}
            ours = run_in(Path(folder), arguments.video, "bench-s01e01", environment=models)
        ratios.append(ours.wall_s / plain.wall_s)
        print(
            f"round {number}: plain {plain.wall_s:.1f} s (CPU {plain.cpu_s:.1f} s, {plain.peak_mb:.0f} MB), "
            f"ours {ours.wall_s:.1f} s (CPU {ours.cpu_s:.1f} s, {ours.peak_mb:.0f} MB), "
            f"ours/plain {ratios[-1]:.2f}"
        )
    print(f"ours/plain: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
