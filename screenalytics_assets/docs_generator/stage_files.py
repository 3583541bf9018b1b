"""The text of the stage files: every key with its default and description, commented out."""

import json
import textwrap
from collections.abc import Iterator

from pydantic import BaseModel

from screenalytics_assets.core.config.keys import Settings

_WIDTH = 110


def stage_file_text(section: str) -> str:
    """The text of a new stage file; a key is set by uncommenting its line and changing the value."""
    field = Settings.model_fields[section]
    if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
        raise TypeError(f"section {section} is not a group of keys")
    heading = textwrap.wrap((field.annotation.__doc__ or "").split(" (``")[0].rstrip(".") + ".", _WIDTH)
    lines = [f"# {line}" for line in [*heading, "Uncomment a key to change it; its default stands beside it."]]
    return "\n".join([*lines, *_key_lines(field.annotation, "")]) + "\n"


def _key_lines(model: type[BaseModel], indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield "#"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield f"# {indent}{name}:"
            yield from _key_lines(field.annotation, indent + "  ")
            continue
        for line in textwrap.wrap(field.description or "", _WIDTH):
            yield f"# {indent}# {line}"
        yield f"# {indent}{name}: {json.dumps(field.default)}"
