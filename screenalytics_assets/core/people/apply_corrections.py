"""Corrections applied to a clustering, whatever its tracks and identities are called by now."""

from collections.abc import Collection, Iterable, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.documents.grouping import CorrectionOutcome, CorrectionStatus
from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.people.correction_evidence import PresentEvidence, evidence_problem
from screenalytics_assets.core.people.correction_matching import Remark, find_groups
from screenalytics_assets.core.people.corrections import (
    Correction,
    IdentityReference,
    Ignore,
    Merge,
    Name,
    NotThisPerson,
    Split,
    TrackPlaces,
    describe,
)
from screenalytics_assets.core.people.groups import CorrectedName, Group

SEVERITY: Sequence[CorrectionStatus] = get_args(CorrectionStatus)


class CorrectedClusters:
    """A clustering to which corrections are applied one after the other.

    Attributes:
        groups: The groups as they are after the corrections so far.
        cannot_link: Pairs of tracks that a correction separated, and its number.
    """

    def __init__(
        self,
        groups: Iterable[Group],
        places: TrackPlaces,
        tracks: EpisodeTracks,
        present: PresentEvidence | None = None,
    ) -> None:
        """Start from a clustering.

        Args:
            groups: Its groups; all of their tracks have a vector.
            places: All tracks of the episode.
            tracks: The same tracks with their vectors.
            present: What the evidence of the corrections is compared with; None to apply them without.
        """
        self.groups = list(groups)
        self.cannot_link: dict[TrackPair, int] = {}
        self._places = places
        self._tracks = tracks
        self._present = present

    def apply(self, correction: Correction) -> list[Remark]:
        """Apply a correction; returns remarks on it, none if it could be applied without reservation."""
        if self._present and (problem := evidence_problem(correction, self._present, self._places, self._tracks)):
            return [Remark("unconfirmed", problem)]
        match correction:
            case Merge():
                remarks = self._merge(correction)
            case Split():
                remarks = self._split(correction)
            case Name():
                remarks = self._name(correction)
            case NotThisPerson():
                remarks = self._exclude(correction)
            case Ignore():
                groups, remarks = self._take_out(correction.identity, correction.number)
                for group in groups:
                    group.ignored_by = correction.number
        self.groups = [group for group in self.groups if group.tracks]
        return remarks

    def _merge(self, correction: Merge) -> list[Remark]:
        found = [find_groups(reference, self.groups, self._places) for reference in correction.identities]
        remarks = [remark for _, found_remarks in found for remark in found_remarks]
        if sum(bool(matches) for matches, _ in found) < 2:
            text = "fewer than two of its identities are there; nothing was merged"
            return [*remarks, Remark("not_found", text)]
        first, *others = dict.fromkeys(match.group for matches, _ in found for match in matches)
        for other in others:
            remarks += self._withdraw_splits([*first.tracks, *other.tracks])
            remarks += _merge_names(first, other)
            first.clusters += [name for name in other.clusters if name not in first.clusters]
            first.tracks += other.tracks
            first.is_doubtful &= other.is_doubtful
            first.is_assigned |= other.is_assigned
            first.excluded |= other.excluded
            first.ignored_by = None if None in (first.ignored_by, other.ignored_by) else first.ignored_by
            other.tracks = []
        if first.name and first.name.person_id in first.excluded:
            number = first.excluded.pop(first.name.person_id)
            remarks.append(Remark("conflict", f"one of them is not {first.name.name} by correction {number}"))
        return remarks

    def _split(self, correction: Split) -> list[Remark]:
        remarks: list[Remark] = []
        stays = self._places.tracks_of(correction.identity)
        moved: set[str] = set()
        for reference in correction.tracks:
            found = self._places.tracks_of(reference)
            if not found:
                remarks.append(Remark("partly", f"{reference.id} is not there"))
            for track in sorted(found & stays):
                text = f"{reference.id} is part of {track} now, which also holds what stays"
                remarks.append(Remark("conflict", text))
            moved |= found - stays
        moved &= {track for group in self.groups for track in group.tracks}
        if not moved:
            text = "none of its tracks can be told from what stays; nothing was split"
            return [*remarks, Remark("not_found", text)]
        affected = [group for group in self.groups if stays.intersection(group.tracks)]
        rest = stays | {track for group in affected for track in group.tracks if track not in moved}
        split_off = Group([], [], is_split_off=True)
        denied = {group.name.person_id for group in affected if group.name}
        if correction.person_id is not None:
            denied.add(correction.person_id)
        for group in affected:
            remarks += _keep_name(group, moved)
            own = [track for track in group.tracks if track in moved]
            if own:
                group.tracks = [track for track in group.tracks if track not in moved]
                split_off.tracks += own
                split_off.clusters += [name for name in group.clusters if name not in split_off.clusters]
        if split_off.tracks:
            remarks += self._withdraw_splits(split_off.tracks)
            self.groups.append(split_off)
        for group in [group for group in self.groups if group not in affected]:
            remarks += self._deny_names(group, moved, denied, correction.number)
        self._separate(moved, rest, correction.number)
        return remarks

    def _deny_names(self, group: Group, moved: set[str], denied: Collection[str], number: int) -> list[Remark]:
        """Split-off tracks do not inherit the name, whether they were one group with the rest or had become another.

        That group may hold tracks which the correction does not mention, and which may have the name. They are divided
        if there is a name to inherit, and may be merged again if neither has it.
        """
        name = group.name
        if name and name.person_id in denied:
            left = name.tracks - moved
            group.name = name._replace(tracks=left) if left else None
        own = [track for track in group.tracks if track in moved]
        is_mixed = 0 < len(own) < len(group.tracks)
        if not own or (is_mixed and name and name.person_id not in denied):
            return []
        remarks: list[Remark] = []
        if is_mixed and denied:
            text = f"{', '.join(own)}: in {group.label} now, with tracks that it does not mention: divided from them"
            remarks.append(Remark("partly", text))
            group = group.divided_off(own)
            self.groups.append(group)
        group.is_split_off = True
        group.excluded |= dict.fromkeys(denied, number)
        return remarks

    def _name(self, correction: Name) -> list[Remark]:
        matches, remarks = find_groups(correction.identity, self.groups, self._places)
        for group, tracks, _ in matches:
            named, earlier = group, group.name
            if earlier and earlier.person_id != correction.person_id and not earlier.tracks & tracks:
                named = self._divide(group, earlier.tracks.intersection(group.tracks), tracks, correction.number)
                text = f"its cluster also holds {earlier.name} (correction {earlier.number}): divided"
                remarks.append(Remark("partly", text))
            if correction.person_id in named.excluded:
                number = named.excluded.pop(correction.person_id)
                text = f"takes back correction {number}, which says that it is not that person"
                remarks.append(Remark("conflict", text))
            if named.ignored_by is not None:
                remarks.append(Remark("conflict", f"takes back correction {named.ignored_by}, which ignores it"))
                named.ignored_by = None
            named.name = CorrectedName(correction.person_id, correction.name, correction.number, tracks)
        return remarks

    def _exclude(self, correction: NotThisPerson) -> list[Remark]:
        groups, remarks = self._take_out(correction.identity, correction.number)
        for group in groups:
            if group.name and group.name.person_id == correction.person_id:
                text = f"takes back correction {group.name.number}, which gives it that name"
                remarks.append(Remark("conflict", text))
                group.name = None
            group.excluded[correction.person_id] = correction.number
        return remarks

    def _take_out(self, reference: IdentityReference, number: int) -> tuple[list[Group], list[Remark]]:
        """The groups that an identity of a correction is now; only its own tracks where a group has far more."""
        matches, remarks = find_groups(reference, self.groups, self._places)
        groups = [
            self._divide_off(match.group, sorted(match.tracks), number) if match.is_part else match.group
            for match in matches
        ]
        return groups, remarks

    def _divide(self, group: Group, before: Collection[str], tracks: Collection[str], number: int) -> Group:
        """Give each track of a group to the more similar of two people; returns the group of the second one.

        Args:
            group: The group of both.
            before: Tracks of the first person; they stay.
            tracks: Tracks of the second person; they are taken out.
            number: The correction.
        """
        towards_second = self._mean(tracks) - self._mean(before)
        taken = [
            track
            for track in group.tracks
            if track in tracks or (track not in before and float(self._tracks.vector_of(track) @ towards_second) > 0)
        ]
        return self._divide_off(group, taken, number)

    def _divide_off(self, group: Group, taken: Sequence[str], number: int) -> Group:
        """Make these tracks of a group one of their own, which is never merged with the others."""
        divided_off = group.divided_off(taken)
        self._separate(taken, group.tracks, number)
        self.groups.append(divided_off)
        return divided_off

    def _separate(self, tracks: Iterable[str], others: Collection[str], number: int) -> None:
        self.cannot_link |= {(min(a, b), max(a, b)): number for a in tracks for b in others}

    def _withdraw_splits(self, tracks: Iterable[str]) -> list[Remark]:
        """Allow tracks that are one group from now on to be linked, even if an earlier correction separated them."""
        members = set(tracks)
        withdrawn = {pair: number for pair, number in self.cannot_link.items() if members.issuperset(pair)}
        self.cannot_link = {pair: number for pair, number in self.cannot_link.items() if pair not in withdrawn}
        return [
            Remark("conflict", f"takes back correction {number}, which keeps them apart")
            for number in sorted(set(withdrawn.values()))
        ]

    def _mean(self, tracks: Iterable[str]) -> NDArray[np.float32]:
        return np.mean([self._tracks.vector_of(track) for track in sorted(tracks)], axis=0)


def _keep_name(group: Group, moved: Collection[str]) -> list[Remark]:
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


def outcome_of(correction: Correction, remarks: Sequence[Remark]) -> CorrectionOutcome:
    """What became of a correction; the most severe remark decides the status."""
    return CorrectionOutcome(
        number=correction.number,
        action=correction.action,
        correction=describe(correction),
        status=max((remark.status for remark in remarks), default="applied", key=SEVERITY.index),
        remarks=tuple(remark.text for remark in remarks),
    )


def _merge_names(first: Group, other: Group) -> list[Remark]:
    """Keep the name of the first group if it has one, and otherwise take the other's."""
    kept, dropped = first.name, other.name
    first.name = kept or dropped
    if not kept or not dropped or kept.person_id == dropped.person_id:
        return []
    text = f"correction {kept.number} names one {kept.name}, correction {dropped.number} another {dropped.name}; "
    return [Remark("conflict", f"{text}{kept.name} is kept")]
