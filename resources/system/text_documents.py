"""YAML and JSON, read with limits of size and nesting. Messages name the place, never what a file contains."""

import json
import os
import re
import stat
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import yaml

from resources.system.error_translation import translated
from screenalytics_assets.core.common.errors import (
    ConfigurationError,
    ScreenalyticsError,
    SystemFailureError,
    UnavailableError,
)

MAX_YAML_BYTES = 4 * 1024**2
"""Files of this format are written by hand or by `correct`: ten thousand corrections take 2 MB."""
MAX_JSON_BYTES = 256 * 1024**2
"""The truth of a two-hour episode with boxes for every frame takes some 60 MB."""
MAX_DEPTH = 64
"""Lists and mappings inside one another; the deepest of the project's own files has seven levels."""
MAX_VALUES = 200_000
"""Values of a YAML document, those that an alias repeats counted each time: 4 MB without aliases hold no more."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml takes a tenth of the time
    """Plain values; a date is text, as in JSON."""


_DATE = "tag:yaml.org,2002:timestamp"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _DATE]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def parse_yaml(content: bytes | str, place: str, error: type[ScreenalyticsError] = ConfigurationError) -> Any:  # noqa: ANN401 - any YAML document
    """The plain values of a YAML document; dates are text.

    Args:
        content: The document.
        place: Names the file or key in messages.
        error: What to raise.

    Raises:
        ScreenalyticsError: Of the given class: the document is not UTF-8, not YAML, or exceeds a limit.
    """
    text = _text_of(content, place, MAX_YAML_BYTES, error)
    try:
        _check_limits(text)
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as problem:
        raise error(f"{place}: not valid YAML{_line(problem.problem_mark)}: {_without_content(problem)}") from None
    except yaml.YAMLError as problem:
        raise error(f"{place}: not valid YAML: {_without_content(problem)}") from None
    except (ValueError, RecursionError):
        raise error(f"{place}: not valid YAML: a number, date or nesting in it cannot be read; correct it") from None


def yaml_nodes(text: str) -> Any:  # noqa: ANN401 - a YAML node
    """The nodes of a YAML document that `parse_yaml` has read, with their lines."""
    return yaml.compose(text, _Loader)


def dump_yaml(content: object) -> str:
    """Plain values as a YAML document: keys in their order, lists and mappings of plain values on one line each."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(
        content, Dumper=dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120
    )
    return text


def parse_json(content: bytes | str, place: str, error: type[ScreenalyticsError] = ConfigurationError) -> Any:  # noqa: ANN401 - any JSON document
    """The values of a JSON document.

    Args:
        content: The document.
        place: Names the file in messages.
        error: What to raise.

    Raises:
        ScreenalyticsError: Of the given class: the document is not UTF-8, not JSON, or exceeds a limit.
    """
    text = _text_of(content, place, MAX_JSON_BYTES, error)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as problem:
        raise error(f"{place}: not valid JSON, line {problem.lineno}: {_without_content(problem.msg)}") from None
    except ValueError:  # more digits than Python converts, or not a number
        raise error(f"{place}: not valid JSON: a number in it is too long, or is NaN or infinite") from None
    except RecursionError:
        value = None
    else:
        if not _is_deeper(value, MAX_DEPTH):
            return value
    raise error(f"{place}: lists and objects are nested too deeply; expected at most {MAX_DEPTH} levels")


def read_yaml_file(path: Path, error: type[ScreenalyticsError] = ConfigurationError) -> Any:  # noqa: ANN401 - any YAML document
    """A YAML file as `parse_yaml` reads it.

    Raises:
        ScreenalyticsError: Of the given class: there is no such file, it cannot be read, or it is not as expected.
    """
    return parse_yaml(read_limited(path, MAX_YAML_BYTES, error), str(path), error)


def read_json_file(path: Path, error: type[ScreenalyticsError] = ConfigurationError) -> Any:  # noqa: ANN401 - any JSON document
    """A JSON file as `parse_json` reads it.

    Raises:
        ScreenalyticsError: Of the given class: there is no such file, it cannot be read, or it is not as expected.
    """
    return parse_json(read_limited(path, MAX_JSON_BYTES, error), str(path), error)


def read_limited(path: Path, max_bytes: int, error: type[ScreenalyticsError] = ConfigurationError) -> bytes:
    """The content of a regular file that is not larger than a limit; a pipe or device is refused, not waited for.

    Raises:
        ScreenalyticsError: Of the given class: there is no such file, it is of another kind, it is too large, or it
            cannot be read.
        UnavailableError: The disk or network drive fails; a retry may succeed.
        SystemFailureError: A resource of the machine is used up.
    """
    try:
        return _read(path, max_bytes, error)
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except OSError as problem:
        known = translated(problem, path)
        if known is None or isinstance(known, UnavailableError | SystemFailureError):
            raise known or problem from None
        raise error(str(known)) from None


def _read(path: Path, max_bytes: int, error: type[ScreenalyticsError]) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise error(f"{path}: this is a folder; expected a file")
        if not stat.S_ISREG(found.st_mode):
            raise error(f"{path}: this is a pipe or a device; expected a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            content = stream.read(max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(content) > max_bytes:
        raise error(f"{path}: the file has {found.st_size:,} bytes; expected at most {max_bytes:,}")
    return content


def _text_of(content: bytes | str, place: str, max_bytes: int, error: type[ScreenalyticsError]) -> str:
    if len(content) > max_bytes:
        raise error(f"{place}: {len(content):,} bytes; expected at most {max_bytes:,}")
    if isinstance(content, str):
        return content
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise error(f"{place}: line {line} is not UTF-8 text; save the file as UTF-8") from None


def _check_limits(text: str) -> None:
    """Count nesting and values, aliases included, before anything is made of them."""
    sizes: dict[str, int] = {}
    open_anchors: list[tuple[str | None, int]] = []
    values = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                _refuse(event, "an alias of something that is not complete above it")
            values += sizes[event.anchor]
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_anchors.pop()
            if anchor is not None:
                sizes[anchor] = values - before
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            if event.tag not in (None, "!"):
                _refuse(event, "a tag (a word that begins with !), which is not supported")
            values += 1
            if isinstance(event, yaml.CollectionStartEvent):
                open_anchors.append((event.anchor, values - 1))
            elif event.anchor is not None:
                sizes[event.anchor] = 1
        if len(open_anchors) > MAX_DEPTH:
            _refuse(event, f"nested too deeply; expected at most {MAX_DEPTH} levels")
        if values > MAX_VALUES:
            _refuse(event, f"too many values, repeated ones included; expected at most {MAX_VALUES:,}")


def _is_deeper(value: object, levels: int) -> bool:
    """Whether lists and dictionaries are nested in more levels than this."""
    level: list[Any] = [value]
    for _ in range(levels + 1):
        level = [found for found in level if isinstance(found, list | dict)]
        if not level:
            return False
        level = list(chain.from_iterable(found.values() if isinstance(found, dict) else found for found in level))
    return True


def _refuse(event: Any, problem: str) -> NoReturn:  # noqa: ANN401 - an event of either parser
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _line(mark: Any) -> str:  # noqa: ANN401 - a mark of either parser, or None
    return f", line {mark.line + 1}" if mark else ""


def _without_content(problem: yaml.YAMLError | str) -> str:
    """A parser's sentence without what it quotes from the file."""
    sentence = (
        problem if isinstance(problem, str) else getattr(problem, "problem", None) or "a character is not allowed"
    )
    return re.sub(r"'[^' ][^']+'|\"[^\" ][^\"]+\"", "…", str(sentence).splitlines()[0])


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
