"""Peak memory of a whole run for videos of several lengths, rendered from the sample photographs.

python -m tests.benchmarks.memory [--minutes 1 10]
"""

import argparse
import tempfile
from pathlib import Path

from screenalytics_assets.demo import render_demo_episode
from tests.benchmarks.measure import run_in


def main() -> None:
    """Print peak memory and wall time for each length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10])
    arguments = parser.parse_args()
    for minutes in arguments.minutes:
        with tempfile.TemporaryDirectory() as folder:
            video = Path(folder) / "video.mp4"
            render_demo_episode(video, seed=1, duration_s=60 * minutes)
            ours = run_in(Path(folder), video, "bench-s01e01", environment={})
        print(f"{minutes:g} min: {ours.peak_mb:.0f} MB, {ours.wall_s:.1f} s", flush=True)


if __name__ == "__main__":
    main()
