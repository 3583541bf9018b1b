"""Model packs: a detector, a verifier and an embedder, where their files are, and their digests."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resources.models.registry import (
    DetectorEntry,
    DetectorKind,
    EmbedderEntry,
    FolderDeclaration,
    PackEntry,
    PackFile,
    Registry,
    VerifierEntry,
    WeightsEntry,
    load_declaration,
    load_registry,
)
from resources.system.paths import cache_dir
from screenalytics_assets.core.common.digests import sha256_of
from screenalytics_assets.core.common.errors import ModelPackError

PACK_FILE = "pack.yaml"


@dataclass(frozen=True)
class ModelFile:
    """A file of weights and its expected digest; ``remedy`` says what to do if it has another one."""

    path: Path
    sha256: str
    remedy: str

    def state(self) -> Literal["missing", "altered", "verified"]:
        """Whether the file exists and has the expected digest."""
        if not self.path.is_file():
            return "missing"
        return "verified" if sha256_of(self.path.read_bytes()) == self.sha256 else "altered"

    def read_verified(self) -> bytes:
        """The content, with its digest verified. Make the session from these bytes, not from the path.

        Raises:
            ModelPackError: The file is missing, cannot be read, or has another digest.
        """
        content = _read(self.path, self.remedy)
        found = sha256_of(content)
        if found != self.sha256:
            raise ModelPackError(
                f"{self.path} is altered: its SHA-256 is {found}, expected {self.sha256}; {self.remedy}"
            )
        return content


@dataclass(frozen=True)
class DetectorSpec:
    """The file of a detector, and the registry entry of its weights."""

    file: ModelFile
    entry: DetectorEntry


@dataclass(frozen=True)
class VerifierSpec:
    """The file of a verifier, and the registry entry of its weights."""

    file: ModelFile
    entry: VerifierEntry


@dataclass(frozen=True)
class EmbedderSpec:
    """The file of an embedder, and the registry entry of its weights."""

    file: ModelFile
    entry: EmbedderEntry


@dataclass(frozen=True)
class ModelPack:
    """Models that are used together; without a verifier, each box of the detector counts."""

    name: str
    licence: str
    commercial_use: bool
    detector: DetectorSpec
    embedder: EmbedderSpec
    verifier: VerifierSpec | None = None

    @property
    def parts(self) -> "dict[str, DetectorSpec | VerifierSpec | EmbedderSpec]":
        """The models by their role."""
        verifier = {"verifier": self.verifier} if self.verifier else {}
        return {"detector": self.detector, **verifier, "embedder": self.embedder}

    @property
    def detection_config(self) -> dict[str, object]:
        """What decides where faces are, for fingerprints: the weights, and how the verifier is used."""
        found: dict[str, object] = {"detector": self.detector.file.sha256, "verifier": None}
        if self.verifier:
            entry = self.detector.entry
            found |= {"verifier": self.verifier.file.sha256}
            found |= {"proposal_th": entry.proposal_th, "keep_boxes": entry.keep_boxes}
        return found

    @property
    def thresholds(self) -> dict[str, float | None]:
        """The thresholds that belong to these weights, by configuration key; None if none is declared."""
        scores = self.verifier or self.detector
        return scores.entry.thresholds() | self.embedder.entry.thresholds()

    def verify(self) -> None:
        """Verify all files before anything is computed.

        Raises:
            ModelPackError: A file is missing or altered.
        """
        for part in self.parts.values():
            part.file.read_verified()

    @property
    def licence_notice(self) -> str | None:
        """A warning to log, or None if the weights are free for commercial use."""
        if self.commercial_use:
            return None
        return (
            f"The weights of model pack {self.name!r} are not known to be free for commercial use "
            f"(licence: {self.licence}). Pack 'open' is."
        )


def pack_dir(name: str) -> Path:
    """The folder of a named pack: for ``buffalo_l`` InsightFace's own, so that its other users find it."""
    if name == "buffalo_l":
        return Path.home() / ".insightface" / "models" / name
    return cache_dir() / "models" / name


def find_pack(name: str, registry: Registry) -> PackEntry:
    """The registry entry of a pack.

    Raises:
        ModelPackError: There is no such pack.
    """
    if name not in registry.packs:
        raise ModelPackError(
            f"unknown model pack {name!r}; known packs: {', '.join(sorted(registry.packs))}. "
            "For weights of your own, name their folder with model_dir (SCREENALYTICS_MODEL_DIR)"
        )
    return registry.packs[name]


def model_file(name: str, file: PackFile) -> ModelFile:
    """Where a file of a named pack is expected."""
    flag = " --accept-licence" if file.source.client == "insightface" else ""
    return ModelFile(pack_dir(name) / file.file, file.sha256, f"run `screenalytics models pull {name}{flag}`")


