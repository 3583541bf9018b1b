"""The configuration of a run: files, profile, environment and run configuration, resolved once."""

import os
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from resources.models.packs import ModelPack
from resources.models.registry import Registry
from resources.system.paths import config_dir
from resources.system.text_documents import MAX_YAML_BYTES, parse_yaml, read_limited
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.config.keys import STAGE_FILES, flatten, section_of_key
from screenalytics_assets.core.config.layers import Layer, Resolved, resolve, unknown_key
from screenalytics_assets.core.config.thresholds import Thresholds

ENV_PREFIX = "SCREENALYTICS_"
# Variables for places and services, which do not change how the pipeline behaves.
_NOT_SETTINGS = frozenset(
    {
        "ALERT_URLS",
        "CACHE_DIR",
        "CONFIG_DIR",
        "DATABASE_URL",
        "DATA_ROOT",
        "FACEBANK_ROOT",
        "INBOX",
        "LOGS_BUCKET",
        "PROFILE",
        "S3_CACHE_DIR",
        "S3_CACHE_GB",
        "SHARED_DIR",
        "UI_URL",
    }
)
# models.yaml also holds the registry of packs, which is not part of the configuration layers.
REGISTRY_KEYS = frozenset(Registry.model_fields)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping.

    Raises:
        ConfigurationError: The file is missing, is not YAML, or does not hold a mapping.
    """
    content = deepcopy(_parsed(read_limited(path, MAX_YAML_BYTES), path))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: expected a mapping of keys, found {type(content).__name__}")
    return content


@lru_cache(maxsize=32)
def _parsed(content: bytes, path: Path) -> Any:  # noqa: ANN401 - any YAML document
    """What a file holds. All files are read for each season of `seasons.yaml`; parsing them is most of that time."""
    return parse_yaml(content, str(path))


def parse_assignment(text: str) -> tuple[str, Any]:
    """Parse ``key=value`` from the command line, the value as YAML.

    Raises:
        ConfigurationError: There is no ``=``.
    """
    key, sign, value = text.partition("=")
    key = key.strip()
    if not sign or not key:
        raise ConfigurationError(f"--set {text!r}: expected key=value")
    return key, parse_yaml(value, f"--set {key}")


def _file_layers() -> list[Layer]:
    layers = []
    for section, name in STAGE_FILES.items():
        values = read_yaml(config_dir() / "pipeline" / name)
        if section == "models":
            values = {key: value for key, value in values.items() if key not in REGISTRY_KEYS}
        for key in flatten(values):
            if section_of_key().get(key, section) != section:
                raise ConfigurationError(f"{name}: {key!r} belongs into {STAGE_FILES[section_of_key()[key]]}")
        layers.append(Layer(f"config/pipeline/{name}", values))
    return layers


class Profiles(BaseModel):
    """The content of ``performance_profiles.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default_profile: str
    aliases: dict[str, str]
    profiles: dict[str, dict[str, Any] | None]


def read_profiles() -> Profiles:
    """The profiles of ``performance_profiles.yaml``.

    Raises:
        ConfigurationError: The file is missing or not valid.
    """
    path = config_dir() / "pipeline" / "performance_profiles.yaml"
    try:
        return Profiles.model_validate(read_yaml(path))
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise ConfigurationError(f"{path}: {'; '.join(problems)}") from error


def profile_layer(name: str | None) -> Layer:
    """The values of a profile, by name or alias; without a name, of the default profile.

    Raises:
        ConfigurationError: There is no such profile.
    """
    known = read_profiles()
    wanted = name or known.default_profile
    key = known.aliases.get(wanted, wanted)
    if key not in known.profiles:
        names = sorted([*known.profiles, *known.aliases])
        source = "" if name else "performance_profiles.yaml: default_profile: "
        raise ConfigurationError(f"{source}unknown profile {wanted!r}; known profiles: {', '.join(names)}")
    return Layer(f"profile {key}", known.profiles[key] or {})


def environment_layer(environment: Mapping[str, str]) -> Layer:
    """The settings from ``SCREENALYTICS_*`` variables.

    Raises:
        ConfigurationError: A variable with that prefix is not a key.
    """
    keys = {key.upper().replace(".", "__"): key for key in section_of_key()}
    values: dict[str, Any] = {}
    for name, text in environment.items():
        suffix = name.removeprefix(ENV_PREFIX)
        if suffix == name or suffix in _NOT_SETTINGS or not text:
            continue
        if suffix not in keys:
            raise unknown_key(suffix.lower().replace("__", "."), keys.values(), f"environment variable {name}")
        values[keys[suffix]] = parse_yaml(text, name)
    return Layer("environment", values)


def resolve_settings(profile: str | None = None, overrides: Mapping[str, Any] | None = None) -> Resolved:
    """Run configuration over environment over profile over stage files over defaults.

    Raises:
        ConfigurationError: A layer has an unknown key or a value that is not allowed.
    """
    chosen = profile or os.environ.get(f"{ENV_PREFIX}PROFILE")
    return resolve(
        [
            *_file_layers(),
            profile_layer(chosen),
            environment_layer(os.environ),
            Layer("run configuration", overrides or {}),
        ]
    )


class RunSettings(NamedTuple):
    """The settings, model pack and thresholds of a run."""

    resolved: Resolved
    pack: ModelPack
    thresholds: Thresholds


def declared_thresholds(pack: ModelPack) -> dict[str, float | None]:
    """The configuration keys whose values come from the models of a pack."""
    return {
        **pack.thresholds,
        "min_confidence": pack.thresholds["track_thresh"],
        "recluster_thresh": pack.thresholds["cluster_thresh"],
        "recluster_tight_thresh": pack.thresholds["tight_thresh"],
    }
