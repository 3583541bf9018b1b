"""Corrections of people carried out on a clustering, whatever its tracks and ids are called by now."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.people.corrections import (
    IdentityReference,
    Ignore,
    Merge,
    Name,
    NotThisPerson,
    Split,
    TrackPlaces,
    describe,
)

Status = Literal["applied", "partly", "conflict", "not_found"]
"""``partly``: carried out, with a reservation. ``conflict``: it contradicts an earlier one, and has its way where it
can. ``not_found``: what it points to is not there, or scattered; nothing was done. All but the first are reported."""

BELONGS = 0.5
"""A group is what a correction means if so much of the group, or so many of the correction's faces, are the other's."""


class Given(NamedTuple):
    """A name that a person gave: who, by which correction, and the tracks that it pointed to."""

    person_id: str
    name: str
    number: int
    tracks: frozenset[str]


@dataclass
class Group:
    """Tracks that are taken for one person, and what people said of them.

    Attributes:
        clusters: Ids of the clusters that it is made of, for the records.
        tracks: Its tracks.
        doubtful: Whether it is an outlier, of low cohesion, or a track that was left unassigned.
        assigned: Whether it was in an identity.
        given: The name that a correction gave it.
        not_people: Who it is not, and by which correction.
        ignored: Number of the correction by which it is nobody.
    """

    clusters: list[str]
    tracks: list[str]
    doubtful: bool = False
    assigned: bool = True
    given: Given | None = None
    not_people: dict[str, int] = field(default_factory=dict)
    ignored: int | None = None


@dataclass
class Outcome:
    """What became of a correction."""

    number: int
    action: str
    text: str
    status: Status = "applied"
    remarks: list[str] = field(default_factory=list)

    def remark(self, status: Status, text: str) -> None:
        """Something that a person should know; the gravest status stays."""
        grave: Sequence[Status] = ("applied", "partly", "conflict", "not_found")
        self.status = max(self.status, status, key=grave.index)
        self.remarks.append(text)

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON can hold it."""
        return {
            "number": self.number,
            "action": self.action,
            "correction": self.text,
            "status": self.status,
            "remarks": self.remarks,
        }


