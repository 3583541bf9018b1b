"""YAML by the faster of PyYAML's two parsers."""

from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(text: str) -> Any:  # noqa: ANN401 - whatever the document says
    """What a document says, plain values only; libyaml, which some builds of PyYAML lack, takes a tenth of the time.

    Raises:
        yaml.YAMLError: It is none.
    """
    return yaml.load(text, _LOADER)  # noqa: S506 - both are safe loaders
