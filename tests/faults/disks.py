"""Disks that are full or read-only from a random moment of a run on, and from the start of other commands.

A disk is a tmpfs in a mount namespace of this process. What runs has to end with exit status 1 or 2 and a message that
names a place and says what is wrong with the disk, or be right because it had ended, or needed nothing more. Once there
is room again, the same command succeeds, with the bytes of a run that nobody disturbed. Root only.

    python -m tests.faults.disks --tries 60
"""

import argparse
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

import cv2

from screenalytics_assets.services.demo import GROUP_FACES, GROUP_PHOTO, render_demo_episode
from tests.faults.moments import children_work_s, wait_for_work
from tests.orchestration.command_line import Cli, Outcome, free_port

EP = "demo-s01e01"
SIZE_MB = 400
"""Of a disk: several times what a run writes, with the database."""
ENDS_S = 180.0
UI_S = 15.0
"""How long a UI on a bad disk is watched before it is asked to end."""
WHERE = ("data", "home", "data and home")
SAYS = {"full": "the disk is full", "read-only": "read-only"}
_CLONE_NEWNS = 0x00020000
"""The flag of ``unshare(2)`` for a mount namespace; from Linux, ``include/uapi/linux/sched.h``."""


def leave_mount_namespace() -> None:
    """What this process mounts from now on, nobody else sees."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS) != 0:
        sys.exit(f"no mount namespace of its own: {os.strerror(ctypes.get_errno())}; run this as root")
    mount("--make-rprivate", "/")


def mount(*arguments: str | Path) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


class Disk:
    """A small disk at a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"
        self._is_covered = False
        folder.mkdir(parents=True)
        if not mount("-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=755", "tmpfs", folder):
            sys.exit(f"{folder} cannot be mounted: run this as root")

    def spoil(self, fault: str) -> None:
        """Leave no room on it, or let nothing be written any more."""
        if fault == "full":
            with self._filler.open("ab", buffering=0) as stream, suppress(OSError):
                while stream.write(bytes(2**20)):
                    pass
            with self._filler.open("ab", buffering=0) as stream, suppress(OSError):
                while stream.write(bytes(2**10)):
                    pass
        elif not mount("-o", "remount,ro", self.folder):
            # A file is open for writing. Files that are opened from now on are below a read-only mount.
            self._is_covered = mount("--bind", self.folder, self.folder) and mount("-o", "remount,bind,ro", self.folder)

    def mend(self) -> None:
        """Undo it."""
        if self._is_covered:
            subprocess.run(["umount", "--lazy", self.folder], check=True)
            self._is_covered = False
        mount("-o", "remount,rw", self.folder)
        self._filler.unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it, whoever still uses it."""
        while os.path.ismount(self.folder):
            subprocess.run(["umount", "--lazy", self.folder], check=True)


@contextmanager
def on_disk(folder: Path, where: str) -> Iterator[tuple[Cli, Disk]]:
    """A command line whose data, Dagster home or both are on a small disk."""
    cli, disk = Cli(folder), Disk(folder / "disk")
    cli.data = (disk.folder if "data" in where else folder) / "data"
    cli.home = (disk.folder if "home" in where else folder) / "home"
    try:
        yield cli, disk
    finally:
        disk.remove()
        shutil.rmtree(folder, ignore_errors=True)


def ended(process: "subprocess.Popen[str]") -> Outcome:
    """How a command ends; one that does not is killed, and has the exit status of that."""
    try:
        said, _ = process.communicate(timeout=ENDS_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        said += f" (killed after {ENDS_S:.0f} s)"
    return Outcome(process.returncode, said)


def fault_in_message(outcome: Outcome, fault: str, folder: Path) -> str | None:
    """What is wrong with how a command ended on a bad disk."""
    said = outcome.said
    if "Traceback" in said or "a bug of screenalytics" in said:
        return f"not a message for people: {said[-1500:]}"
    if outcome.returncode == 0:
        return None
    if outcome.returncode not in (1, 2):
        return f"exit code {outcome.returncode}: {said[-1500:]}"
    if str(folder) not in said or SAYS[fault] not in said:
        return f"a message without the place or the reason: {said[-1500:]}"
    return None


def message_of(outcome: Outcome) -> str:
    """The errors that it said, shortened."""
    return "; ".join(part.strip()[:200] for part in outcome.said.split("error:")[1:]) or "nothing"


def run_on_bad_disk(
    folder: Path, video: Path, where: str, fault: str, work_s: float, expected: dict[str, str]
) -> tuple[str | None, str]:
    """A run whose disk goes bad, and the same run afterwards; returns what is wrong, and what the first one said."""
    with on_disk(folder, where) as (cli, disk):
        command = ("run", video, "--ep-id", EP)
        run = cli.start(*command, output=subprocess.PIPE)
        began = time.monotonic()
        wait_for_work(run, work_s, ENDS_S)
        when = f"after {time.monotonic() - began:.1f} s"
        when = when if run.poll() is None else "at its end"
        disk.spoil(fault)
        outcome = ended(run)
        said = f"{when}: exit code {outcome.returncode}, {message_of(outcome)}"
        problem = fault_in_message(outcome, fault, disk.folder)
        if problem is None and outcome.returncode == 0 and (different := differences(cli, expected)):
            problem = f"exit code 0 with other bytes: {different}"
        disk.mend()
        again = ended(cli.start(*command, output=subprocess.PIPE))
        if again.returncode != 0:
            problem = problem or f"once there was room again: exit code {again.returncode}: {again.said[-1500:]}"
        elif different := differences(cli, expected):
            problem = problem or f"once there was room again: other bytes: {different}"
        return problem, said


def differences(cli: Cli, expected: dict[str, str]) -> list[str]:
    """Artifacts that are not those of an undisturbed run."""
    found = cli.artifacts()
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))[:5]


def other_commands(photos: Path, photo: Path, out: Path) -> dict[str, tuple[str | Path, ...]]:
    """Commands for an episode that has run."""
    return {
        "check": ("check", EP),
        "correct": ("correct", EP, "name", "ident_001", "Anna"),
        "correct --apply": ("correct", EP, "ignore", "ident_001", "--apply"),
        "facebank": ("facebank", "demo", "--photos", photos),
        "find": ("find", photo),
        "season status": ("season", "status", "demo-s01"),
        "season report": ("season", "report", "demo-s01"),
        "export": ("export", EP, "--format", "csv", "--out", out),
        "ui": ("ui", "--port", str(free_port())),
    }


def commands_on_bad_disk(folder: Path, video: Path, fault: str) -> Iterator[tuple[str, str | None, str]]:
    """Each of the other commands on a bad disk, and once it is mended: its name, what is wrong, what it said."""
    photos = folder.parent / "photos"
    photo = demo_photo(photos / "person-1")
    with on_disk(folder, "data and home") as (cli, disk):
        ended(cli.start("run", video, "--ep-id", EP, output=subprocess.PIPE))
        for name, command in other_commands(photos, photo, disk.folder / "out").items():
            disk.spoil(fault)
            outcome = watched(cli, command) if name == "ui" else ended(cli.start(*command, output=subprocess.PIPE))
            problem = fault_in_message(outcome, fault, disk.folder)
            disk.mend()
            again = watched(cli, command) if name == "ui" else ended(cli.start(*command, output=subprocess.PIPE))
            if again.returncode != 0:
                problem = problem or f"once there was room again: exit code {again.returncode}: {again.said[-1500:]}"
            yield name, problem, f"exit code {outcome.returncode}, {message_of(outcome)}"


def watched(cli: Cli, command: tuple[str | Path, ...]) -> Outcome:
    """How a UI ends that is asked to after a while."""
    ui = cli.start(*command, output=subprocess.PIPE)
    with suppress(subprocess.TimeoutExpired):
        ui.wait(UI_S)
    with suppress(ProcessLookupError):
        ui.terminate()
    return ended(ui)


def demo_photo(folder: Path) -> Path:
    """A photograph of a person of the demo."""
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(str(files("insightface") / "data" / "images" / GROUP_PHOTO))
    left, top, right, bottom = map(round, GROUP_FACES["person-1"])
    margin = (right - left) // 2
    picture = cv2.imread(str(source))
    assert picture is not None
    cv2.imwrite(str(folder / "1.png"), picture[top - margin : bottom + margin, max(0, left - margin) : right + margin])
    return folder / "1.png"


def main() -> int:
    """Count faults; the exit status is 1 if there was one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tries", type=int, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("only root can mount disks: nothing was tried")
        return 0
    chance = random.Random(options.seed)  # noqa: S311 - nothing secret
    faults = tried = 0
    with tempfile.TemporaryDirectory(prefix="screenalytics-disks-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # for the database's own user
        leave_mount_namespace()
        video = folder / "episode.mp4"
        render_demo_episode(video, seed=3, duration_s=1.5)
        undisturbed = Cli(folder / "undisturbed")
        began_s = children_work_s()
        outcome = undisturbed.run("run", str(video), "--ep-id", EP)
        usual_s = children_work_s() - began_s
        if outcome.returncode != 0:
            sys.exit(f"the undisturbed run failed: {outcome.said[-1500:]}")
        expected = undisturbed.artifacts()
        kinds = [(where, fault) for where in WHERE for fault in SAYS]
        for number in range(options.tries):
            where, fault = kinds[number % len(kinds)]
            work_s = chance.uniform(0.0, usual_s)
            problem, said = run_on_bad_disk(folder / str(number), video, where, fault, work_s, expected)
            faults += problem is not None
            tried += 1
            print(f"{number}: {where} {fault} {said}: {problem or 'right'}", flush=True)
        for fault in SAYS:
            for command, problem, said in commands_on_bad_disk(folder / fault, video, fault):
                faults += problem is not None
                tried += 1
                print(f"{command} on a disk that is {fault}: {problem or f'right ({said})'}", flush=True)
    print(f"{tried} bad disks with seed {options.seed}: {faults} faults")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
