"""Checks of ``screenalytics doctor`` on Python and the libraries; none of them needs a library that may be broken."""

import os
import platform
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Literal, NamedTuple

Status = Literal["ok", "warn", "fail"]

PYTHON_VERSIONS = ((3, 11), (3, 14))
_OPENCV = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
# Debian's packages of the shared libraries that slim images lack.
_DEBIAN_PACKAGES = {
    "libGL.so.1": "libgl1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
}


class Check(NamedTuple):
    """One finding; ``fail`` means that the pipeline cannot run."""

    name: str
    status: Status
    finding: str
    advice: str = ""


def check_python() -> Check:
    """The interpreter's version."""
    lowest, above = PYTHON_VERSIONS
    found = f"{platform.python_version()} ({sys.executable})"
    if lowest <= sys.version_info[:2] < above:
        return Check("Python", "ok", found)
    return Check("Python", "fail", found, f"install Python {lowest[0]}.{lowest[1]} to {above[0]}.{above[1] - 1}")


def _imported(module: str) -> ModuleType | str:
    """The module, or why it cannot be imported; a shared library that is missing shows up here too."""
    try:
        return import_module(module)
    except (ImportError, OSError) as error:
        return f"{type(error).__name__}: {error}"


def check_import(name: str, module: str, purpose: str) -> Check:
    """A library without which nothing runs."""
    found = _imported(module)
    if isinstance(found, str):
        return Check(name, "fail", found, f"install it again with `make setup`; it {purpose}")
    return Check(name, "ok", version_of(module) or "imported")


def check_onnxruntime() -> Check:
    """ONNX Runtime's version and providers."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    found = _imported("onnxruntime")
    if isinstance(found, str):
        return Check("ONNX Runtime", "fail", found, "install it again with `make setup`")
    # Half of an uninstalled package leaves an empty namespace behind.
    if not hasattr(found, "get_available_providers"):
        return Check("ONNX Runtime", "fail", "the package is incomplete", "uninstall and `make setup` again")
    return Check("ONNX Runtime", "ok", f"{found.__version__}, {', '.join(found.get_available_providers())}")


def check_runtime_packages() -> Check:
    """That the CPU and the GPU build are not installed over each other."""
    found = _installed(("onnxruntime", "onnxruntime-gpu"))
    if len(found) < 2:
        return Check("ONNX Runtime package", "ok", ", ".join(found) or "none")
    advice = "they own the same files: uninstall both, then `make setup`, or `make setup GPU=1` for the GPU"
    return Check("ONNX Runtime package", "warn", " and ".join(found), advice)


def check_opencv() -> Check:
    """That OpenCV starts, with the shared libraries that it needs."""
    found = _imported("cv2")
    if not isinstance(found, str):
        return Check("OpenCV", "ok", str(getattr(found, "__version__", "imported")))
    missing = [package for library, package in _DEBIAN_PACKAGES.items() if library in found]
    advice = f"apt-get install {' '.join(missing)}" if missing else "install it again with `make setup`"
    return Check("OpenCV", "fail", found, advice)


def check_opencv_packages() -> Check:
    """That only one of OpenCV's packages is installed."""
    found = _installed(_OPENCV)
    if len(found) < 2:
        return Check("OpenCV package", "ok", ", ".join(found) or "none")
    advice = "they own the same files: uninstall all of them, then `make setup`"
    return Check("OpenCV package", "warn", " and ".join(found), advice)


def check_pyav() -> Check:
    """PyAV and the FFmpeg that it carries."""
    found = _imported("av")
    if isinstance(found, str):
        return Check("PyAV", "fail", found, "install it again with `make setup`")
    return Check("PyAV", "ok", f"{found.__version__}, FFmpeg {found.ffmpeg_version_info}")


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution, None if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _installed(distributions: tuple[str, ...]) -> list[str]:
    versions = {name: version_of(name) for name in distributions}
    return [f"{name} {number}" for name, number in versions.items() if number]
