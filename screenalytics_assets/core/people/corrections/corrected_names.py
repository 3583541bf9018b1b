"""The names that corrections give to groups, and what becomes of them when groups change."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.people.corrections.correction_matching import Remark
from screenalytics_assets.core.people.groups import CorrectedName, Group


def keep_name(group: Group, moved: Collection[str]) -> list[Remark]:
    """After a split, the name stays with the named tracks that stay; if none does, neither half has it."""
    name = group.name
    if name is None or name.tracks.isdisjoint(moved):
        return []
    group.name = name._replace(tracks=name.tracks.difference(moved))
    if group.name.tracks:
        return []
    group.name = None
    text = f"takes back correction {name.number}: all tracks that it named {name.name} are split off; name them again"
    return [Remark("conflict", text)]


def give_name(group: Group, name: CorrectedName) -> list[Remark]:
    """Name a group and confirm the tracks that the correction referred to."""
    group.name = name
    group.confirmed |= name.tracks
    if name.person_id not in group.excluded:
        return []
    number = group.excluded.pop(name.person_id)
    return [Remark("conflict", f"takes back correction {number}, which says that it is not that person")]


def merge_names(first: Group, other: Group) -> list[Remark]:
    """Keep the name of the first group if it has one, and otherwise take the other's."""
    kept, dropped = first.name, other.name
    first.name = kept or dropped
    if not kept or not dropped or kept.person_id == dropped.person_id:
        return []
    text = f"correction {kept.number} names one {kept.name}, correction {dropped.number} another {dropped.name}; "
    return [Remark("conflict", f"{text}{kept.name} is kept")]


def keep_in(first: Group, other: Group) -> list[Remark]:
    """Two groups that become one are left out only if both were; otherwise a correction is taken back."""
    numbers = {first.ignored_by, other.ignored_by}
    if None not in numbers:
        return []
    first.ignored_by = None
    return [
        Remark("conflict", f"takes back correction {number}, which ignores it")
        for number in numbers
        if number is not None
    ]


def shared_names(groups: Sequence[Group], cannot_link: NDArray[np.bool_]) -> list[tuple[int, Remark]]:
    """Remarks on corrections that give one name to groups that cannot be one person.

    The corrections are applied all the same. Both get the remark, as either may be the wrong one.

    Args:
        groups: The N groups when names are given.
        cannot_link: (N, N) groups that cannot be one person.

    Returns:
        Numbers of the corrections, each with its remark.
    """
    found: list[tuple[int, Remark]] = []
    for first, second in np.argwhere(np.triu(cannot_link)).tolist():
        name, other_name = groups[first].name, groups[second].name
        if name is None or other_name is None or name.person_id != other_name.person_id:
            continue
        for named, group, rival in ((name, first, second), (other_name, second, first)):
            text = (
                f"{groups[group].label} and {groups[rival].label} are both {named.name}, though they are seen "
                "together or were split"
            )
            found.append((named.number, Remark("conflict", text)))
    return found
