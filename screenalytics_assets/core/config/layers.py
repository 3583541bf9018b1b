"""How layers of configuration values combine, and where each value comes from."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.config.keys import STAGE_FILES, Settings, flatten, section_of_key


class Layer(NamedTuple):
    """Values from one place; ``source`` names it for the messages, for example ``profile fast_cpu``."""

    source: str
    values: Mapping[str, Any]


class Resolved(NamedTuple):
    """The configuration of a run, and for each key where its value comes from."""

    settings: Settings
    provenance: Mapping[str, str]


def unknown_key(key: str, known: Iterable[str], source: str) -> ConfigurationError:
    """The error for a key that does not exist, with the nearest that does."""
    near = difflib.get_close_matches(key, list(known), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(sorted(known))}"
    return ConfigurationError(f"{source}: unknown configuration key {key!r}{hint}")


def resolve(layers: Sequence[Layer]) -> Resolved:
    """Combine layers, the weakest first, over the defaults.

    Raises:
        ConfigurationError: A key that does not exist or a value that is not allowed, with its source.
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
        lines.append(
            f"{provenance.get(key, 'configuration')}: {key} = {problem['input']!r} is not allowed: {problem['msg']}"
        )
    return "; ".join(lines)
