"""Tracks that are taken for one person, while the people of an episode are resolved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple


class CorrectedName(NamedTuple):
    """A name that a correction gave.

    Attributes:
        person_id: The person.
        name: The person's name.
        number: The correction.
        tracks: The tracks that it referred to.
    """

    person_id: str
    name: str
    number: int
    tracks: frozenset[str]


@dataclass(eq=False)
class Group:
    """Tracks that are taken for one person, and what corrections say about them.

    Attributes:
        clusters: Ids of the clusters that it is made of.
        tracks: Its tracks.
        is_doubtful: Whether it is an outlier, of low cohesion, or a track that was left unassigned.
        is_assigned: Whether its tracks were in an identity.
        name: The name that a correction gave it.
        excluded: Ids of people that it is not, each with the number of the correction that says so.
        is_split_off: Whether a correction split it off; the rest comes first for a name.
        ignored_by: Number of the correction that says to ignore it.
        is_given: Whether a correction gave its tracks to the person; it is not compared with others.
        confirmed: Tracks that a user confirmed, by a correction, to show this person.
    """

    clusters: list[str]
    tracks: list[str]
    is_doubtful: bool = False
    is_assigned: bool = True
    name: CorrectedName | None = None
    excluded: dict[str, int] = field(default_factory=dict)
    is_split_off: bool = False
    ignored_by: int | None = None
    is_given: bool = False
    confirmed: set[str] = field(default_factory=set)

    @property
    def label(self) -> str:
        """What remarks call it."""
        return "+".join(self.clusters) or self.tracks[0]

    def divided_off(self, tracks: Sequence[str]) -> "Group":
        """Take these tracks out of the group; returns one of their own, without its name."""
        self.tracks = [track for track in self.tracks if track not in tracks]
        return Group(
            list(self.clusters), list(tracks), self.is_doubtful, self.is_assigned, excluded=dict(self.excluded)
        )


def confirmed_together(groups: Sequence[Group]) -> set[str]:
    """The tracks of several groups that a user confirmed to show one person.

    These are the tracks of the groups that a correction named. Without one, they are those of a single group: that
    tracks of one group are one person says nothing about another group.
    """
    named = [group.confirmed & set(group.tracks) for group in groups if group.name]
    if named:
        return set().union(*named)
    return max((group.confirmed & set(group.tracks) for group in groups), key=len, default=set())


class ResolvedPerson(NamedTuple):
    """Groups that are one person.

    Attributes:
        person_id: The person, or None.
        groups: The groups.
        track_ids: All their tracks, ascending, with those that joined.
        joined: The tracks that joined because nobody else fits, each with the probability that it is right.
    """

    person_id: str | None
    groups: list[Group]
    track_ids: list[str]
    joined: Mapping[str, float] = MappingProxyType({})
