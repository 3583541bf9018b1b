"""Tries random damage for as long as asked, and prints the seed of each try that went wrong.

    python -m tests.faults [--tries N | --hours H] [--seed SEED]

With ``--seed``, tries begin at this seed, so that ``--seed SEED --tries 1`` repeats one.
"""

import argparse
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import av

from resources.models.packs import load_pack
from resources.system.paths import config_dir
from tests.faults.videos import Clips, verdicts

_WITHOUT_END = 10**9


def main() -> None:
    """Try, count and print; exits with 1 if something went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--tries", type=int, help="number of damaged videos (500 unless --hours is given)")
    parser.add_argument("--hours", type=float, help="stop after this time instead")
    parser.add_argument("--seed", type=int, help="the first seed; random by default")
    options = parser.parse_args()
    seed = secrets.randbelow(_WITHOUT_END) if options.seed is None else options.seed
    tries = options.tries or (_WITHOUT_END if options.hours else 500)
    ends = time.monotonic() + 3600 * options.hours if options.hours else float("inf")
    outcomes: Counter[tuple[str, str]] = Counter()
    wrong = 0
    av.logging.set_level(None)
    with tempfile.TemporaryDirectory() as folder:
        clips = Clips(Path(folder), load_pack("open", None, config_dir() / "pipeline" / "models.yaml"))
        for tried, verdict in verdicts(clips, seed, tries):
            outcomes[verdict.encoding, verdict.outcome] += 1
            if verdict.fault:
                wrong += 1
                print(f"seed {tried}: {verdict.encoding}, {verdict.mutation}: {verdict.fault}", flush=True)
            if time.monotonic() > ends:
                break
    for (encoding, outcome), count in sorted(outcomes.items()):
        print(f"{encoding:12} {outcome:12} {count:6}")
    print(f"{sum(outcomes.values())} damaged videos from seed {seed}, {wrong} of them wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
