"""Who is alive: a file that a process keeps locked while it works. A process id says nothing in another container.

The kernel gives the lock up when its last holder ends, however it ends. Some network file systems do not tell one
machine about the locks of another; there the file's time decides, which the holder renews.
"""

import json
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import psutil
from filelock import lock_descriptor
from pydantic import TypeAdapter, ValidationError

from resources.system.files import file_named

RENEWAL_S = 10.0
LEASE_S = 45.0
"""Of another machine whose lock is not seen here. Four renewals may be late, and a slot is free within a minute."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Holder(NamedTuple):
    """Who holds a file.

    Attributes:
        host: Name of the machine or container.
        boot: The running kernel; containers of one machine share it, and see each other's locks.
        pid: The process, where it runs.
        note: What it says about itself, for example an address.
    """

    host: str = "an unknown machine"
    boot: str = ""
    pid: int = 0
    note: str = ""

    def __str__(self) -> str:
        return f"process {self.pid} of {self.host}" if self.pid else self.host


_HOLDER = TypeAdapter(Holder)


class HeldFile:
    """A file that this process has locked.

    Attributes:
        path: The file.
        descriptor: A process that inherits it holds the file too, until it ends.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        _renewed.keep(self)

    def release(self, *, remove: bool = True) -> None:
        """Give the file up and remove it before others can lock it. A file that cannot be removed is free as well."""
        _renewed.drop(self)
        if self.descriptor >= 0:
            if remove:
                with suppress(OSError):
                    self.path.unlink(missing_ok=True)
            os.close(self.descriptor)
            self.descriptor = -1

    def renew(self) -> None:
        """Show machines that do not see the lock that its holder is alive."""
        with suppress(OSError):
            os.utime(self.descriptor)


def hold_new(path: Path, note: str = "") -> HeldFile:
    """Make a file that is locked, and says by whom, from its first moment on; its name has to be new.

    Raises:
        OSError: It cannot be made, for example on a full disk; then there is none.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished, descriptor = path.with_name(f".{uuid.uuid4().hex}.new"), -1
        try:
            descriptor = _opened(unfinished)
            lock_descriptor(descriptor, blocking=False)
            _describe_holder(descriptor, note)
            unfinished.rename(path)
            held, descriptor = HeldFile(path, descriptor), -1
            return held
        except FileNotFoundError:  # the folder was empty for a moment, and another process removed it
            continue
        except OSError as error:
            error.filename, error.filename2 = str(path), None  # nobody knows the other name
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def try_hold(path: Path, note: str = "") -> HeldFile | Holder:
    """Hold a file that others may hold; if one of them is alive, this says who."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = _opened(path)
        try:
            if not lock_descriptor(descriptor, blocking=False):
                return _holder(descriptor)
            if not _is_at(path, descriptor):  # its holder removed it a moment ago
                continue
            holder = _holder(descriptor)
            if holder.boot not in ("", boot_id()) and _age_s(path, descriptor) < LEASE_S:
                return holder
            with file_named(path):
                _describe_holder(descriptor, note)
            held, descriptor = HeldFile(path, descriptor), -1
            return held
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether the holder of a file is alive; a file that does not exist has none."""
    if not path.exists():
        return False
    held = try_hold(path)
    if isinstance(held, Holder):
        return True
    held.release()
    return False


def read_holder(path: Path) -> Holder:
    """Who has held a file last, alive or not."""
    try:
        return _parsed(path.read_bytes())
    except OSError:
        return Holder()


@cache
def boot_id() -> str:
    """What is the same for all processes that see each other's locks: the kernel, since it was started."""
    with suppress(OSError):
        return _BOOT_ID.read_text(encoding="ascii").strip()
    return f"{socket.gethostname()} {psutil.boot_time():.0f}"


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _describe_holder(descriptor: int, note: str) -> None:
    content = json.dumps(Holder(socket.gethostname(), boot_id(), os.getpid(), note)._asdict()).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> Holder:
    return _parsed(os.pread(descriptor, 4096, 0))


def _parsed(content: bytes) -> Holder:
    try:
        return _HOLDER.validate_json(content, strict=True)
    except ValidationError:  # a holder that was killed before it wrote this, or that is about to
        return Holder()


def _age_s(path: Path, descriptor: int) -> float:
    """Since the last renewal, by the clock of the file system: those of two machines may differ."""
    probe = path.with_name(f".{uuid.uuid4().hex}.clock")
    try:
        probe.touch()
        now = probe.stat().st_mtime
    except OSError:
        now = time.time()
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return now - os.fstat(descriptor).st_mtime


class _Renewed:
    """The files that this process holds; a thread renews them."""

    def __init__(self) -> None:
        self._files: set[HeldFile] = set()
        self._pid = 0
        self._starting = threading.Lock()

    def keep(self, file: HeldFile) -> None:
        self._files.add(file)
        with self._starting:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                threading.Thread(target=self._renew, name="renew-held-files", daemon=True).start()

    def drop(self, file: HeldFile) -> None:
        self._files.discard(file)

    def _renew(self) -> None:
        while True:
            time.sleep(RENEWAL_S)
            for file in list(self._files):
                file.renew()


_renewed = _Renewed()
