"""The machine that something is measured on, and whether other processes used it at the same time."""

import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from resources.models.onnx_session import installed_runtimes
from resources.system.cpu import default_threads

MOST_LOAD = 0.5
"""Of the cores: with a higher load average at the start, figures are not to be trusted."""
MOST_OTHERS = 0.1
"""Of the cores: with more of them taken by others during a round, its figures are not to be trusted."""
PACKAGES = ("dagster", "opencv-python", "av", "numpy")


def cores() -> int:
    """The cores that this process may use, within its quota."""
    return default_threads()


def description() -> dict[str, str]:
    """Cores, processor, memory, versions, date and load average, by what the header calls them."""
    runtimes = [f"{name} {number}" for name, number in installed_runtimes().items()]
    packages = [f"python {platform.python_version()}", *runtimes, *(f"{name} {version(name)}" for name in PACKAGES)]
    memory_gb = psutil.virtual_memory().total / 1024**3
    load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    return {
        "machine": f"{cores()} cores of {_processor()}, {memory_gb:.0f} GB, {platform.system()} {platform.release()}",
        "versions": ", ".join(packages),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load average at the start": load,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def load_warning() -> str | None:
    """A sentence where the machine is busy before anything was measured."""
    load = os.getloadavg()[0]
    if load <= MOST_LOAD * cores():
        return None
    return f"load average {load:.2f} on {cores()} cores before the first round: figures are not to be trusted"


class Others:
    """How many cores others had while something was measured; known when it is over."""

    cores = 0.0

    def warning(self, number: int) -> str | None:
        """A sentence where it was too many."""
        if self.cores <= MOST_OTHERS * cores():
            return None
        return f"round {number}: others used {self.cores:.2f} of {cores()} cores: figures are not to be trusted"


@contextmanager
def watch_other_processes() -> Iterator[Others]:
    """Watch what the whole machine does beside this process and the children that end in that time."""
    others = Others()
    started_s, busy_s, own_s = time.monotonic(), _busy_s(), _own_s()
    yield others
    taken_s = (_busy_s() - busy_s) - (_own_s() - own_s)
    others.cores = max(0.0, taken_s / (time.monotonic() - started_s))


def _busy_s() -> float:
    """CPU seconds that all programs of the machine had, with what the hypervisor gave to other machines."""
    times = psutil.cpu_times()
    return float(sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal")))


def _own_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
