"""Random moments of a run: by the processor time that it has used, which does not depend on what else runs here."""

import resource
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import psutil


def children_work_s() -> float:
    """The processor time of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wait_until(condition: Callable[[], bool], limit_s: float) -> None:
    """Wait, but not for ever."""
    deadline = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def wait_for_work(process: "subprocess.Popen[str]", work_s: float, limit_s: float) -> None:
    """Wait until a process and its children have used this much processor time, or it has ended."""
    wait_until(lambda: process.poll() is not None or _work_s(process.pid) >= work_s, limit_s)


def _work_s(pid: int) -> float:
    used = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                used += times.user + times.system + times.children_user + times.children_system
    return used
