import subprocess
import sys

import psutil
import pytest

from screenalytics_assets.core.common.errors import ScreenalyticsError
from screenalytics_assets.web.server import _listening

PARENT = """
import os, signal, subprocess
from functools import partial
from screenalytics_assets.web.server import end_with_parent
{before}
child = subprocess.Popen(["sleep", "300"], preexec_fn=partial(end_with_parent, os.getpid()))
print(child.pid, flush=True)
child.wait()
"""
KILLED_AT_ONCE = """
import os, signal, subprocess
from screenalytics_assets.web.server import end_with_parent

def begin() -> None:
    parent = os.getppid()
    os.write(1, f"{os.getpid()}\\n".encode())
    os.kill(parent, signal.SIGKILL)
    while os.getppid() == parent:
        pass
    end_with_parent(parent)

subprocess.Popen(["sleep", "300"], preexec_fn=begin)
"""


@pytest.mark.parametrize(
    "code",
    [
        PARENT.format(before=""),
        PARENT.format(before="signal.signal(signal.SIGTERM, signal.SIG_IGN)"),
        PARENT.format(before="signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])"),
        KILLED_AT_ONCE,
    ],
    ids=["", "SIGTERM ignored", "SIGTERM blocked", "killed before the child has begun"],
)
def test_the_daemon_ends_with_the_ui_also_when_that_is_killed(code: str) -> None:
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    if psutil.pid_exists(pid):
        child = psutil.Process(pid)
        gone, _ = psutil.wait_procs([child], timeout=30)
        assert gone or child.status() == psutil.STATUS_ZOMBIE


def test_an_address_that_cannot_be_listened_on_is_told_with_both_options() -> None:
    expected = r"port 3000 of nosuch\.invalid: .*; choose another --host or --port"
    with pytest.raises(ScreenalyticsError, match=expected), _listening("nosuch.invalid", 3000):
        pass
