"""Names of people, and the ids that are made of them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from screenalytics_assets.core.common.errors import FacebankError


class Person(NamedTuple):
    """A person of a show; the id is made of letters, digits and dashes."""

    person_id: str
    name: str


def person_id_of(name: str) -> str:
    """The id of a person: letters and digits of the name in lower case, dashes between words; empty without any.

    One name has one id, whether an accent is a character of its own (as in the file names of macOS) or not.
    """
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", name).casefold()).strip("-")


def person_of(folder: str) -> Person:
    """The person that a folder of photos is named after.

    ``sheldon_cooper``, ``sheldon-cooper`` and ``Sheldon Cooper`` are Sheldon Cooper with the id ``sheldon-cooper``.

    Raises:
        FacebankError: The name has neither letters nor digits.
    """
    person_id = person_id_of(folder)
    if not person_id:
        raise FacebankError(f"the folder {folder!r} is not a person's name: it has neither letters nor digits")
    words = re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFC", folder)).strip()
    name = words if words != words.lower() else " ".join(word[:1].upper() + word[1:] for word in words.split(" "))
    return Person(person_id, name)


def people_of_folders(folders: Iterable[str]) -> dict[str, Person]:
    """The person of each folder of photos.

    Raises:
        FacebankError: Two folders stand for the same person.
    """
    people = {folder: person_of(folder) for folder in folders}
    counts = Counter(person.person_id for person in people.values())
    twice = sorted(folder for folder, person in people.items() if counts[person.person_id] > 1)
    if twice:
        raise FacebankError(f"the folders {', '.join(map(repr, twice))} have names of one person: put them together")
    return people
