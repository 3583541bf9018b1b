"""Combines layers of configuration values, and records where each value comes from."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.config.keys import STAGE_FILES, Settings, flatten, section_of_key
from screenalytics_assets.core.config.ranges import problem_words


class Layer(NamedTuple):
    """Values from one source, named for messages, for example ``profile fast_cpu``."""

    source: str
    values: Mapping[str, Any]


class Resolved(NamedTuple):
    """The configuration of a run, and the source of each value."""

    settings: Settings
    provenance: Mapping[str, str]


def unknown_key(key: str, known: Iterable[str], source: str) -> ConfigurationError:
    """The error for an unknown key, with the most similar known one."""
    near = difflib.get_close_matches(key, list(known), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(sorted(known))}"
    return ConfigurationError(f"{source}: unknown configuration key {key!r}{hint}")


def resolve(layers: Sequence[Layer]) -> Resolved:
    """Combine layers, lowest priority first, over the defaults.

    Raises:
        ConfigurationError: An unknown key or a value that is not allowed, with its source.
    """
    sections = section_of_key()
    provenance = dict.fromkeys(sections, "default")
    nested: dict[str, Any] = {name: {} for name in STAGE_FILES}
    for layer in layers:
        for key, value in flatten(layer.values).items():
            if key not in sections:
                raise unknown_key(key, sections, layer.source)
            *parents, leaf = key.split(".")
            target = nested[sections[key]]
            for parent in parents:
                target = target.setdefault(parent, {})
            target[leaf] = value
            provenance[key] = layer.source
    try:
        return Resolved(Settings.model_validate(nested), provenance)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, provenance)) from error


def _explain(error: ValidationError, provenance: Mapping[str, str]) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(part for part in problem["loc"][1:] if isinstance(part, str))
        source, expected = provenance.get(key, "configuration"), problem_words(Settings, problem)
        lines.append(f"{source}: {key} = {problem['input']!r:.80} is not allowed: {expected}")
    return "; ".join(lines)
