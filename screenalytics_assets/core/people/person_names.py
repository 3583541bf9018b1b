"""Names of people: what they are called, and the id that stands for them in files and tables."""

import re
import unicodedata
from typing import NamedTuple

from screenalytics_assets.core.common.errors import FacebankError


class Person(NamedTuple):
    """A person of a show; the id is made of letters, digits and dashes."""

    person_id: str
    name: str


def person_of(folder: str) -> Person:
    """The person that a folder of photos is named after.

    ``sheldon_cooper``, ``sheldon-cooper`` and ``Sheldon Cooper`` are Sheldon Cooper with the id ``sheldon-cooper``.

    Raises:
        FacebankError: The name has neither letters nor digits.
    """
    text = unicodedata.normalize("NFC", folder)
    person_id = re.sub(r"[\W_]+", "-", text.casefold()).strip("-")
    if not person_id:
        raise FacebankError(f"the folder {folder!r} is not a person's name: it has neither letters nor digits")
    words = re.sub(r"[\s_-]+", " ", text).strip()
    name = words if words != words.lower() else " ".join(word[:1].upper() + word[1:] for word in words.split(" "))
    return Person(person_id, name)
