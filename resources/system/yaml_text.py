"""YAML, read by the faster of PyYAML's two parsers."""

from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(text: str) -> Any:  # noqa: ANN401 - any YAML document
    """The plain values of a document. libyaml takes a tenth of the time, but some builds of PyYAML lack it.

    Raises:
        yaml.YAMLError: The text is not valid YAML.
    """
    return yaml.load(text, _LOADER)  # noqa: S506 - both are safe loaders
