"""Corrections applied to a clustering, whatever its tracks and identities are called by now."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.people.corrections.corrected_names import give_name, keep_in, keep_name, merge_names
from screenalytics_assets.core.people.corrections.correction_evidence import PresentEvidence, evidence_problem
from screenalytics_assets.core.people.corrections.correction_matching import Remark, find_groups, given_to_others
from screenalytics_assets.core.people.corrections.corrections import (
    Correction,
    Give,
    IdentityReference,
    Ignore,
    Merge,
    Name,
    NotThisPerson,
    Split,
    TrackPlaces,
)
from screenalytics_assets.core.people.corrections.division import tracks_of_second
from screenalytics_assets.core.people.groups import CorrectedName, Group


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
            groups: Its groups; each track is in one.
            places: All tracks of the episode.
            tracks: The same tracks with their vectors.
            present: What the evidence of the corrections is compared with; None to apply them without.
        """
        self.groups = list(groups)
        self.cannot_link: dict[TrackPair, int] = {}
        self._given_by: dict[str, Give] = {}
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
            case Give():
                remarks = self._give(correction)
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
            remarks += self._join(first, other)
        first.confirmed |= {track for matches, _ in found for match in matches for track in match.tracks}
        if first.name and first.name.person_id in first.excluded:
            number = first.excluded.pop(first.name.person_id)
            remarks.append(Remark("conflict", f"one of them is not {first.name.name} by correction {number}"))
        return remarks

    def _join(self, first: Group, other: Group) -> list[Remark]:
        """Move everything of the second group to the first."""
        remarks = self._withdraw_splits([*first.tracks, *other.tracks])
        remarks += merge_names(first, other) + keep_in(first, other)
        first.clusters += [name for name in other.clusters if name not in first.clusters]
        first.tracks += other.tracks
        first.is_doubtful &= other.is_doubtful
        first.is_assigned |= other.is_assigned
        first.is_given &= other.is_given
        first.confirmed |= other.confirmed
        first.excluded |= other.excluded
        other.tracks = []
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
            text = "all of its tracks hold what stays, too; nothing was split"
            return [*remarks, Remark("not_found", text)]
        affected = [group for group in self.groups if stays.intersection(group.tracks)]
        rest = stays | {track for group in affected for track in group.tracks if track not in moved}
        split_off = Group([], [], is_split_off=True)
        denied = {group.name.person_id for group in affected if group.name}
        if correction.person_id is not None:
            denied.add(correction.person_id)
        for group in affected:
            remarks += keep_name(group, moved)
            own = [track for track in group.tracks if track in moved]
            if own:
                group.tracks = [track for track in group.tracks if track not in moved]
                split_off.tracks += own
                split_off.clusters += [name for name in group.clusters if name not in split_off.clusters]
        if split_off.tracks:
            split_off.is_assigned = bool(self._tracks.with_vector(split_off.tracks))
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
        group.confirmed -= moved
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
            if earlier and earlier.person_id != correction.person_id:
                named.confirmed.clear()
            remarks += give_name(named, CorrectedName(correction.person_id, correction.name, correction.number, tracks))
            if named.ignored_by is not None:
                remarks.append(Remark("conflict", f"takes back correction {named.ignored_by}, which ignores it"))
                named.ignored_by = None
        return remarks

    def _give(self, correction: Give) -> list[Remark]:
        found_at = [self._places.track_at(anchor) for anchor in correction.track.faces]
        tracks = {track for track in found_at if track is not None}
        if not tracks:
            return [Remark("not_found", f"{correction.track.id} is not there; nothing was given")]
        remarks: list[Remark] = []
        if lost := found_at.count(None):
            text = f"{correction.track.id}: {lost} of {len(found_at)} faces are in no track now"
            remarks.append(Remark("partly", text))
        person = correction.person
        earlier = {track: self._given_by[track] for track in tracks if track in self._given_by}
        if isinstance(person, IdentityReference):
            return remarks + self._give_to_identity(tracks, person, correction, earlier)
        self._given_by |= dict.fromkeys(tracks, correction)
        for group in self.groups:
            if group.name and group.name.person_id == person.person_id and group.ignored_by is None:
                group.confirmed |= tracks.intersection(group.tracks)
                tracks -= set(group.tracks)
        if tracks:
            given, taken_remarks = self._taken_out(tracks, correction, earlier)
            given.is_given = True
            name = CorrectedName(person.person_id, person.name, correction.number, frozenset(tracks))
            remarks += taken_remarks + give_name(given, name) + given_to_others(tracks, earlier, correction)
            self.groups.append(given)
        return remarks

    def _give_to_identity(
        self, tracks: set[str], identity: IdentityReference, give: Give, earlier: Mapping[str, Give]
    ) -> list[Remark]:
        matches, remarks = find_groups(identity, self.groups, self._places)
        if not matches:
            return remarks
        self._given_by |= dict.fromkeys(tracks, give)
        receiver = max(matches, key=lambda match: len(match.tracks)).group
        new = tracks.difference(receiver.tracks)
        if new:
            given, taken_remarks = self._taken_out(new, give, earlier)
            remarks += taken_remarks + self._join(receiver, given) + given_to_others(new, earlier, give)
        elif receiver.ignored_by is not None:
            remarks += keep_in(receiver, Group([], []))
        receiver.confirmed |= tracks
        return remarks

    def _taken_out(
        self, tracks: Collection[str], give: Give, earlier: Mapping[str, Give]
    ) -> tuple[Group, list[Remark]]:
        """A group of these tracks, which are in no other group from now on and are not linked to what stays there."""
        taken = Group([], sorted(tracks), is_doubtful=True, is_assigned=False)
        given_by = {give.number for give in earlier.values()}
        remarks: list[Remark] = []
        for group in self.groups:
            own = [track for track in group.tracks if track in tracks]
            if own:
                number = group.name.number if group.name else None
                lost = keep_name(group, own)
                remarks += [] if number in given_by else lost  # `given_to_others` says that
                part = group.divided_off(own)
                self._separate(own, group.tracks, give.number)
                taken.clusters += [name for name in part.clusters if name not in taken.clusters]
                taken.is_assigned |= part.is_assigned
                taken.excluded |= part.excluded
        return taken, remarks

    def _exclude(self, correction: NotThisPerson) -> list[Remark]:
        groups, remarks = self._take_out(correction.identity, correction.number)
        for group in groups:
            if group.name and group.name.person_id == correction.person_id:
                text = f"takes back correction {group.name.number}, which gives it that name"
                remarks.append(Remark("conflict", text))
                group.name = None
                group.confirmed.clear()
            group.excluded[correction.person_id] = correction.number
        return remarks

    def _take_out(self, reference: IdentityReference, number: int) -> tuple[list[Group], list[Remark]]:
        """The groups that an identity of a correction is now; only its own tracks where a group has far more."""
        matches, remarks = find_groups(reference, self.groups, self._places)
        own = [self._divide_off(one.group, sorted(one.tracks), number) if one.is_part else one.group for one in matches]
        return own, remarks

    def _divide(self, group: Group, before: Collection[str], tracks: Collection[str], number: int) -> Group:
        """Give each track of a group to the more similar of two people; returns the group of the second one.

        Args:
            group: The group of both.
            before: Tracks of the first person; they stay.
            tracks: Tracks of the second person; they are taken out.
            number: The correction.
        """
        taken = tracks_of_second(group.tracks, before, tracks, self._tracks)
        return self._divide_off(group, [track for track in group.tracks if track in taken], number)

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
