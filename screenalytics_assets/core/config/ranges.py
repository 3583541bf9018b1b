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


def number_words(field: FieldInfo) -> str | None:
    """What a number may be, for example ``number ≥ 0 and ≤ 1, or null``; None if the field holds something else."""
    return _words(field.annotation, tuple(field.metadata))


def problem_words(model: type[BaseModel], problem: Mapping[str, Any]) -> str:
    """What pydantic refused: for a number the whole range that is expected, otherwise pydantic's own sentence.

    Args:
        model: What was validated.
        problem: One of the ``errors()`` of the ``ValidationError``.
    """
    words = None
    if problem["type"] not in ("missing", "extra_forbidden"):
        words = _words(*_declared(model, problem["loc"]))
    return f"expected a {words}" if words else str(problem["msg"])


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
