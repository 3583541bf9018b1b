import subprocess
import sys

import psutil

PARENT = """
import subprocess
from screenalytics_assets.web.server import end_with_parent
child = subprocess.Popen(["sleep", "300"], preexec_fn=end_with_parent)
print(child.pid, flush=True)
child.wait()
"""


def test_the_daemon_ends_with_the_ui_also_when_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    gone, _ = psutil.wait_procs([child], timeout=30)
    assert gone or child.status() == psutil.STATUS_ZOMBIE
