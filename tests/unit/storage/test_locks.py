"""Locks between processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from resources.system.locks import locked
from resources.system.paths import project_dir
from screenalytics_assets.core.common.errors import DatabaseError, StorageError

HOLD = """
import sys
from pathlib import Path
from resources.system.locks import locked
with locked(Path(sys.argv[1]), "testing"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_wait_has_a_limit_and_says_what_it_waited_for_until_the_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=project_dir(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    message = rf"another process has been publishing faces for 0 s, by its lock {path}: check whether it hangs"
    with pytest.raises(StorageError, match=message), locked(path, "publishing faces", timeout_s=0.1):
        pass
    with pytest.raises(DatabaseError, match="by its lock"), locked(path, "x", timeout_s=0.1, error=DatabaseError):
        pass
    holder.kill()
    holder.communicate()
    with locked(path, "publishing faces", timeout_s=5):
        assert path.exists()
    assert not path.exists()
