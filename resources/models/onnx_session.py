"""ONNX Runtime sessions: where they run, on how many threads, and one of a kind per process."""

import hashlib
import logging
import math
import os
import threading
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import (
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NotImplemented,
    RuntimeException,
)

from resources.models.onnx_model import in_half_precision, prepare_model
from screenalytics_assets.core.common.errors import DeviceError, ModelPackError
from screenalytics_assets.core.config.providers import CPU, CUDA, Cuda, Device

CUDA_BATCH = 8
"""Pictures that a detector gets at once on a card; 8 frames of 1080p as BGR are 50 MB. Not measured on one."""
_RUNTIME_ERRORS = (
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NotImplemented,
    RuntimeException,
    RuntimeError,
    ValueError,
)

_log = logging.getLogger(__name__)


_ANY_CUDA = Cuda()
# Weak, so that a stage that is over does not keep its model and the model's work space in memory.
_sessions: WeakValueDictionary[tuple[str, Device, int, tuple[int, ...], Cuda], Any] = WeakValueDictionary()
_sessions_lock = threading.Lock()


def cpu_quota(cgroup_root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> float | None:
    """CPUs that the control groups of this process may use, the least of its group and all above it.

    Reads ``cpu.max`` (version 2) and ``cpu.cfs_quota_us`` / ``cpu.cfs_period_us`` (version 1).

    Returns:
        A number of CPUs, possibly with a fraction, or None without a limit.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        names = controllers.split(",")
        if controllers and "cpu" not in names:
            continue
        mount = cgroup_root / controllers if controllers else cgroup_root
        for group in (Path(path), *Path(path).parents):
            quota = _group_quota(mount / str(group).lstrip("/"))
            if quota is not None:
                quotas.append(quota)
    return min(quotas, default=None)


def _group_quota(group: Path) -> float | None:
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text()
    except OSError:
        return None
    return None if quota in ("max", "-1") else int(quota) / int(period)


def default_threads() -> int:
    """Threads that can run at once: the CPUs of this process's affinity, within its quota, at least 1."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cpus if quota is None else max(1, min(cpus, math.ceil(quota)))


def threads_of_a_call(threads: int, overlapping: int) -> int:
    """Threads on the CPU for each of several calls that overlap, at least 1; ``threads`` 0 is ``default_threads()``.

    Two calls on a thread each take less CPU than one call after the other on two threads: CenterFace 46 against 62 ms.
    """
    return max(1, (threads or default_threads()) // overlapping)


def calls_at_once(device: Device, threads: int) -> int:
    """How many looks to take at the same time: one on each thread of the CPU, as many as make a batch on CUDA.

    Args:
        device: Where the detector is to run.
        threads: Threads on the CPU; 0 takes ``default_threads()``.
    """
    own = threads or default_threads()
    return max(own, CUDA_BATCH) if device != "cpu" and CUDA in onnxruntime.get_available_providers() else own


def create_session(
    model_bytes: bytes, *, device: Device, threads: int, free_axes: tuple[int, ...] = (), cuda: Cuda = _ANY_CUDA
) -> Any:  # noqa: ANN401 - onnxruntime has no types
    """An ``onnxruntime.InferenceSession`` on these bytes; the same one for all who use it at a time.

    Args:
        model_bytes: An ONNX model, whole.
        device: ``cuda`` or nothing, ``cpu``, or ``auto``: CUDA where it really runs, else the CPU.
        threads: Threads on the CPU; 0 takes ``default_threads()``.
        free_axes: Axes of the input whose fixed size in the file is to be any size.
        cuda: How it runs on CUDA.

    Raises:
        ModelPackError: The bytes are no ONNX model that ONNX Runtime can run.
        DeviceError: ``cuda`` was asked for and is not there.
    """
    key = (hashlib.sha256(model_bytes).hexdigest(), device, threads or default_threads(), free_axes, cuda)
    with _sessions_lock:
        session = _sessions.get(key)
        if session is None:
            session = _sessions[key] = _new_session(model_bytes, device, key[2], free_axes, cuda)
        return session


def _new_session(model_bytes: bytes, device: Device, threads: int, free_axes: tuple[int, ...], cuda: Cuda) -> Any:  # noqa: ANN401
    prepared = prepare_model(model_bytes, free_axes=free_axes)
    has_cuda = CUDA in onnxruntime.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise DeviceError(_cuda_advice(f"this build of ONNX Runtime has no {CUDA}"))
    if device == "cpu" or not has_cuda:
        return _session_on([CPU], prepared, threads)
    _preload_cuda()
    try:
        session = _session_on([(CUDA, cuda_options(cuda)), CPU], _for_cuda(prepared, cuda), threads)
        reason = f"ONNX Runtime turned to {session.get_providers()[0]}"
    except ModelPackError as error:
        session, reason = _session_on([CPU], prepared, threads), str(error.__cause__)
    if session.get_providers()[0] == CUDA:
        return session
    if device == "cuda":
        raise DeviceError(_cuda_advice(f"{CUDA} is in this build but does not start ({reason})"))
    _log.warning("device auto: %s", _cuda_advice(f"running on the CPU, because CUDA does not start ({reason})"))
    return session


def _for_cuda(model_bytes: bytes, cuda: Cuda) -> bytes:
    freed = prepare_model(model_bytes, free_axes=(0,)) if cuda.free_batch else model_bytes
    return in_half_precision(freed) if cuda.fp16 else freed


def cuda_options(cuda: Cuda) -> dict[str, str]:
    """Options of the CUDA provider."""
    options = {
        # The other choice times every algorithm for every new shape, and shapes change with the size of the batch.
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        # TF32 has the 10 bits of FP16: only who asks for the one gets the other.
        "use_tf32": str(int(cuda.fp16)),
    }
    if cuda.memory_gb:
        options["gpu_mem_limit"] = str(int(cuda.memory_gb * 1024**3))
    return options


def _session_on(providers: list[Any], model_bytes: bytes, threads: int) -> Any:  # noqa: ANN401
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Warnings about unused initializers in published files are of no use to who runs them.
    options.log_severity_level = 3
    # Threads that spin while they wait eat the quota of a shared CPU.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A plan of the memory for each size of picture: 60 MB more for CenterFace, and no faster.
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(model_bytes, options, providers=providers, enable_fallback=0)
    except _RUNTIME_ERRORS as error:
        raise ModelPackError(f"ONNX Runtime cannot run this model: {error}") from error


@cache
def _preload_cuda() -> None:
    """Load the CUDA and cuDNN libraries that came as Python packages."""
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()


def installed_runtimes() -> dict[str, str]:
    """The distributions ``onnxruntime`` and ``onnxruntime-gpu`` that are installed, with their versions."""
    found = {}
    for name in ("onnxruntime", "onnxruntime-gpu"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cuda_advice(finding: str) -> str:
    installed = installed_runtimes()
    listed = " and ".join(f"{name} {number}" for name, number in installed.items()) or "no ONNX Runtime package"
    if len(installed) == 2:
        remedy = "uninstall both, then install onnxruntime-gpu alone (`make setup GPU=1`): they own the same files"
    elif "onnxruntime-gpu" in installed:
        remedy = "check the NVIDIA driver (`nvidia-smi`) and the CUDA and cuDNN packages (`make setup GPU=1`)"
    else:
        remedy = "install the GPU build with `make setup GPU=1`"
    return f"{finding}. Installed: {listed}. To use the GPU, {remedy}; to use the CPU, set device to cpu"
