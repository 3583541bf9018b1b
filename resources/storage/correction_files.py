"""The corrections of an episode: ``corrections/{ep_id}.yaml`` below the data root."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from resources.storage.store import ArtifactStore
from resources.system.text_documents import dump_yaml, parse_yaml, yaml_nodes
from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.core.common.layout import corrections_path
from screenalytics_assets.core.config.ranges import problem_words
from screenalytics_assets.core.people.corrections.corrections import (
    Anchor,
    CorrectionsFile,
    Evidence,
    Give,
    IdentityReference,
    Ignore,
    Merge,
    Name,
    NamedPerson,
    NotThisPerson,
    Split,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_HEADING = "# Written by `screenalytics correct`; see docs/reference/corrections.md. Ids are for people to read: what\n"
_HEADING += "# an entry is about is found by its faces, each a time and a box in the picture.\n"

_SHOWN_PROBLEMS = 3
_MODELS = (
    CorrectionsFile,
    Merge,
    Split,
    Give,
    Name,
    NotThisPerson,
    Ignore,
    IdentityReference,
    NamedPerson,
    Evidence,
    Anchor,
)
_KEYS = sorted({key for model in _MODELS for key in model.model_fields})


def read_corrections(store: ArtifactStore, ep_id: str) -> CorrectionsFile:
    """The corrections of an episode; empty if there is no file.

    Raises:
        CorrectionError: The file is not YAML, does not have the documented form, or is for another episode. The
            message names the file, the line and the key.
    """
    return _parse(store.read(corrections_path(ep_id)), ep_id, store.location(corrections_path(ep_id)))


def update_corrections(
    store: ArtifactStore, ep_id: str, change: Callable[[CorrectionsFile], CorrectionsFile]
) -> CorrectionsFile:
    """Change the corrections of an episode without losing concurrent changes by other programs.

    Args:
        store: Where the file is.
        ep_id: The episode.
        change: From the corrections to the new ones; called again if another program was faster. If it raises an
            error, nothing is written.

    Returns:
        The corrections as they were written.
    """
    place = corrections_path(ep_id)
    written: list[CorrectionsFile] = []

    def rewritten(stored: bytes | None) -> bytes:
        written.append(change(_parse(stored, ep_id, store.location(place))))
        return (_HEADING + dump_yaml(written[-1].model_dump(mode="json", exclude_none=True))).encode()

    store.update(place, rewritten)
    return written[-1]


def _parse(stored: bytes | None, ep_id: str, path: str) -> CorrectionsFile:
    if stored is None:
        return CorrectionsFile(ep_id=ep_id)
    content = parse_yaml(stored, path, CorrectionError)
    try:
        corrections = CorrectionsFile.model_validate({"ep_id": ep_id} if content is None else content)
    except ValidationError as error:
        document, found = yaml_nodes(stored.decode("utf-8-sig")), error.errors()
        problems = [_explain(problem, document) for problem in found[:_SHOWN_PROBLEMS]]
        if len(found) > _SHOWN_PROBLEMS:
            problems.append(f"and {len(found) - _SHOWN_PROBLEMS} more problems")
        # Without its cause, which quotes the file: a link may lead to a file that holds secrets.
        raise CorrectionError(f"{path}: {'; '.join(problems)}") from None
    if corrections.ep_id != ep_id:
        raise CorrectionError(f"{path}: ep_id: these are corrections of {corrections.ep_id}; expected {ep_id}")
    return corrections


def _explain(problem: "ErrorDetails", document: Any) -> str:  # noqa: ANN401 - a YAML node
    location, message = problem["loc"], problem_words(CorrectionsFile, problem)
    # After the index of a correction pydantic inserts its kind, which is not a key in the file.
    keys = [*location[:2], *location[3:]] if location[:1] == ("corrections",) else list(location)
    if problem["type"] == "extra_forbidden" and not get_close_matches(str(keys[-1]), _KEYS):
        # Only a misspelt key of ours is shown, for the same reason.
        keys[-1] = "(a key that is not one of this file)"
    name = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    return f"line {_line_of(document, keys)}: {name or 'the file'}: {message}"


def _line_of(node: Any, keys: Sequence[int | str]) -> int:  # noqa: ANN401 - a YAML node
    """The line of a key, or of the innermost mapping or list that should have it."""
    line = int(node.start_mark.line) + 1
    for key in keys:
        if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            if key >= len(node.value):  # an item that is missing
                break
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
