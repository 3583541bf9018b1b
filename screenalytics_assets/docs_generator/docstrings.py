"""Attribute descriptions from the docstring of a class."""

import re
from typing import get_args, get_origin

from pydantic import BaseModel


def attribute_text(kind: type, name: str) -> str:
    """The words after ``name:`` in the docstring, up to the next attribute.

    Raises:
        LookupError: The docstring has no such attribute.
    """
    found = re.search(rf"^ +{name}:(.*?)(?=^ +\w+:|\Z)", kind.__doc__ or "", re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"the docstring of {kind.__name__} says nothing about {name}")
    return " ".join(found[1].replace("``", "`").split())


def document_fields(kind: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """Every key of a document and what its docstring says about it.

    A key within an object is ``a.b``, in the entries of a list ``a[].b``; an optional key ends with ``?``; ``a.*`` are
    keys that the type does not declare.
    """
    found: dict[str, str] = {}
    for name, field in kind.model_fields.items():
        is_list = get_origin(field.annotation) is tuple
        inner = get_args(field.annotation)[0] if is_list else field.annotation
        key = f"{prefix}{name}" + ("[]" if is_list else "")
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= document_fields(inner, f"{key}.")
        elif get_origin(inner) is dict or any(_is_model(part) for part in get_args(inner) if is_list):
            found[f"{key}.*"] = attribute_text(kind, name)
        else:
            found[f"{prefix}{name}" + ("" if field.is_required() else "?")] = attribute_text(kind, name)
    return found


def _is_model(kind: object) -> bool:
    return any(isinstance(part, type) and issubclass(part, BaseModel) for part in (kind, *get_args(kind)))
