"""Files whose holder is alive or not: the same process, another one, a container with the same ids, another machine."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from resources.system import liveness
from resources.system.liveness import LEASE_S, HeldFile, Holder, hold_new, is_held, read_holder, try_hold
from resources.system.paths import project_dir

HOLD = """
import os, sys
from pathlib import Path
from resources.system.liveness import hold_new
held = hold_new(Path(sys.argv[1]), "here")
print(os.getpid(), flush=True)
sys.stdin.read()
"""
NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def can_unshare() -> bool:
    return shutil.which("unshare") is not None and subprocess.run([*NAMESPACE, "true"], check=False).returncode == 0


def start_holder(path: Path, *wrapper: str) -> tuple["subprocess.Popen[bytes]", int]:
    process = subprocess.Popen(
        [*wrapper, sys.executable, "-c", HOLD, str(path)],
        cwd=project_dir(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def written_by(path: Path, boot: str, age_s: float) -> None:
    path.write_text(json.dumps({"host": "far", "boot": boot, "pid": 7, "note": ""}))
    os.utime(path, (time.time() - age_s,) * 2)


def test_a_file_is_held_until_its_process_is_killed_and_says_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.held"
    process, pid = start_holder(path)
    assert is_held(path)
    holder = try_hold(path)
    assert isinstance(holder, Holder)
    assert (holder.pid, holder.note) == (pid, "here")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert path.exists()
    assert not is_held(path)
    assert not path.exists()


@pytest.mark.skipif(not can_unshare(), reason="no process namespaces here")
def test_process_ids_that_are_equal_in_two_namespaces_are_told_apart(tmp_path: Path) -> None:
    first, pid = start_holder(tmp_path / "1.held", *NAMESPACE)
    second, other = start_holder(tmp_path / "2.held", *NAMESPACE)
    assert pid == other
    assert is_held(tmp_path / "1.held")
    first.kill()
    first.communicate()
    assert not is_held(tmp_path / "1.held")
    assert is_held(tmp_path / "2.held")
    second.kill()
    second.communicate()


def test_a_file_that_was_given_up_can_be_held_again(tmp_path: Path) -> None:
    path = tmp_path / "a.held"
    held = hold_new(path)
    assert is_held(path)
    held.release()
    assert not path.exists()
    again = try_hold(path)
    assert isinstance(again, HeldFile)
    again.release(remove=False)
    assert path.exists()
    again.release()


@pytest.mark.parametrize(("age_s", "alive"), [(0.0, True), (LEASE_S / 2, True), (LEASE_S + 1, False)])
def test_another_machine_whose_lock_is_not_seen_here_is_alive_while_it_renews_the_file(
    age_s: float, alive: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.held"
    written_by(path, "another kernel", age_s)
    assert is_held(path) is alive
    assert path.exists() is alive


def test_an_unlocked_file_of_this_kernel_is_not_held_however_new_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.held"
    written_by(path, liveness.boot_id(), 0.0)
    assert not is_held(path)


def test_a_file_that_cannot_be_written_is_not_made_and_not_held(tmp_path: Path) -> None:
    path = tmp_path / "a.held"
    before = len(list(Path("/proc/self/fd").iterdir()))
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, unlimited[1]))  # as on a full disk
    try:
        with pytest.raises(OSError, match="File too large") as refused:
            hold_new(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert refused.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_holding_a_file_renews_its_time(tmp_path: Path) -> None:
    held = hold_new(tmp_path / "a.held")
    os.utime(held.path, (0, 0))
    held.renew()
    assert held.path.stat().st_mtime > time.time() - 60
    held.release()


def test_a_child_that_inherits_the_descriptor_holds_the_file_after_its_parent(tmp_path: Path) -> None:
    held = hold_new(tmp_path / "a.held")
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[held.descriptor])
    held.release(remove=False)
    assert is_held(held.path)
    child.communicate()
    assert not is_held(held.path)


@pytest.mark.parametrize(
    "content", [b"", b'{"pid": 1', b"[" * 4096, b'{"a":' * 800, b'{"host": ["a"]}', b'{"pid": "x"}', b"\xff"]
)
def test_a_damaged_note_about_the_holder_is_of_an_unknown_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.held"
    path.write_bytes(content)
    assert str(read_holder(path)) == "an unknown machine"
