"""Many writers that correct one episode at once: half through the Python service, half by the command line.

Each correction names a person of its own, so that a lost or doubled one can be told. A command takes a second to start
and a hundredth to write, so the service goes on adding and removing others until the last command has ended.

    python -m tests.faults.corrections --writers 8 --times 20
"""

import argparse
import itertools
import multiprocessing
import re
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, wait
from pathlib import Path

from resources.storage.correction_files import read_corrections
from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.people.corrections.corrections import NotThisPerson
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


def written_by_service(cli: Cli, writer: int, times: int, commands_ended: Path) -> dict[str, int]:
    """Add corrections, then add and remove others until the commands have ended; the numbers by person."""
    given: dict[str, int] = {}
    for count in itertools.count():
        if count >= times and commands_ended.exists():
            break
        person_id = f"service-{writer}-{count}"
        given[person_id] = by_service(cli, person_id)
        if count >= times:
            CorrectionDesk(LocalArtifactStore(cli.data), EP).undo(given[person_id])
    return given


def written_by_command(cli: Cli, writer: int, times: int) -> dict[str, int]:
    """Add corrections one after the other; the numbers by person."""
    return {person_id: by_command(cli, person_id) for person_id in (f"command-{writer}-{i}" for i in range(times))}


def corrected_at_once(folder: Path, writers: int, times: int) -> list[str]:
    """Let all writers correct a new episode in a folder at once; returns what is wrong afterwards."""
    cli, commands_ended = Cli(folder), folder / "commands have ended"
    store = LocalArtifactStore(cli.data)
    publish_episode(store)
    each, context = writers // 2, multiprocessing.get_context("fork")
    with ProcessPoolExecutor(each, mp_context=context) as processes, ThreadPoolExecutor(each) as threads:
        services = [processes.submit(written_by_service, cli, i, times, commands_ended) for i in range(each)]
        commands = [threads.submit(written_by_command, cli, i, times) for i in range(each)]
        wait(commands)
        commands_ended.touch()
        given = dict(itertools.chain.from_iterable(one.result().items() for one in [*services, *commands]))
    expected = {
        f"{door}-{writer}-{i}" for door in ("service", "command") for writer in range(each) for i in range(times)
    }
    entries = [one for one in read_corrections(store, EP).corrections if isinstance(one, NotThisPerson)]
    kept = {one.person_id: one.number for one in entries}
    print(
        f"{2 * each} writers, {times} corrections each: {len(kept.keys() & expected)} of {len(expected)} kept, ", end=""
    )
    print(f"while {len(given) - len(expected)} others were added and removed")
    problems = [
        f"{person} was given {given.get(person)} and is kept with {kept.get(person)}"
        for person in expected
        if given.get(person) is None or given[person] != kept.get(person)
    ]
    problems += [
        f"{one.person_id} is kept though it was removed, or twice"
        for one in entries
        if one.person_id not in expected or kept[one.person_id] != one.number
    ]
    problems += [
        f"the number {number} was given {count} times" for number, count in Counter(given.values()).items() if count > 1
    ]
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
