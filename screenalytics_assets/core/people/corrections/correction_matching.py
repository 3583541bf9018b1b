"""Which groups of tracks the identity of a correction is now, and what became of the correction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, get_args

from screenalytics_assets.core.documents.grouping import CorrectionOutcome, CorrectionStatus
from screenalytics_assets.core.people.corrections.corrections import (
    Correction,
    Give,
    IdentityReference,
    NamedPerson,
    TrackPlaces,
    describe,
    references_of,
)
from screenalytics_assets.core.people.groups import Group

MATCHING_SHARE = 0.5
"""A group is what a correction refers to if it holds at least this share of the correction's faces, or if at least this
share of its tracks are referred to."""

SEVERITY: Sequence[CorrectionStatus] = get_args(CorrectionStatus)


class Remark(NamedTuple):
    """A reservation about a correction, for the person who made it."""

    status: CorrectionStatus
    text: str


class Match(NamedTuple):
    """A group that an identity of a correction is found in.

    Attributes:
        group: The group.
        tracks: Its tracks that the correction refers to.
        is_part: Whether the group has far more tracks than the identity had.
    """

    group: Group
    tracks: frozenset[str]
    is_part: bool


def find_groups(
    reference: IdentityReference, groups: Iterable[Group], places: TrackPlaces
) -> tuple[list[Match], list[Remark]]:
    """The groups that an identity of a correction is now, and remarks on what is missing or elsewhere."""
    group_of = {track: group for group in groups for track in group.tracks}
    found_at = [places.track_at(anchor) for anchor in reference.faces]
    faces_in = Counter(track for track in found_at if track in group_of)
    total = len(found_at)
    tracks_in: dict[Group, list[str]] = {}
    for track in faces_in:
        tracks_in.setdefault(group_of[track], []).append(track)
    remarks: list[Remark] = []
    if lost := total - faces_in.total():
        status: CorrectionStatus = "partly" if faces_in else "not_found"
        remarks.append(Remark(status, f"{reference.id}: {lost} of {total} faces are in no identity now"))
    matches: list[Match] = []
    for group, tracks in tracks_in.items():
        faces = sum(faces_in[track] for track in tracks)
        share_of_group = len(tracks) / len(group.tracks)
        if max(share_of_group, faces / total) < MATCHING_SHARE:
            text = f"{reference.id}: {faces} of {total} faces are in {group.label} now"
            remarks.append(Remark("partly", text))
            continue
        is_part = share_of_group < MATCHING_SHARE and len(group.tracks) > reference.tracks / MATCHING_SHARE
        if is_part:
            text = f"{reference.id} had {reference.tracks} tracks, {group.label} has more now"
            remarks.append(Remark("partly", text))
        matches.append(Match(group, frozenset(tracks), is_part))
    if tracks_in and not matches:
        text = f"{reference.id} is scattered over other people; nothing was done with it"
        remarks.append(Remark("not_found", text))
    return matches, remarks


def given_to_others(moved: Iterable[str], earlier: Mapping[str, Give], give: Give) -> list[Remark]:
    """Remarks on tracks that a correction moves and that an earlier one gave to another person.

    Args:
        moved: The tracks.
        earlier: The correction that gave a track before, by track.
        give: The correction that moves them now.
    """
    found = {earlier[track].number: earlier[track] for track in moved if track in earlier}
    return [
        Remark("conflict", f"takes back correction {number}, which gives the track to somebody else")
        for number, before in sorted(found.items())
        if _receiver(before) != _receiver(give)
    ]


def _receiver(give: Give) -> str:
    return give.person.person_id if isinstance(give.person, NamedPerson) else give.person.id


def repeated(new: Correction, earlier: Sequence[Correction]) -> Correction | None:
    """The earlier correction that says the same as a new one, and that none after it may have changed; or None."""
    ids = {reference.id for reference in references_of(new)}
    for entry in reversed(earlier):
        if entry == new.model_copy(update={"number": entry.number}):
            return entry
        if ids.intersection(reference.id for reference in references_of(entry)):
            return None
    return None


def outcome_of(correction: Correction, remarks: Sequence[Remark]) -> CorrectionOutcome:
    """What became of a correction; the most severe remark decides the status."""
    return CorrectionOutcome(
        number=correction.number,
        action=correction.action,
        correction=describe(correction),
        status=max((remark.status for remark in remarks), default="applied", key=SEVERITY.index),
        remarks=tuple(remark.text for remark in remarks),
    )
