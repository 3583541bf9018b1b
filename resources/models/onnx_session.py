"""ONNX Runtime sessions: the provider, and one shared session per model in a process."""

import logging
import threading
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from weakref import WeakValueDictionary

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from resources.models.onnx_model import prepare_model
from resources.system.cpu import default_threads
from screenalytics_assets.core.common.digests import sha256_of
from screenalytics_assets.core.common.errors import DeviceError, ModelPackError
from screenalytics_assets.core.config.providers import CPU, CUDA, Device

_RUNTIME_ERRORS = (
    *(runtime.EPFail, runtime.Fail, runtime.InvalidArgument, runtime.InvalidGraph, runtime.InvalidProtobuf),
    *(runtime.NotImplemented, runtime.RuntimeException, RuntimeError, ValueError),
)

_log = logging.getLogger(__name__)

# Weak, so that a model and its workspace leave memory with the stage that used them.
_sessions: WeakValueDictionary[tuple[str, Device, int, tuple[int, ...], float], Any] = WeakValueDictionary()
_sessions_lock = threading.Lock()


def create_session(
    model_bytes: bytes,
    *,
    device: Device,
    threads: int,
    free_axes: tuple[int, ...] = (),
    cuda_memory_gb: float = 0.0,
) -> Any:  # noqa: ANN401 - onnxruntime has no types
    """An ``onnxruntime.InferenceSession`` for these bytes; callers with the same arguments share one.

    Args:
        model_bytes: A whole ONNX model.
        device: ``cuda`` or an error, ``cpu``, or ``auto``: CUDA if it starts, otherwise the CPU.
        threads: CPU threads; 0 means ``default_threads()``.
        free_axes: Axes of the input to make dynamic; the file gives them a fixed size.
        cuda_memory_gb: On CUDA, the most GPU memory that the session's arena takes; 0 is no limit.

    Raises:
        ModelPackError: The bytes are not an ONNX model that ONNX Runtime can run.
        DeviceError: ``cuda`` was asked for and is not available.
    """
    key = (sha256_of(model_bytes), device, threads or default_threads(), free_axes, cuda_memory_gb)
    with _sessions_lock:
        session = _sessions.get(key)
        if session is None:
            prepared = prepare_model(model_bytes, free_axes=free_axes)
            session = _sessions[key] = _new_session(prepared, device, key[2], cuda_memory_gb)
        return session


def _new_session(prepared: bytes, device: Device, threads: int, cuda_memory_gb: float) -> Any:  # noqa: ANN401
    has_cuda = CUDA in onnxruntime.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise DeviceError(_cuda_advice(f"this build of ONNX Runtime has no {CUDA}"))
    if device == "cpu" or not has_cuda:
        return _session_on([CPU], prepared, threads)
    _preload_cuda()
    try:
        session = _session_on([(CUDA, _cuda_options(cuda_memory_gb)), CPU], prepared, threads)
        reason = f"ONNX Runtime turned to {session.get_providers()[0]}"
    except ModelPackError as error:
        session, reason = _session_on([CPU], prepared, threads), str(error.__cause__)
    if session.get_providers()[0] == CUDA:
        return session
    if device == "cuda":
        raise DeviceError(_cuda_advice(f"{CUDA} is in this build but does not start ({reason})"))
    _log.warning("device auto: %s", _cuda_advice(f"running on the CPU, because CUDA does not start ({reason})"))
    return session


def _cuda_options(memory_gb: float) -> dict[str, str]:
    options = {
        # The default times every algorithm for each new input shape, and the last batch has a shape of its own.
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        # TF32 rounds to 10 bits: vectors would differ from those of the CPU.
        "use_tf32": "0",
    }
    if memory_gb:
        options["gpu_mem_limit"] = str(int(memory_gb * 1024**3))
    return options


def _session_on(providers: list[Any], model_bytes: bytes, threads: int) -> Any:  # noqa: ANN401
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Published files have unused initializers; the user of a file cannot do anything about the warnings.
    options.log_severity_level = 3
    # Spinning threads use up the quota of a shared CPU.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A memory plan for each input size: 60 MB more for CenterFace, and no faster.
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