class Replay:
    """A clustering on which corrections are carried out one after the other.

    Attributes:
        groups: The groups as they stand; those that became empty are gone.
        apart: Pairs of tracks that a split keeps apart, and its number.
        outcomes: What became of each correction.
    """

    def __init__(
        self, groups: Sequence[Group], places: TrackPlaces, vectors: Mapping[str, NDArray[np.float32]]
    ) -> None:
        """Start from a clustering.

        Args:
            groups: Its groups; they are changed.
            places: All tracks of the episode.
            vectors: Of the tracks that have one.
        """
        self.groups = list(groups)
        self.apart: dict[TrackPair, int] = {}
        self.outcomes: list[Outcome] = []
        self._places = places
        self._vectors = vectors

    def run(self, corrections: Iterable[Merge | Split | Name | NotThisPerson | Ignore]) -> None:
        """Carry out corrections in their order."""
        for correction in corrections:
            outcome = Outcome(correction.number, correction.action, describe(correction))
            self.outcomes.append(outcome)
            match correction:
                case Merge():
                    self._merge(correction, outcome)
                case Split():
                    self._split(correction, outcome)
                case Name():
                    self._name(correction, outcome)
                case NotThisPerson():
                    for group, _ in self._meant(correction.identity, outcome, whole=False):
                        self._exclude(group, correction, outcome)
                case Ignore():
                    for group, _ in self._meant(correction.identity, outcome, whole=False):
                        group.ignored = correction.number
            self.groups = [group for group in self.groups if group.tracks]

    def _merge(self, correction: Merge, outcome: Outcome) -> None:
        found = [[group for group, _ in self._meant(shown, outcome, whole=True)] for shown in correction.identities]
        if sum(map(bool, found)) < 2:
            outcome.remark("not_found", "fewer than two of its identities are there; nothing was merged")
            return
        first, *others = list({id(group): group for groups in found for group in groups}.values())
        for other in others:
            self._reunite([*first.tracks, *other.tracks], outcome)
            if first.given and other.given and first.given.person_id != other.given.person_id:
                outcome.remark(
                    "conflict",
                    f"correction {first.given.number} names one {first.given.name}, correction {other.given.number} "
                    f"another {other.given.name}; {first.given.name} is kept",
                )
            first.given = first.given or other.given
            first.clusters += [name for name in other.clusters if name not in first.clusters]
            first.tracks += other.tracks
            first.doubtful &= other.doubtful
            first.assigned |= other.assigned
            first.not_people |= other.not_people
            first.ignored = None if None in (first.ignored, other.ignored) else first.ignored
            other.tracks = []
        if first.given and first.given.person_id in first.not_people:
            number = first.not_people.pop(first.given.person_id)
            outcome.remark("conflict", f"one of them is not {first.given.name} by correction {number}")

    def _reunite(self, tracks: Iterable[str], outcome: Outcome) -> None:
        """Tracks that are one group from now on are not kept apart any more."""
        together = set(tracks)
        parted = {pair: number for pair, number in self.apart.items() if together.issuperset(pair)}
        for number in sorted(set(parted.values())):
            outcome.remark("conflict", f"takes back correction {number}, which keeps them apart")
        self.apart = {pair: number for pair, number in self.apart.items() if pair not in parted}

    def _split(self, correction: Split, outcome: Outcome) -> None:
        stays = {track for track in self._tracks_at(correction.identity) if track is not None}
        moved: set[str] = set()
        for shown in correction.tracks:
            found = {track for track in self._tracks_at(shown) if track is not None}
            if not found:
                outcome.remark("partly", f"{shown.id} is not there")
            for track in sorted(found & stays):
                outcome.remark("conflict", f"{shown.id} is part of {track} now, which also holds what stays")
            moved |= found - stays
        moved &= {track for group in self.groups for track in group.tracks}
        if not moved:
            outcome.remark("not_found", "none of its tracks can be told from what stays; nothing was split")
            return
        rest = stays | {
            track for group in self.groups if stays & set(group.tracks) for track in group.tracks if track not in moved
        }
        taken: list[str] = []
        clusters: list[str] = []
        for group in self.groups:
            own = [track for track in group.tracks if track in moved]
            if own and stays & set(group.tracks):
                group.tracks = [track for track in group.tracks if track not in moved]
                taken += own
                clusters += group.clusters
        if taken:
            self._reunite(taken, outcome)
            self.groups.append(Group(list(dict.fromkeys(clusters)), taken))
        self.apart |= {_pair(a, b): correction.number for a in moved for b in rest}

    def _name(self, correction: Name, outcome: Outcome) -> None:
        for group, tracks in self._meant(correction.identity, outcome, whole=True):
            named = group
            earlier = group.given
            if earlier and earlier.person_id != correction.person_id and not earlier.tracks & tracks:
                named = self._divide(group, earlier.tracks.intersection(group.tracks), tracks, correction.number)
                outcome.remark(
                    "partly", f"its cluster also holds {earlier.name} (correction {earlier.number}): divided"
                )
            if correction.person_id in named.not_people:
                number = named.not_people.pop(correction.person_id)
                outcome.remark("conflict", f"takes back correction {number}, which says that it is not that person")
            if named.ignored is not None:
                outcome.remark("conflict", f"takes back correction {named.ignored}, which ignores it")
                named.ignored = None
            named.given = Given(correction.person_id, correction.name, correction.number, frozenset(tracks))

    def _exclude(self, group: Group, correction: NotThisPerson, outcome: Outcome) -> None:
        if group.given and group.given.person_id == correction.person_id:
            outcome.remark("conflict", f"takes back correction {group.given.number}, which gives it that name")
            group.given = None
        group.not_people[correction.person_id] = correction.number

    def _divide(self, group: Group, before: Collection[str], tracks: Collection[str], number: int) -> Group:
        """Each track to whom it resembles more of the two that people told apart."""
        ours = self._mean(tracks) - self._mean(before)
        taken = [
            track
            for track in group.tracks
            if track in tracks or (track not in before and float(self._vectors[track] @ ours) > 0)
        ]
        return self._take(group, taken, number)

    def _take(self, group: Group, taken: Sequence[str], number: int) -> Group:
        group.tracks = [track for track in group.tracks if track not in taken]
        self.apart |= {_pair(a, b): number for a in taken for b in group.tracks}
        new = Group(list(group.clusters), list(taken), group.doubtful, group.assigned, None, dict(group.not_people))
        self.groups.append(new)
        return new

    def _mean(self, tracks: Iterable[str]) -> NDArray[np.float32]:
        return np.mean([self._vectors[track] for track in sorted(tracks)], axis=0)

    def _meant(self, shown: IdentityReference, outcome: Outcome, *, whole: bool) -> list[tuple[Group, set[str]]]:
        """The groups that an identity of a correction is now, and the tracks of each that it points to.

        Args:
            shown: The identity as it was.
            outcome: Is told what is missing or elsewhere.
            whole: Take a group although it has far more tracks than the identity had; otherwise only the tracks that
                the correction points to, which then are a group of their own.
        """
        group_of = {track: group for group in self.groups for track in group.tracks}
        at = self._tracks_at(shown)
        found = Counter(track for track in at if track in group_of)
        faces: dict[int, int] = {}
        pointed: dict[int, tuple[Group, set[str]]] = {}
        for track, count in found.items():
            group = group_of[track]
            faces[id(group)] = faces.get(id(group), 0) + count
            pointed.setdefault(id(group), (group, set()))[1].add(track)
        lost = len(at) - found.total()
        if lost:
            status: Status = "partly" if found else "not_found"
            outcome.remark(status, f"{shown.id}: {lost} of {len(at)} faces are in no identity now")
        meant = []
        for key, (group, tracks) in pointed.items():
            of_group, of_faces = len(tracks) / len(group.tracks), faces[key] / len(at)
            if max(of_group, of_faces) < BELONGS:
                outcome.remark("partly", f"{shown.id}: {faces[key]} of {len(at)} faces are in {_label(group)} now")
                continue
            if of_group < BELONGS and len(group.tracks) > shown.tracks / BELONGS:
                outcome.remark("partly", f"{shown.id} had {shown.tracks} tracks, {_label(group)} has more now")
                if not whole:
                    group = self._take(group, sorted(tracks), outcome.number)
            meant.append((group, tracks))
        if pointed and not meant:
            outcome.remark("not_found", f"{shown.id} is scattered over other people; nothing was done with it")
        return meant

    def _tracks_at(self, shown: IdentityReference) -> list[str | None]:
        return [self._places.track_at(anchor) for anchor in shown.faces]


def tell_namesakes(groups: Sequence[Group], together: NDArray[np.bool_], outcomes: Sequence[Outcome]) -> None:
    """Remark on corrections that give one name to groups that are two people by what can be seen, or by a split.

    They have their way: the word of people counts. Both corrections are told, for either may be the wrong one.

    Args:
        groups: As they stand when names are given.
        together: (N, N) groups that are two people.
        outcomes: Of all corrections.
    """
    by_number = {outcome.number: outcome for outcome in outcomes}
    for first, second in np.argwhere(np.triu(together)).tolist():
        one, other = groups[first].given, groups[second].given
        if one is None or other is None or one.person_id != other.person_id:
            continue
        for given, group, rival in ((one, first, second), (other, second, first)):
            by_number[given.number].remark(
                "conflict",
                f"{_label(groups[group])} and {_label(groups[rival])} are both {given.name}, though they are seen "
                "together or were split",
            )


def _pair(a: str, b: str) -> TrackPair:
    return (a, b) if a < b else (b, a)


def _label(group: Group) -> str:
    return "+".join(group.clusters) or group.tracks[0]
