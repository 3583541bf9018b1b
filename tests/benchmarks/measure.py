"""A command measured from outside: wall time, CPU time and peak memory of its process."""

import os
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

SCREENALYTICS = str(Path(sysconfig.get_path("scripts")) / "screenalytics")


class Measured(NamedTuple):
    """What a process took."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Run a command to its end.

    Raises:
        subprocess.CalledProcessError: It failed; its output is in the exception.
    """
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        with subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - started
        if process.returncode:
            output.seek(0)
            raise subprocess.CalledProcessError(process.returncode, command, output.read())
    return Measured(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def run_in(folder: Path, video: Path, ep_id: str, *options: str, environment: Mapping[str, str]) -> Measured:
    """A whole ``screenalytics run`` with a data root and an instance of its own, start-up included."""
    own = {"SCREENALYTICS_DATA_ROOT": str(folder / "data"), "DAGSTER_HOME": str(folder / "home")}
    return measure([SCREENALYTICS, "run", str(video), "--ep-id", ep_id, *options], {**environment, **own})
