"""Which groups of tracks the identity of a correction is now, and what became of the correction."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, get_args

from screenalytics_assets.core.documents.grouping import CorrectionOutcome, CorrectionStatus
from screenalytics_assets.core.people.corrections.corrections import (
    Correction,
    IdentityReference,
    TrackPlaces,
    describe,
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


def outcome_of(correction: Correction, remarks: Sequence[Remark]) -> CorrectionOutcome:
    """What became of a correction; the most severe remark decides the status."""
    return CorrectionOutcome(
        number=correction.number,
        action=correction.action,
        correction=describe(correction),
        status=max((remark.status for remark in remarks), default="applied", key=SEVERITY.index),
        remarks=tuple(remark.text for remark in remarks),
    )
