"""The files in which people correct an episode: ``corrections/{ep_id}.yaml`` below the data root."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from screenalytics_assets.core.corrections import Corrections
from screenalytics_assets.core.errors import CorrectionError

_HEADING = "# Written by `screenalytics correct`; see docs/reference/corrections.md. Ids are for people to read: what\n"
_HEADING += "# an entry is about is found by its faces, each a time and a box in the picture.\n"


def corrections_path(root: Path, ep_id: str) -> Path:
    """Where the corrections of an episode are."""
    return root / "corrections" / f"{ep_id}.yaml"


def read_corrections(path: Path, ep_id: str) -> Corrections:
    """The corrections of an episode; none where there is no file.

    Raises:
        CorrectionError: The file is no YAML, has not the documented form, or belongs to another episode. The message
            names the file, the line and the key.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except FileNotFoundError:
        return Corrections(ep_id=ep_id)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CorrectionError(f"{path}: not a readable YAML file: {error}") from error
    try:
        corrections = Corrections.model_validate({"ep_id": ep_id} if content is None else content)
    except ValidationError as error:
        problems = [_explain(problem["loc"], problem["msg"], text) for problem in error.errors()]
        raise CorrectionError(f"{path}: {'; '.join(problems)}") from error
    if corrections.ep_id != ep_id:
        raise CorrectionError(f"{path}: ep_id: these are corrections of {corrections.ep_id}; expected {ep_id}")
    return corrections


def write_corrections(path: Path, corrections: Corrections) -> None:
    """Replace the file as a whole."""
    text = _HEADING + yaml.safe_dump(
        corrections.model_dump(mode="json"), sort_keys=False, allow_unicode=True, default_flow_style=None, width=120
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.tmp")
    staged.write_text(text, encoding="utf-8")
    staged.replace(path)


def _explain(location: Sequence[int | str], message: str, text: str) -> str:
    line, keys = _place(yaml.compose(text, Loader=yaml.SafeLoader), location)
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in keys).lstrip(".")
    return f"line {line}: {name or 'the file'}: {message}"


def _place(node: Any, location: Sequence[int | str]) -> tuple[int, list[int | str]]:  # noqa: ANN401 - a YAML node
    """The line of the last part of a location that is in the file, and the parts that keys of the file have.

    Pydantic puts the tag of a union into the location; that is no key of the file.
    """
    line = node.start_mark.line + 1 if node is not None else 1
    keys: list[int | str] = []
    for position, part in enumerate(location):
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            found = {key.value: (key, value) for key, value in node.value}
            if part not in found:
                if position == len(location) - 1:
                    keys.append(part)
                continue
            key, node = found[part]
            line = key.start_mark.line + 1
            keys.append(part)
            continue
        else:
            continue
        line = node.start_mark.line + 1
        keys.append(part)
    return line, keys
