"""The ranges of numbers, and how messages and the reference say what a number may be."""

from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

DAY_S = 86_400
"""Longest time that can be configured; no episode is longer."""
MAX_COUNT = 10_000_000
"""Largest count that can be configured: faces of an episode of a day at a hundred a second."""
MAX_SIDE_PX = 8192
"""Longest side that can be configured, that of the largest picture which is analysed."""

Score = Annotated[float, Field(ge=0, le=1)]
"""A detector score."""
Cosine = Annotated[float, Field(gt=-1, lt=1)]
"""A cosine similarity as a limit; 1 and -1 would allow nothing or everything."""
Margin = Annotated[float, Field(ge=0, lt=1)]
"""A difference of two cosine similarities."""

_SIGNS: tuple[tuple[type, str, str], ...] = (
    (Ge, "ge", "≥"),
    (Gt, "gt", ">"),
    (Le, "le", "≤"),
    (Lt, "lt", "<"),
    (MultipleOf, "multiple_of", "a multiple of"),
)
_NAMES: Mapping[object, str] = {int: "whole number", float: "number"}
_SENTENCES: Mapping[str, str] = {
    "missing": "this is missing",
    "extra_forbidden": "there is no such key",
    "model_type": "expected keys with values",
    "dict_type": "expected keys with values",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "string_type": "expected text",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "literal_error": "expected {expected}",
    "too_short": "expected a list with {min_length} or more, found {actual_length}",
    "too_long": "expected a list with {max_length} or fewer, found {actual_length}",
    "string_too_short": "expected text of {min_length} or more characters",
    "string_too_long": "expected text of {max_length} or fewer characters",
    "string_pattern_mismatch": "expected text that matches {pattern}",
    "value_error": "{error}",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a finite number",
    "greater_than": "expected a number > {gt}",
    "greater_than_equal": "expected a number ≥ {ge}",
    "less_than": "expected a number < {lt}",
    "less_than_equal": "expected a number ≤ {le}",
    "union_tag_invalid": "expected {discriminator} to be one of {expected_tags}",
    "union_tag_not_found": "{discriminator} is missing",
}
"""Sentences for what pydantic says in its own terms, by the type of the problem, with the fields of its context."""


def number_words(field: FieldInfo) -> str | None:
    """What a number may be, for example ``number ≥ 0 and ≤ 1, or null``; None if the field holds something else."""
    return _words(field.annotation, tuple(field.metadata))


def problem_words(model: type[BaseModel], problem: Mapping[str, Any]) -> str:
    """What pydantic refused, in a sentence: for a number the whole range that is expected.

    Args:
        model: What was validated.
        problem: One of the ``errors()`` of the ``ValidationError``.
    """
    words = None
    if problem["type"] not in ("missing", "extra_forbidden"):
        words = _words(*_declared(model, problem["loc"]))
    if words:
        return f"expected a {words}"
    sentence = _SENTENCES.get(problem["type"])
    return sentence.format(**problem.get("ctx", {})) if sentence else str(problem["msg"])


def _words(annotation: object, limits: tuple[object, ...]) -> str | None:
    alternatives = list(_alternatives(annotation, limits))
    kinds = [kind for kind, _ in alternatives if kind is not type(None)]
    if len(kinds) != 1 or kinds[0] not in _NAMES:
        return None
    constraints = next(found for kind, found in alternatives if kind is kinds[0])
    said = [
        f"{sign} {getattr(constraint, attribute):,.12g}"
        for constraint in constraints
        for kind, attribute, sign in _SIGNS
        if isinstance(constraint, kind)
    ]
    words = f"{_NAMES[kinds[0]]} {' and '.join(said)}".strip()
    return f"{words}, or null" if len(kinds) < len(alternatives) else words


def _alternatives(annotation: object, limits: tuple[object, ...]) -> Iterator[tuple[object, tuple[object, ...]]]:
    """The kinds of value of an annotation, each with its constraints."""
    if get_origin(annotation) is Annotated:
        kind, *given = get_args(annotation)
        found = (part.metadata if isinstance(part, FieldInfo) else [part] for part in given)
        yield from _alternatives(kind, (*limits, *(limit for parts in found for limit in parts)))
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from _alternatives(part, limits)
    else:
        yield annotation, limits


def _declared(model: type[BaseModel], place: Iterable[object]) -> tuple[object, tuple[object, ...]]:
    """The annotation and the constraints at a place in a document; an annotation None if it cannot be found."""
    annotation: object = model
    limits: tuple[object, ...] = ()
    for part in place:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(part))
            if field is None:
                return None, ()
            annotation, limits = field.annotation, tuple(field.metadata)
        else:
            members = [member for member in get_args(annotation) if member is not ...]
            if not members:
                return None, ()
            annotation, limits = members[-1], ()
    return annotation, limits
