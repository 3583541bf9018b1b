"""How a report was made: configuration, models, versions."""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from screenalytics_assets.core.common.digests import digest_of
from screenalytics_assets.core.config.keys import Settings, flatten, section_of_key

Configs = Mapping[str, Mapping[str, Any]]
"""What determined each published artifact besides its inputs, by stage."""
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


def used_keys(configs: Configs, declared: Mapping[str, float | None]) -> list[UsedKey]:
    """The keys that the stages read, with the defaults; if the default is null, the value that the models declare.

    Args:
        configs: The configuration of each stage.
        declared: The values that the configured models declare.
    """
    sections = section_of_key()
    defaults = {
        key: value for section in Settings().model_dump(mode="json").values() for key, value in flatten(section).items()
    }
    return [
        UsedKey(stage, key, value, declared.get(key) if defaults[key] is None else defaults[key])
        for stage, config in configs.items()
        for key, value in flatten(config).items()
        if key in sections
    ]


def used_digest(configs: Configs) -> str:
    """A digest that changes if a stage used another value or model."""
    return digest_of(dict(configs))


def used_models(configs: Configs, configured: Sequence[UsedModel]) -> list[UsedModel]:
    """The detectors and embedders by their digests; only the configured ones have a name and a licence."""
    known = {model.sha256: model for model in configured}
    found = {}
    for config in configs.values():
        for role in ("detector", "embedder"):
            digest = config.get(role)
            if isinstance(digest, str):
                other = UsedModel(role, "not the currently configured one", "not known", "not known", digest)
                found[role, digest] = known.get(digest, other)
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