def load_pack(
    model_pack: str, model_dir: Path | None, registry: Path, *, verifier_pack: str | None = None
) -> ModelPack:
    """Find a pack; its files are verified when they are loaded.

    Args:
        model_pack: A name in the registry.
        model_dir: A folder with a detector and an embedder, used instead of the named pack.
        registry: Path of ``models.yaml``.
        verifier_pack: The pack whose verifier checks the boxes of a detector that needs one; None if none does.

    Raises:
        ModelPackError: No such pack, a file is missing, the folder does not hold one detector and one embedder, or the
            pack of the verifier has none.
    """
    known = load_registry(registry)
    if model_dir is not None:
        return _folder_pack(model_dir, known, verifier_pack)
    entry = find_pack(model_pack, known)
    detector_file, embedder_file = _present(model_pack, (entry.detector, entry.embedder))
    detector = DetectorSpec(detector_file, known.detectors[entry.detector.sha256])
    embedder = EmbedderSpec(embedder_file, known.embedders[entry.embedder.sha256])
    return _pack(model_pack, detector, embedder, FolderDeclaration(), _verifier_of(verifier_pack, detector, known))


def _verifier_of(name: str | None, detector: DetectorSpec, registry: Registry) -> VerifierSpec | None:
    if name is None or not detector.entry.verify:
        return None
    file = find_pack(name, registry).verifier
    if file is None:
        having = sorted(known for known, pack in registry.packs.items() if pack.verifier)
        raise ModelPackError(
            f"verifier_pack: model pack {name!r} has no verifier; packs that have one: "
            f"{', '.join(having) or 'none, so models.yaml is of an earlier version'}. "
            "Set it to null to count each box of the detector"
        )
    (found,) = _present(name, (file,))
    return VerifierSpec(found, registry.verifiers[file.sha256])


def _present(name: str, wanted: Sequence[PackFile]) -> list[ModelFile]:
    files = [model_file(name, file) for file in wanted]
    missing = [file.path.name for file in files if not file.path.is_file()]
    if missing:
        raise ModelPackError(
            f"model pack {name!r} is not here: no {' and no '.join(missing)} in {pack_dir(name)}; {files[0].remedy}"
        )
    return files


def _pack(
    name: str,
    detector: DetectorSpec,
    embedder: EmbedderSpec,
    declared: FolderDeclaration,
    verifier: VerifierSpec | None,
) -> ModelPack:
    verifying: list[WeightsEntry] = [verifier.entry] if verifier else []
    entries = [detector.entry, *verifying, embedder.entry]
    licence = "; ".join(f"{entry.name}: {entry.licence}" for entry in entries)
    known_free = all(entry.commercial_use for entry in entries)
    return ModelPack(
        name=name,
        licence=declared.licence or licence,
        commercial_use=known_free if declared.commercial_use is None else declared.commercial_use,
        detector=detector,
        embedder=embedder,
        verifier=verifier,
    )


def _folder_pack(folder: Path, registry: Registry, verifier_pack: str | None) -> ModelPack:
    if not folder.is_dir():
        raise ModelPackError(f"model_dir {folder}: no such folder")
    declared = load_declaration(folder / PACK_FILE)
    models = sorted(folder.glob("*.onnx"))
    unknown = set(declared.sha256) - {path.name for path in models}
    if unknown:
        raise ModelPackError(f"{folder / PACK_FILE}: no such model in the folder: {', '.join(sorted(unknown))}")
    detectors = [path for path in models if _detector_kind(path) is not None]
    detector_path = _only(detectors, folder, "detector (det_*.onnx, centerface.onnx or yunet.onnx)")
    embedder_path = _only([path for path in models if path not in detectors], folder, "embedder (any other *.onnx)")
    detector = _folder_detector(detector_path, declared, registry)
    embedder = _folder_embedder(embedder_path, declared, registry)
    return _pack(folder.name, detector, embedder, declared, _verifier_of(verifier_pack, detector, registry))


def _folder_detector(path: Path, declared: FolderDeclaration, registry: Registry) -> DetectorSpec:
    file = _folder_file(path, declared)
    kind = _detector_kind(path) or "scrfd"
    entry = registry.detectors.get(file.sha256) or registry.detectors.get(kind)
    if entry is None:
        raise ModelPackError(
            f"{path}: models.yaml has no entry {kind!r} below detectors; copy it from the project's file"
        )
    return DetectorSpec(file, entry.model_copy(update=declared.detector.model_dump(exclude_none=True)))


def _folder_embedder(path: Path, declared: FolderDeclaration, registry: Registry) -> EmbedderSpec:
    file = _folder_file(path, declared)
    entry = registry.embedders.get(file.sha256) or EmbedderEntry(name=path.name)
    return EmbedderSpec(file, entry.model_copy(update=declared.embedder.model_dump(exclude_none=True)))


def _folder_file(path: Path, declared: FolderDeclaration) -> ModelFile:
    remedy = f"put the right file there, or correct {path.parent / PACK_FILE} and start again"
    return ModelFile(path, declared.sha256.get(path.name) or sha256_of(_read(path, remedy)), remedy)


def _detector_kind(path: Path) -> DetectorKind | None:
    name = path.name.lower()
    if name == "centerface.onnx":
        return "centerface"
    if name == "yunet.onnx":
        return "yunet"
    return "scrfd" if name.startswith("det") else None


def _only(paths: list[Path], folder: Path, what: str) -> Path:
    if len(paths) != 1:
        found = ", ".join(path.name for path in paths) or "none"
        raise ModelPackError(
            f"model_dir {folder}: expected one {what}, found {found}. A verifier in the folder is not used: "
            "verifier_pack names it"
        )
    return paths[0]


def _read(path: Path, remedy: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelPackError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
