"""How long it takes to compare 1,000 tracks with 1,000 people of 5 photos each.

    python -m tests.benchmarks.facebank_search [--tracks 1000] [--people 1000] [--photos 5] [--rounds 5]

Random vectors of unit length. CPU is that of this process.
"""

import argparse
import os
import time

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION
from screenalytics_assets.core.common.vectors import unit_rows
from screenalytics_assets.core.people.naming import PersonSimilarities
from tests.benchmarks.labelled import print_table


def random_vectors(count: int, seed: int) -> NDArray[np.float32]:
    """(count, 512) directions."""
    return unit_rows(np.random.default_rng(seed).normal(size=(count, EMBEDDING_DIMENSION)).astype(np.float32))


def measure(tracks: NDArray[np.float32], photos: NDArray[np.float32], person_ids: list[str]) -> dict[str, object]:
    """One round, in seconds, and the load of the machine."""
    track_ids = [f"track-{i}" for i in range(len(tracks))]
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    PersonSimilarities.compare(track_ids, tracks, person_ids, photos)
    return {
        "seconds": f"{time.perf_counter() - started_s:.2f}",
        "CPU, s": f"{time.process_time() - started_cpu_s:.2f}",
        "load": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs",
    }


def main() -> None:
    """Print a line for each round."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.facebank_search", description=__doc__)
    parser.add_argument("--tracks", type=int, default=1000)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--photos", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    tracks, photos = random_vectors(options.tracks, 1), random_vectors(options.people * options.photos, 2)
    person_ids = [f"person-{i // options.photos}" for i in range(len(photos))]
    print_table([measure(tracks, photos, person_ids) for _ in range(options.rounds)])


if __name__ == "__main__":
    main()
