"""A command measured from outside: wall time, CPU time and memory of its processes. Memory needs Linux."""

import os
import subprocess
import sysconfig
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from resources.system.paths import project_dir

SCREENALYTICS = str(Path(sysconfig.get_path("scripts")) / "screenalytics")
SAMPLE_INTERVAL_S = 0.1
SAMPLES_PER_LOOK_AROUND = 5
"""Looking through all processes of the machine takes some milliseconds, a look at one of them a tenth of one."""
_MB = 1024 * 1024


class Sample(NamedTuple):
    """What the process itself had taken at a moment.

    Attributes:
        at_s: Seconds since the epoch.
        cpu_s: User and system, with the children that have ended.
        resident_mb: Resident memory.
    """

    at_s: float
    cpu_s: float
    resident_mb: float


class Measured(NamedTuple):
    """What a command took.

    Attributes:
        wall_s: From its start to its end.
        cpu_s: User and system, of all its processes.
        peak_mb: The most resident memory that its first process had, up to a tenth of a second before its end.
        peak_all_mb: The most of all of them together, as seen twice a second, without what they share.
        started_s: When it began, in seconds since the epoch.
        samples: The process itself over time.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    peak_all_mb: float
    started_s: float = 0.0
    samples: tuple[Sample, ...] = ()


def high_water_mb(pid: int) -> float:
    """The most resident memory that a process has had since its program started.

    Not the ``ru_maxrss`` of ``wait4`` or ``getrusage``: that begins with what its parent had when it was started.

    Raises:
        psutil.NoSuchProcess: It has ended.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise psutil.NoSuchProcess(pid) from error
    marks = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
    if not marks:
        raise psutil.ZombieProcess(pid)
    return marks[0]


class _Watch(threading.Thread):
    """Samples a process, and those that belong to it: its descendants, and servers at work in its folder."""

    def __init__(self, pid: int, folder: Path | None) -> None:
        super().__init__(name="watch", daemon=True)
        self._pid = pid
        self._folder = folder
        self._over = threading.Event()
        self.samples: list[Sample] = []
        self.servers_cpu_s = 0.0
        self.peak_mb = 0.0
        self.peak_all_mb = 0.0

    def run(self) -> None:
        """Until the process has ended."""
        process, count = psutil.Process(self._pid), 0
        while not self._over.wait(SAMPLE_INTERVAL_S):
            try:
                with process.oneshot():
                    sample = Sample(time.time(), sum(process.cpu_times()[:4]), process.memory_info().rss / _MB)
                self.peak_mb = high_water_mb(self._pid)
            except psutil.Error:
                return
            self.samples.append(sample)
            if count % SAMPLES_PER_LOOK_AROUND == 0:
                self._look_around(sample.resident_mb)
            count += 1

    def _look_around(self, own_mb: float) -> None:
        seen = {other.pid: other.info for other in psutil.process_iter(["ppid", "cwd", "cpu_times", "memory_info"])}
        family = {self._pid}
        while born := {pid for pid, info in seen.items() if info["ppid"] in family} - family:
            family |= born
        servers = {pid for pid, info in seen.items() if self._is_inside(info["cwd"])} - family
        memory = [seen[pid]["memory_info"] for pid in (family | servers) - {self._pid}]
        all_mb = own_mb + sum(info.rss - info.shared for info in memory if info) / _MB
        self.peak_all_mb = max(self.peak_all_mb, all_mb)
        # A server that was detached has no parent here, so that its time is not part of the finished process.
        times = [seen[pid]["cpu_times"] for pid in servers]
        self.servers_cpu_s = max(self.servers_cpu_s, sum(sum(taken[:4]) for taken in times if taken))

    def _is_inside(self, cwd: str | None) -> bool:
        return bool(cwd and self._folder and Path(cwd).is_relative_to(self._folder))

    def stop(self) -> None:
        """The process has ended."""
        self._over.set()
        self.join()


def measure(command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None) -> Measured:
    """Run a command to its end, with this checkout's code.

    Args:
        command: The program and its arguments.
        environment: Variables beside those of this process.
        folder: Detached servers that it starts work in here.

    Raises:
        subprocess.CalledProcessError: It failed; its output is in the exception.
    """
    with tempfile.TemporaryFile() as output:
        started_s, started = time.time(), time.monotonic()
        with subprocess.Popen(
            command, env={**here(), **environment}, stdout=output, stderr=subprocess.STDOUT
        ) as process:
            watch = _Watch(process.pid, folder.resolve() if folder else None)
            watch.start()
            _, status, usage = os.wait4(process.pid, 0)
            wall_s = time.monotonic() - started
            watch.stop()
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise subprocess.CalledProcessError(process.returncode, command, output.read())
    cpu_s = usage.ru_utime + usage.ru_stime + watch.servers_cpu_s
    peak_all_mb = max(watch.peak_mb, watch.peak_all_mb)
    return Measured(wall_s, cpu_s, watch.peak_mb, peak_all_mb, started_s, tuple(watch.samples))


def here() -> dict[str, str]:
    """The environment of this process, in which a new interpreter takes the code beside this file."""
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(project_dir()), *([inherited] if inherited else [])])}


def locations(folder: Path) -> dict[str, str]:
    """The variables that say where data and instance of a run lie."""
    return {"SCREENALYTICS_DATA_ROOT": str(folder / "data"), "DAGSTER_HOME": str(folder / "home")}


def run_in(folder: Path, video: Path, ep_id: str, *options: str, environment: Mapping[str, str]) -> Measured:
    """A whole ``screenalytics run`` with a data root and an instance of its own, start-up included."""
    command = [SCREENALYTICS, "run", str(video), "--ep-id", ep_id, *options]
    return measure(command, {**environment, **locations(folder)}, folder)
