"""Attribute descriptions from the docstring of a class."""

import re


def attribute_text(kind: type, name: str) -> str:
    """The words after ``name:`` in the docstring, up to the next attribute.

    Raises:
        LookupError: The docstring has no such attribute.
    """
    found = re.search(rf"^ +{name}:(.*?)(?=^ +\w+:|\Z)", kind.__doc__ or "", re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"the docstring of {kind.__name__} says nothing about {name}")
    return " ".join(found[1].replace("``", "`").split())
