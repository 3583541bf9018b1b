"""Damage to documents: bytes, text and values of YAML and JSON, as people and programs get them wrong."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import yaml

from resources.system.text_documents import parse_yaml
from screenalytics_assets.core.common.errors import ScreenalyticsError
from tests.faults.mutations import MUTATIONS

MAX_BYTES = 64 * 1024
"""What is repeated stops here: larger than the files that people write, and small enough for a thousand tries."""

_NESTED = 400


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


VALUES: Sequence[Any] = (
    *(None, True, False, 0, 1, -1, 0.5, -0.0, 5e-324, 1e308, -1e308, float("inf"), float("nan"), 2**31, 2**63, 2**64),
    *(-(2**63) - 1, 10**30, 10**400, 10**4200),
    *("", " ", "a", "1", "null", "-", "\x00", "\ud800", "\U0001f600", "\u202e", "a\nb", "a" * 10_000, "é", "e\u0301"),
    *("../../etc/passwd", "/", "~", "s3://", "2024-02-31", "12:30:45", "1e3", "=1+1", "%s{0}", "[red]", "0" * 64),
    *([], {}, [[]], [None], {"": None}, {"a": {"b": {}}}, _nested(50), _nested(_NESTED)),
)
"""Values that a key may be given although it does not expect them."""

_TEXTS: Sequence[str] = (
    *("[", "]", "{", "}", ":", ": ", ",", '"', "'", "\\", "\n", "\t", "#", "&a ", "*a", "!!", "!x ", "---\n", "...\n"),
    *("<<: *a", "? ", "- ", "|\n", ">\n", "%YAML 1.2\n", "\ufeff", "\x00", "\x85", "\u2028", "NaN", "-Infinity"),
    *("null", "1e999", "0x_", "0o8", "1_000", "+.inf", "!!python/name:os.system", "!!binary x", "\\ud800", "\\u0000"),
    *("9" * 5000, "[" * 5000, "{a: " * 1000, '{"a":' * 1000, "- " * 5000, "? " * 1000, "\n".join(["a: 1"] * 2000)),
    "&a [1, 1], &b [*a, *a], &c [*b, *b], ",
)
"""Text that a document may be given anywhere."""


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """A document after one to three kinds of damage."""
    for _ in range(int(rng.integers(1, 4))):
        content = _KINDS[int(rng.choice(len(_KINDS), p=_WEIGHTS))](content, rng)
    return content


def _damaged_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    name = str(rng.choice(list(MUTATIONS)))
    enough = len(content) > 2 * 4096 if name == "swap_blocks" else bool(content)
    return bytes(MUTATIONS[name](bytearray(content), rng)) if enough else content


def _inserted_text(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(len(content) + 1))
    end = start + int(rng.choice([0, 0, 1, 5, 40]))
    text = _TEXTS[int(rng.integers(len(_TEXTS)))]
    return content[:start] + text.encode() + content[end:]


def _changed_lines(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    first, second = (int(n) for n in rng.integers(len(lines), size=2))
    match int(rng.integers(4)):
        case 0:
            del lines[first]
        case 1:
            lines[first], lines[second] = lines[second], lines[first]
        case 2:
            lines[first] = b" " * int(rng.integers(1, 9)) + lines[first].lstrip()
        case _:
            times = min(int(rng.choice([2, 10, 10_000])), MAX_BYTES // (len(lines[first]) + 1) + 1)
            lines[first:first] = [lines[first]] * times
    return b"".join(lines)


def _changed_value(content: bytes, rng: np.random.Generator) -> bytes:
    """One value, key or list of a document that can still be read, changed for something else."""
    with suppress(ValueError, yaml.YAMLError, RecursionError, ScreenalyticsError):
        is_json = content.lstrip()[:1] in (b"{", b"[")
        document = json.loads(content) if is_json else parse_yaml(content, "a document")
        whole = [document]
        _change(_places_in(whole), rng)
        if is_json or rng.random() < 0.3:
            return json.dumps(whole[0], ensure_ascii=bool(rng.integers(2))).encode("utf-8", "surrogatepass")
        return yaml.safe_dump(whole[0], allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass")
    return content


def _places_in(container: Any) -> list[tuple[Any, Any]]:
    """Every list or mapping with one of its places."""
    found: list[tuple[Any, Any]] = []
    waiting = [container]
    while waiting and len(found) < 10_000:
        inside = waiting.pop()
        for key in inside if isinstance(inside, dict) else range(len(inside)):
            found.append((inside, key))
            if isinstance(inside[key], dict | list):
                waiting.append(inside[key])
    return found


def _change(places: list[tuple[Any, Any]], rng: np.random.Generator) -> None:
    inside, key = places[int(rng.integers(len(places)))]
    other, other_key = places[int(rng.integers(len(places)))]
    value = VALUES[int(rng.integers(len(VALUES)))]
    match int(rng.integers(8)):
        case 0 if inside is not places[0][0]:
            del inside[key]
        case 1 if isinstance(inside, dict):
            name = value if isinstance(value, str | int | float | None) else "a"
            inside[name] = inside.pop(key)
        case 2 if isinstance(inside[key], list) and inside[key]:
            size = len(json.dumps(inside[key], default=str))
            inside[key] *= max(1, min(int(rng.choice([2, 30, 3000])), MAX_BYTES // size))
        case 3:
            inside[key] = [inside[key]]
        case 4:
            inside[key] = json.loads(json.dumps(other[other_key]))
        case _:
            inside[key] = value


_KINDS: Sequence[Callable[[bytes, np.random.Generator], bytes]] = (
    _damaged_bytes,
    _inserted_text,
    _changed_lines,
    _changed_value,
)
_WEIGHTS = (0.15, 0.2, 0.15, 0.5)
