"""Names of people, and the ids that are made of them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from screenalytics_assets.core.common.errors import FacebankError

PLACEHOLDER = "NAME"
"""Stands for a name in the commands that reports print."""
_PLACEHOLDERS = frozenset({PLACEHOLDER, "PERSON"})
"""Words in commands of reports and documents that are to be replaced by a name; people are not called so."""
_SHORTEST = 3
"""Letters of a name; of shorter ones (Al, Jo) half would be close to each other."""
_LONG = 12
"""Letters from which on two differences ask."""


class Person(NamedTuple):
    """A person of a show; the id is made of letters, digits and dashes."""

    person_id: str
    name: str


def person_id_of(name: str) -> str:
    """The id of a person: letters and digits of the name in lower case, dashes between words; empty without any.

    One name has one id, whether an accent is a character of its own (as in the file names of macOS) or not, and whether
    a letter is wide or a ligature. Marks that Unicode has only beside their letter stay, so that two names of a script
    that writes vowels as marks have two ids.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    kept = "".join(sign if sign.isalnum() or unicodedata.category(sign).startswith("M") else "-" for sign in folded)
    return re.sub(r"-[^\w-]+", "-", re.sub(r"-+", "-", f"-{kept}")).strip("-")


def is_placeholder(name: str) -> bool:
    """Whether this is the word of a command that a name is to be written in place of; only in capitals, as there."""
    return name.strip().strip("<>[]") in _PLACEHOLDERS


class CloseName(NamedTuple):
    """A known person whose name is spelt much like another, and what differs."""

    person: Person
    difference: str


def close_names(name: str, known: Mapping[str, str]) -> list[CloseName]:
    """The known people whose name may be meant by a name that is not known.

    Four of five misspelt words differ by one letter that is wrong, missing, too many, or swapped with the next
    (Damerau 1964), so that one such difference asks; in names of twelve letters or more two do. Names with other digits
    are meant to differ ("Guard 1", "Guard 2").

    Args:
        name: The name.
        known: Names of people by id.
    """
    found = []
    for person_id, other in sorted(known.items()):
        if difference := _difference(_letters(name), _letters(other)):
            found.append(CloseName(Person(person_id, other), difference))
    return found


def _letters(name: str) -> str:
    """Words in lower case without accents, with one space between them."""
    signs = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    plain = "".join(sign for sign in signs if not unicodedata.combining(sign))
    return " ".join(re.findall(r"[^\W_]+", plain))


def _difference(name: str, other: str) -> str | None:
    if name == other:
        return "only accents, case or punctuation differ"
    if name.replace(" ", "") == other.replace(" ", ""):
        return "only spaces differ"
    if sorted(name.split()) == sorted(other.split()):
        return "only the order of the words differs"
    if re.findall(r"\d+", name) != re.findall(r"\d+", other):
        return None
    edits, length = _edits(name, other), max(len(name), len(other))
    if length < _SHORTEST or edits > (2 if length >= _LONG else 1):
        return None
    return "one letter differs" if edits == 1 else "two letters differ"


def _edits(name: str, other: str) -> int:
    """Letters to insert, delete, replace, or swap with the next: the optimal string alignment distance."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, sign in enumerate(name, 1):
        older, before, row = before, row, [i]
        for k, wanted in enumerate(other, 1):
            cost = min(before[k] + 1, row[k - 1] + 1, before[k - 1] + (sign != wanted))
            if i > 1 and k > 1 and (sign, name[i - 2]) == (other[k - 2], wanted):
                cost = min(cost, older[k - 2] + 1)
            row.append(cost)
    return row[-1]


def person_of(folder: str) -> Person:
    """The person that a folder of photos is named after.

    ``sheldon_cooper``, ``sheldon-cooper`` and ``Sheldon Cooper`` are Sheldon Cooper with the id ``sheldon-cooper``.

    Raises:
        FacebankError: The name has neither letters nor digits, or is a placeholder.
    """
    if is_placeholder(folder):
        raise FacebankError(f"the folder {folder!r} is not a person's name: call it by the name of the person")
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
