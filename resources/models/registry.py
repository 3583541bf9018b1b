"""The registry of weights in ``models.yaml``, and ``pack.yaml`` in a model folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from resources.system.text_documents import read_yaml_file
from screenalytics_assets.core.common.errors import ModelPackError
from screenalytics_assets.core.config.ranges import Cosine, Margin, Score, problem_words
from screenalytics_assets.core.identity.link_probability import SimilarityStatistics

DetectorKind = Literal["centerface", "scrfd", "yunet"]
VerifierKind = Literal["centerface"]
_KINDS_OF_FOLDERS = ("scrfd", "centerface")
"""Kinds that every ``models.yaml`` has an entry for; one of an earlier version has no other."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Source(_Entry):
    """The package that a file comes from."""

    client: Literal["pip", "npm", "insightface"]
    package: str
    version: str | None = None
    member: str | None = None


class PackFile(_Entry):
    """The expected file of a pack."""

    file: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=1, le=10_000_000_000)  # ONNX files hold at most 2 GB
    source: Source


class PackEntry(_Entry):
    """The files of a pack."""

    detector: PackFile
    embedder: PackFile
    verifier: PackFile | None = None

    @property
    def files(self) -> tuple[PackFile, ...]:
        """Detector, embedder, and the verifier if the pack has one."""
        return (self.detector, self.embedder, *([self.verifier] if self.verifier else []))


class WeightsEntry(_Entry):
    """Some weights and what their licence allows."""

    name: str
    licence: str
    commercial_use: bool


class _BoxThresholds(WeightsEntry):
    confidence_th: Score | None
    track_thresh: Score | None
    why: str = ""

    def thresholds(self) -> dict[str, float | None]:
        """The thresholds by configuration key; None if not declared."""
        return {"confidence_th": self.confidence_th, "track_thresh": self.track_thresh}


class DetectorEntry(_BoxThresholds):
    """The weights of a detector; thresholds are scores from 0 to 1.

    Attributes:
        verify: Whether a verifier looks at its boxes.
        proposal_th: Minimum score of a box that the verifier looks at.
        keep_boxes: Whether a verified face keeps the box and landmarks of the detector, or gets the verifier's.
    """

    kind: DetectorKind
    verify: bool = False
    proposal_th: Score = 0.2
    keep_boxes: bool = True


class VerifierEntry(_BoxThresholds):
    """The weights of a verifier; its score replaces the detector's, and so do its thresholds."""

    kind: VerifierKind


class _EmbedderThresholds(_Entry):
    cluster_thresh: Cosine | None = None
    tight_thresh: Cosine | None = None
    min_identity_sim: Cosine | None = None
    min_cohesion: Cosine | None = None
    gate_hard_sim: Cosine | None = None
    gate_soft_sim: Cosine | None = None
    name_similarity: Cosine | None = None
    name_margin: Margin | None = None
    min_photo_sim: Cosine | None = None


class _EmbedderValues(_EmbedderThresholds):
    # Cosine similarities of pairs of good faces.
    same_person_sim: Cosine | None = None
    same_person_sd: float | None = Field(None, gt=0, lt=1)
    different_people_sim: Cosine | None = None
    different_people_sd: float | None = Field(None, gt=0, lt=1)
    # Of 8-bit values.
    input_mean: float | None = Field(None, ge=0, le=255)
    input_std: float | None = Field(None, gt=0, le=255)


class EmbedderEntry(_EmbedderValues, WeightsEntry):
    """The weights of an embedder; thresholds are cosine similarities."""

    licence: str = "not declared"
    commercial_use: bool = False
    dimension: int = Field(512, ge=1, le=8192)
    calibration: str = ""

    def thresholds(self) -> dict[str, float | None]:
        """The thresholds by configuration key; None if not declared."""
        return self.model_dump(include=set(_EmbedderThresholds.model_fields))

    @property
    def similarity_statistics(self) -> SimilarityStatistics | None:
        """How similar good faces are; None if one of the four figures is not declared."""
        declared = self.same_person_sim, self.same_person_sd, self.different_people_sim, self.different_people_sd
        known = [value for value in declared if value is not None]
        return SimilarityStatistics(*known) if len(known) == len(declared) else None


class Registry(_Entry):
    """Packs, and weights by SHA-256. ``detectors`` also has an entry per kind, for weights that are not listed."""

    packs: dict[str, PackEntry]
    detectors: dict[str, DetectorEntry]
    embedders: dict[str, EmbedderEntry]
    verifiers: dict[str, VerifierEntry] = {}

    @model_validator(mode="after")
    def _weights_are_listed(self) -> Self:
        wanted = {*_KINDS_OF_FOLDERS, *(pack.detector.sha256 for pack in self.packs.values())}
        missing = wanted - set(self.detectors)
        missing |= {pack.embedder.sha256 for pack in self.packs.values()} - set(self.embedders)
        missing |= {pack.verifier.sha256 for pack in self.packs.values() if pack.verifier} - set(self.verifiers)
        if missing:
            raise ValueError(f"no entry below detectors, verifiers or embedders for {', '.join(sorted(missing))}")
        return self

    def entries_of(self, pack: PackEntry) -> list[WeightsEntry]:
        """The entries of a pack's files, in their order."""
        verifier = [self.verifiers[pack.verifier.sha256]] if pack.verifier else []
        return [self.detectors[pack.detector.sha256], self.embedders[pack.embedder.sha256], *verifier]


class _DetectorValues(_Entry):
    confidence_th: Score | None = None
    track_thresh: Score | None = None
    verify: bool | None = None


class FolderDeclaration(_Entry):
    """``pack.yaml`` in a model folder; it takes precedence over the registry."""

    licence: str | None = None
    commercial_use: bool | None = None
    sha256: dict[str, str] = {}
    detector: _DetectorValues = _DetectorValues()
    embedder: _EmbedderValues = _EmbedderValues()


def load_registry(path: Path) -> Registry:
    """Read the registry in ``models.yaml``; its other keys are settings.

    Raises:
        ModelPackError: The file is missing or does not have the documented form.
    """
    content = _read_yaml(path)
    return _validated(Registry, {key: content[key] for key in Registry.model_fields if key in content}, path)


def load_declaration(path: Path) -> FolderDeclaration:
    """Read the ``pack.yaml`` of a folder; without one, nothing is declared.

    Raises:
        ModelPackError: The file does not have the documented form.
    """
    if not path.is_file():
        return FolderDeclaration()
    return _validated(FolderDeclaration, _read_yaml(path), path)


_Model = TypeVar("_Model", bound=BaseModel)


def _read_yaml(path: Path) -> Mapping[str, object]:
    content = read_yaml_file(path, ModelPackError)
    if not isinstance(content, Mapping):
        raise ModelPackError(f"{path}: expected a mapping of keys, found {type(content).__name__}")
    return content


def _validated(model: type[_Model], content: Mapping[str, object], path: Path) -> _Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_sentence(model, problem) for problem in error.errors())
        raise ModelPackError(f"{path}: {problems}") from error


def _sentence(model: type[BaseModel], problem: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    expected = problem_words(model, problem)
    named = problem["type"] in ("missing", "extra_forbidden")
    found = "" if named else f", found {problem['input']!r:.80}"
    return f"{'.'.join(map(str, problem['loc']))}: {expected}{found}"
