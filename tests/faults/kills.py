"""Kills at random moments: the process of a run, its database server, the UI with its daemon; also in containers.

After each kill the same run is started again, where it was or in another container with the same process ids. It has to
succeed, wait less than a minute for the pool slot of the killed one, leave nothing behind, and give the bytes of a run
that nobody disturbed. Containers are for root only.

    python -m tests.faults.kills --kills 60 --containers 20
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil

from screenalytics_assets.services.demo import render_demo_episode
from tests.faults.moments import children_work_s, wait_for_work, wait_until
from tests.orchestration.command_line import SCRIPT, Cli, free_port

EP = "demo-s01e01"
CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
VICTIMS = ("run", "database", "ui", "daemon")
DATABASE_S = 1.0
"""About as long as the database's server lives in a run."""
STARTS_S = 60.0
LIMIT_S = 300.0
"""A run takes about ten seconds on an idle machine."""
LONGEST_WAIT_S = 60.0


def kill_database(cli: Cli) -> bool:
    """Kill the server of a data root, if it runs; returns whether it did."""
    with suppress(FileNotFoundError, ValueError, IndexError, ProcessLookupError):
        os.kill(int((cli.data / "database/postgres/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        return True
    return False


def daemons(ui: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The daemon of a UI, if it has one by now."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(ui.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if "dagster._daemon" in child.cmdline():
                    found.append(child)
    return found


def disturb(cli: Cli, video: Path, victim: str, chance: float, usual_s: float, wrapper: tuple[str, ...]) -> str:
    """Start a run, and kill something at a random moment of its life; returns when, or that it was not there.

    Args:
        cli: Where.
        video: The episode.
        victim: One of ``VICTIMS``.
        chance: The moment, 0 to 1.
        usual_s: The processor time of a run that nobody disturbs.
        wrapper: What the run is started with.
    """
    ui = cli.start("ui", "--port", str(free_port())) if victim in ("ui", "daemon") else None
    if ui is not None:
        wait_until(lambda: bool(daemons(ui)), STARTS_S)
    run = cli.start("run", str(video), "--ep-id", EP, wrapper=wrapper)
    began = time.monotonic()
    if victim == "database":  # it lives for the last part of a run
        server = cli.data / "database/postgres/postmaster.pid"
        wait_until(lambda: server.exists() or run.poll() is not None, LIMIT_S)
        with suppress(subprocess.TimeoutExpired):
            run.wait(chance * DATABASE_S)
    else:
        wait_for_work(run, chance * usual_s, LIMIT_S)
    hit = True
    if victim == "run":
        hit = run.poll() is None
        run.kill() if wrapper else os.killpg(run.pid, signal.SIGKILL)
    elif victim == "database":
        hit = kill_database(cli)
    elif ui is not None and victim == "ui":
        hit = ui.poll() is None
        ui.kill()
    elif ui is not None:
        killed = daemons(ui)
        hit = bool(killed)
        for daemon in killed:
            daemon.kill()
    after_s = time.monotonic() - began
    run.wait()
    if ui is not None:
        with suppress(ProcessLookupError):
            os.killpg(ui.pid, signal.SIGTERM)
        ui.wait(60)
    return f"killed after {after_s:.1f} s" if hit else f"had ended after {after_s:.1f} s"


def longest_wait_s(cli: Cli) -> float:
    """The longest time before a step of the latest run: it waited for its pool slot then, if it had to."""
    os.environ["DAGSTER_HOME"] = str(cli.home)
    with dg.DagsterInstance.get() as instance:
        entries = instance.all_logs(instance.get_runs(limit=1)[0].run_id)
    longest_s, ended_s = 0.0, entries[0].timestamp
    for entry in entries:
        kind = entry.dagster_event.event_type_value if entry.dagster_event else ""
        if kind == "STEP_START":
            longest_s = max(longest_s, entry.timestamp - ended_s)
        elif kind in ("STEP_SUCCESS", "STEP_FAILURE", "RUN_START"):
            ended_s = entry.timestamp
    return longest_s


def run_again(cli: Cli, video: Path, expected: dict[str, str], limit_s: float, wrapper: tuple[str, ...]) -> str | None:
    """Run once more; returns what is wrong."""
    command = [*wrapper, str(SCRIPT), "run", str(video), "--ep-id", EP]
    try:
        done = subprocess.run(
            command, env=cli.environment(), capture_output=True, text=True, check=False, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        return f"still runs after {limit_s:.0f} s"
    if done.returncode != 0:
        return f"exit code {done.returncode}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
    found = cli.artifacts()
    different = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if different:
        return f"other bytes: {different[:5]}"
    waited_s = longest_wait_s(cli)
    return f"waited {waited_s:.1f} s for a slot" if waited_s > LONGEST_WAIT_S else None


def main() -> int:
    """Count faults; the exit status is 1 if there was one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--containers", type=int, default=20 if os.geteuid() == 0 else 0, help="20 for root, who may")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - nothing secret
    faults = 0
    with tempfile.TemporaryDirectory(prefix="screenalytics-kills-") as folder:
        Path(folder).chmod(0o755)  # for the database's own user
        video = Path(folder, "episode.mp4")
        render_demo_episode(video, seed=3, duration_s=1.5)
        undisturbed = Cli(Path(folder, "undisturbed"))
        began_s = children_work_s()
        undisturbed.run("run", str(video), "--ep-id", EP)
        usual_s = children_work_s() - began_s
        expected = undisturbed.artifacts()
        tries: list[tuple[str, tuple[str, ...]]] = [(VICTIMS[i % len(VICTIMS)], ()) for i in range(options.kills)]
        tries += [("run", CONTAINER)] * options.containers
        chance.shuffle(tries)
        for number, (victim, wrapper) in enumerate(tries):
            cli, place = Cli(Path(folder, str(number))), " in a container" if wrapper else ""
            happened = disturb(cli, video, victim, chance.random(), usual_s, wrapper)
            problem = run_again(cli, video, expected, LIMIT_S, wrapper)
            faults += problem is not None
            result = problem or f"right; the next run waited at most {longest_wait_s(cli):.1f} s before a step"
            print(f"{number}: {victim}{place} {happened}: {result}", flush=True)
            shutil.rmtree(cli.data.parent, ignore_errors=True)
    print(f"{len(tries)} kills with seed {options.seed}: {faults} faults")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
