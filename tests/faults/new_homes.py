"""Several runs at once in a home that does not exist yet: each opens the instance and registers the same episode.

Processes are forked after the imports and wait for each other, so that they are at the same place at the same time.

    python -m tests.faults.new_homes --homes 50
"""

import argparse
import os
import sys
import tempfile
import traceback
from pathlib import Path

import dagster as dg

from screenalytics_assets.partitions import EPISODES_NAME, SEASONS_NAME, SHOWS_NAME, register, register_episode
from screenalytics_assets.run_owner import owned_run
from screenalytics_assets.services.dagster_instance.instance import open_instance

EP = "demo-s01e01"


def start_and_register(run_id: str) -> None:
    """What a run does with the instance before its first step."""
    with open_instance() as instance:
        register_episode(instance, EP)
        register(instance, SHOWS_NAME, "demo")
        with owned_run(instance, run_id):
            instance.add_run(dg.DagsterRun("episode_job", run_id=run_id))


def in_new_home(home: Path, processes: int) -> int:
    """Start in a new home; returns the number of processes that failed, and checks what they left."""
    os.environ["DAGSTER_HOME"] = str(home)
    ready, go = os.pipe(), os.pipe()
    children = []
    for number in range(processes):
        child = os.fork()
        if child == 0:
            os.close(go[1])
            os.write(ready[1], b"r")
            os.read(go[0], 1)  # until the parent closes the pipe
            try:
                start_and_register(f"00000000-0000-4000-8000-{number:012}")
            except BaseException:  # noqa: BLE001 - a fork of the caller must not return
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    for _ in children:
        os.read(ready[0], 1)
    for end in (*ready, *go):
        os.close(end)
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    with open_instance() as instance:
        whole = (
            len(instance.get_runs()) == processes
            and list(instance.get_dynamic_partitions(EPISODES_NAME)) == [EP]
            and list(instance.get_dynamic_partitions(SEASONS_NAME)) == ["demo-s01"]
            and instance.schedule_storage is not None
            and not list(instance.all_instigator_state())
        )
    return failed + (not whole)


def main() -> int:
    """Count failures over several new homes; the exit status is 1 if there was one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--homes", type=int, default=50)
    parser.add_argument("--processes", type=int, default=5)
    options = parser.parse_args()
    failures = 0
    for _ in range(options.homes):
        with tempfile.TemporaryDirectory(prefix="screenalytics-homes-") as folder:
            failures += in_new_home(Path(folder, "home"), options.processes)
    print(f"{options.homes} new homes with {options.processes} starts each: {failures} failures")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
