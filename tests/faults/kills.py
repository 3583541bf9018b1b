"""Kills at random moments: the process of a run, its database server, the UI with its daemon; also in containers.

After each kill the same run is started again, where it was or in another container with the same process ids. It has to
succeed within a minute of waiting, leave nothing behind, and give the bytes of a run that nobody disturbed.

    python -m tests.faults.kills --kills 60 --containers 20
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from screenalytics_assets.services.demo import render_demo_episode
from tests.orchestration.command_line import SCRIPT, Cli

EP = "demo-s01e01"
CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
VICTIMS = ("run", "database", "ui", "daemon")


def start(cli: Cli, *arguments: str, wrapper: tuple[str, ...] = ()) -> "subprocess.Popen[bytes]":
    """Start a command in a session of its own."""
    return subprocess.Popen(
        [*wrapper, SCRIPT, *arguments],
        env=cli.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_database(cli: Cli) -> None:
    """Kill the server of a data root, if it runs."""
    with suppress(FileNotFoundError, ValueError, IndexError, ProcessLookupError):
        os.kill(int((cli.data / "database/postgres/postmaster.pid").read_text().split()[0]), signal.SIGKILL)


def kill_daemon(ui: "subprocess.Popen[bytes]") -> None:
    """Kill the daemon of a UI, if it has one by now."""
    for child in psutil.Process(ui.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "dagster._daemon" in child.cmdline():
                child.kill()


def disturb(cli: Cli, video: Path, victim: str, moment_s: float, wrapper: tuple[str, ...]) -> None:
    """Start a run, and kill something after a while."""
    with_ui = victim in ("ui", "daemon")
    ui = start(cli, "ui", "--port", "0") if with_ui else None
    run = start(cli, "run", str(video), "--ep-id", EP, wrapper=wrapper)
    with suppress(subprocess.TimeoutExpired):
        run.wait(moment_s)
    if victim == "run":
        run.kill() if wrapper else os.killpg(run.pid, signal.SIGKILL)
    elif victim == "database":
        kill_database(cli)
    elif ui is not None:
        ui.kill() if victim == "ui" else kill_daemon(ui)
    run.wait()
    if ui is not None:
        with suppress(ProcessLookupError):
            os.killpg(ui.pid, signal.SIGTERM)
        ui.wait(60)


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
        return f"exit code {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}"
    found = cli.artifacts()
    different = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    return f"other bytes: {different[:5]}" if different else None


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
        render_demo_episode(video, seed=3, duration_s=6.0)
        undisturbed = Cli(Path(folder, "undisturbed"))
        began = time.monotonic()
        subprocess.run([SCRIPT, "run", str(video), "--ep-id", EP], env=undisturbed.environment(), check=True)
        usual_s = time.monotonic() - began
        expected = undisturbed.artifacts()
        tries: list[tuple[str, tuple[str, ...]]] = [(VICTIMS[i % len(VICTIMS)], ()) for i in range(options.kills)]
        tries += [("run", CONTAINER)] * options.containers
        for number, (victim, wrapper) in enumerate(tries):
            cli, moment_s = Cli(Path(folder, str(number))), chance.uniform(0.0, usual_s)
            disturb(cli, video, victim, moment_s, wrapper)
            problem = run_again(cli, video, expected, 3 * usual_s + 60, wrapper)
            faults += problem is not None
            where = " in a container" if wrapper else ""
            print(f"{number}: {victim} killed{where} after {moment_s:.1f} s: {problem or 'right'}", flush=True)
    print(f"{len(tries)} kills with seed {options.seed}: {faults} faults")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
