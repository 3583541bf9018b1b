"""What lies below a data root, in the words of the artifact reference."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from resources.storage.manifest import Manifest


def manifests(data: Path, ep_id: str) -> dict[str, Manifest]:
    """The manifests of an episode by asset."""
    paths = (data / f"manifests/{ep_id}").glob("*.manifest.json")
    found = [Manifest.model_validate_json(path.read_text(encoding="utf-8")) for path in paths]
    return {manifest.asset: manifest for manifest in found}


def fields_of(document: Any, prefix: str = "") -> Iterator[str]:
    """Where values are in a JSON document: ``a.b`` within an object, ``a[].b`` within the entries of a list."""
    if isinstance(document, dict) and document:
        for key, value in document.items():
            yield from fields_of(value, f"{prefix}.{key}" if prefix else key)
    elif isinstance(document, list) and document and isinstance(document[0], dict):
        for entry in document:
            yield from fields_of(entry, f"{prefix}[]")
    else:
        yield prefix


def breaches(document: Any, declared: Mapping[str, str]) -> set[str]:
    """Fields that are declared and missing, or there and not declared."""
    found = set(fields_of(document))
    open_ended = tuple(name.removesuffix("*").removesuffix(".") for name in declared if name.endswith(".*"))
    optional = {name.removesuffix("?") for name in declared if name.endswith("?")}
    exact = {name for name in declared if not name.endswith(("*", "?"))}
    empty = tuple(f"{name}[]" for name in found)
    unknown = {name for name in found if name not in exact | optional and not name.startswith(open_ended or ("\0",))}
    unknown = {name for name in unknown if not any(other.startswith(f"{name}[]") for other in (*exact, *open_ended))}
    return unknown | {name for name in exact - found if not name.startswith(empty)}
