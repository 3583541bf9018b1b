"""The corrections of an episode: ``corrections/{ep_id}.yaml`` below the data root."""

from collections.abc import Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from resources.storage.store import ArtifactStore
from resources.system.text_documents import parse_yaml
from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.core.common.layout import corrections_path
from screenalytics_assets.core.people.corrections import Corrections

_HEADING = "# Written by `screenalytics correct`; see docs/reference/corrections.md. Ids are for people to read: what\n"
_HEADING += "# an entry is about is found by its faces, each a time and a box in the picture.\n"


def read_corrections(store: ArtifactStore, ep_id: str) -> Corrections:
    """The corrections of an episode; empty if there is no file.

    Raises:
        CorrectionError: The file is not YAML, does not have the documented form, or is for another episode. The
            message names the file, the line and the key.
    """
    place = corrections_path(ep_id)
    stored, path = store.read(place), store.location(place)
    if stored is None:
        return Corrections(ep_id=ep_id)
    content = parse_yaml(stored, path, CorrectionError)
    try:
        corrections = Corrections.model_validate({"ep_id": ep_id} if content is None else content)
    except ValidationError as error:
        problems = [_explain(problem["loc"], problem["msg"], stored.decode("utf-8-sig")) for problem in error.errors()]
        raise CorrectionError(f"{path}: {'; '.join(problems)}") from error
    if corrections.ep_id != ep_id:
        raise CorrectionError(f"{path}: ep_id: these are corrections of {corrections.ep_id}; expected {ep_id}")
    return corrections


def write_corrections(store: ArtifactStore, corrections: Corrections) -> str:
    """Replace the file; returns its path or URL."""
    text = _HEADING + yaml.safe_dump(
        corrections.model_dump(mode="json"), sort_keys=False, allow_unicode=True, default_flow_style=None, width=120
    )
    return store.write(corrections_path(corrections.ep_id), text.encode())


def _explain(location: Sequence[int | str], message: str, text: str) -> str:
    # After the index of a correction pydantic inserts its kind, which is not a key in the file.
    keys = [*location[:2], *location[3:]] if location[:1] == ("corrections",) else list(location)
    name = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    return f"line {_line_of(yaml.compose(text, Loader=yaml.SafeLoader), keys)}: {name or 'the file'}: {message}"


def _line_of(node: Any, keys: Sequence[int | str]) -> int:  # noqa: ANN401 - a YAML node
    """The line of a key, or of the innermost mapping or list that should have it."""
    line = int(node.start_mark.line) + 1
    for key in keys:
        if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            node = node.value[key]
            line = node.start_mark.line + 1
            continue
        entries = (
            {name.value: (name, value) for name, value in node.value} if isinstance(node, yaml.MappingNode) else {}
        )
        if key not in entries:
            break
        name, node = entries[key]
        line = name.start_mark.line + 1
    return line
