"""How a report was made: configuration, models, versions."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from resources.configuration.run_settings import declared_thresholds
from resources.models.packs import ModelPack
from resources.storage.artifacts import Manifest
from screenalytics_assets.core.common.digests import digest_of
from screenalytics_assets.core.config.keys import Settings, flatten, section_of_key

_PACKAGES = ("screenalytics", "dagster", "onnxruntime", "insightface", "opencv-python", "av", "numpy", "scikit-learn")


class UsedKey(NamedTuple):
    """A configuration key as a stage used it."""

    stage: str
    key: str
    value: Any
    default: Any

    @property
    def differs(self) -> bool:
        """Whether the value differs from the default or from what the models declare."""
        return bool(self.value != self.default)


class UsedModel(NamedTuple):
    """Weights that were used."""

    role: str
    name: str
    licence: str
    commercial_use: str
    sha256: str


def used_keys(manifests: Mapping[str, Manifest], pack: ModelPack) -> list[UsedKey]:
    """The keys that the stages read, with the defaults; if the default is null, the value that the models declare.

    Args:
        manifests: The manifests of the published assets by name.
        pack: The models of the current configuration.
    """
    sections = section_of_key()
    defaults = {
        key: value for section in Settings().model_dump(mode="json").values() for key, value in flatten(section).items()
    }
    declared = declared_thresholds(pack)
    found = []
    for stage, manifest in manifests.items():
        for key, value in flatten(manifest.config).items():
            if key in sections:
                default = defaults[key]
                found.append(UsedKey(stage, key, value, declared.get(key) if default is None else default))
    return found


def used_digest(manifests: Mapping[str, Manifest]) -> str:
    """A digest that changes if a stage used another value or model."""
    return digest_of({stage: manifest.config for stage, manifest in manifests.items()})


def used_models(manifests: Mapping[str, Manifest], pack: ModelPack) -> list[UsedModel]:
    """The detectors and embedders by the digests in the manifests."""
    known = {part.file.sha256: part.entry for part in (pack.detector, pack.embedder)}
    found = {}
    for manifest in manifests.values():
        for role in ("detector", "embedder"):
            digest = manifest.config.get(role)
            if not isinstance(digest, str):
                continue
            entry = known.get(digest)
            found[role, digest] = (
                UsedModel(role, entry.name, entry.licence, "yes" if entry.commercial_use else "not known", digest)
                if entry
                else UsedModel(role, "not the currently configured one", "not known", "not known", digest)
            )
    return list(found.values())


def versions() -> dict[str, str]:
    """Versions of this program and of its main dependencies."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # the GPU build of a package has another name
            continue
    return found
