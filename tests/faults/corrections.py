"""Many writers that correct one episode at once: half through the Python service, half by the command line.

Each correction names a person of its own, so that a lost or doubled one can be told.

    python -m tests.faults.corrections --writers 8 --times 20
"""

import argparse
import itertools
import multiprocessing
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from resources.storage.correction_files import read_corrections
from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.people.corrections import NotThisPerson
from screenalytics_assets.services.corrections.correcting import CorrectionDesk
from tests.orchestration.command_line import Cli
from tests.unit.people.corrected_episode import EP, publish_episode

IDENTITY = "ident_001"


def by_service(cli: Cli, person_id: str) -> int:
    """Add a correction in this process; returns the number that it was given."""
    return CorrectionDesk(LocalArtifactStore(cli.data), EP).not_this_person(IDENTITY, person_id).number


def by_command(cli: Cli, person_id: str) -> int:
    """Add a correction by the command line; returns the number that it said."""
    outcome = cli.run("correct", EP, "not-this-person", IDENTITY, person_id)
    said = re.match(r"correction (\d+): ", outcome.said)
    if outcome.returncode != 0 or not said:
        raise RuntimeError(f"{person_id}: exit code {outcome.returncode}: {outcome.said[-500:]}")
    return int(said[1])


DOORS: tuple[Callable[[Cli, str], int], ...] = (by_service, by_command)


def written(cli: Cli, writer: int, times: int) -> dict[str, int]:
    """What one writer adds, one after the other: the number that each correction was given, by its person."""
    door = DOORS[writer % len(DOORS)]
    return {person: door(cli, person) for person in (f"writer-{writer}-{count}" for count in range(times))}


def corrected_at_once(folder: Path, writers: int, times: int) -> list[str]:
    """Let all writers correct a new episode in a folder at once; returns what is wrong afterwards."""
    cli = Cli(folder)
    store = LocalArtifactStore(cli.data)
    publish_episode(store)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(writers, mp_context=context) as pool:
        each = pool.map(written, *zip(*((cli, writer, times) for writer in range(writers)), strict=True))
        given = dict(itertools.chain.from_iterable(numbers.items() for numbers in each))
    kept = [
        (one.person_id, one.number) for one in read_corrections(store, EP).corrections if isinstance(one, NotThisPerson)
    ]
    print(f"{writers} writers, {times} corrections each: {len(kept)} of {writers * times} kept")
    problems = [f"{person} was given {number}, but is not kept with it" for person, number in given.items() - set(kept)]
    problems += [
        f"{person} is kept {count} times" for person, count in Counter(p for p, _ in kept).items() if count > 1
    ]
    if [number for _, number in kept] != list(range(1, writers * times + 1)):
        problems.append(f"the numbers are {[number for _, number in kept]}")
    return problems


def main() -> int:
    """Print what was lost or doubled; the exit status is 1 if something was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="screenalytics-corrections-") as folder:
        problems = corrected_at_once(Path(folder), options.writers, options.times)
    print("\n".join(problems) or "nothing lost, each number given once")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
