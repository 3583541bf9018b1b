"""Which tracks of an episode are alone, and the people with those that join them."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.identities import PICTURE
from screenalytics_assets.core.identity.link_probability import SimilarityStatistics
from screenalytics_assets.core.identity.track_evidence import TrackEvidence
from screenalytics_assets.core.people.groups import Group, ResolvedPerson, confirmed_together
from screenalytics_assets.core.people.track_joining import (
    ComparedTrack,
    Link,
    join_lone_tracks,
    people_probabilities,
)

CERTAIN = 0.99
"""A higher probability is not published: it hardly changes the range of the seconds."""


LEAST_BOXES = 2
"""A single box may be a false detection, such as a blurred hand, and nothing else confirms it."""


class Joining(NamedTuple):
    """What lone tracks are joined by.

    Attributes:
        evidence: Of the tracks.
        statistics: Of the embedder.
        join_probability: From this probability on a track is joined.
    """

    evidence: TrackEvidence
    statistics: SimilarityStatistics
    join_probability: float


class JoinedPeople(NamedTuple):
    """The people with the tracks that joined them.

    Attributes:
        people: By their first track.
        links: Each link with the position of its person among them, the joined tracks first.
        doubts: The probability of each person, by position, for tracks that are not certain to show one.
    """

    people: list[ResolvedPerson]
    links: list[tuple[Link, int]]
    doubts: dict[str, dict[int, float]]


def join_to_people(
    people: Sequence[ResolvedPerson],
    groups: Sequence[Group],
    clusters: Identities,
    ignored: Collection[str],
    cannot_link: Sequence[TrackPair],
    seen_together: Sequence[TrackPair],
    joining: Joining | None,
) -> JoinedPeople:
    """Join the tracks that are alone to the people whom they most probably show.

    Alone is the only track of an identity without a name about which no correction says anything, and a track that is
    unassigned, other than a picture and one that a correction says to ignore.

    Args:
        people: The people, with a name or without.
        groups: What they are made of, and the unassigned tracks that have a vector.
        clusters: The clustering, with all unassigned tracks.
        ignored: The tracks that corrections say to ignore.
        cannot_link: Pairs of tracks that are not one person.
        seen_together: Pairs that share a frame. A few frames do not divide a cluster, but joining is less sure.
        joining: Evidence, statistics and limit; None to leave all tracks alone.
    """
    if joining is None:
        return JoinedPeople(list(people), [], {})
    lone = _lone_tracks(people, groups, clusters, ignored, joining.evidence)
    links = join_lone_tracks(
        [person.track_ids for person in people],
        lone,
        joining.evidence,
        [*cannot_link, *seen_together],
        joining.statistics,
        join_probability=joining.join_probability,
    )
    own = {track.track_id: track.own for track in lone}
    gone = {own[link.track_id] for link in links if link.is_joined}
    with_joined = [
        (position, _with_joined(person, [link for link in links if link.is_joined and link.person == position]))
        for position, person in enumerate(people)
        if position not in gone
    ]
    with_joined.sort(key=lambda entry: entry[1].track_ids[0])
    new_position = {position: i for i, (position, _) in enumerate(with_joined)}
    found = [person for _, person in with_joined]
    return JoinedPeople(
        found,
        [(link, new_position[link.person]) for link in links],
        _doubts(found, [track.track_id for track in lone if track.own is None], groups, cannot_link, joining),
    )


def _doubts(
    people: Sequence[ResolvedPerson],
    unassigned: Sequence[str],
    groups: Sequence[Group],
    cannot_link: Sequence[TrackPair],
    joining: Joining,
) -> dict[str, dict[int, float]]:
    own = {
        track_id: position
        for position, person in enumerate(people)
        for track_id in set(person.track_ids) - confirmed_together(person.groups)
    }
    group_of = {track_id: group for group in groups for track_id in group.tracks}
    asked = [track_id for track_id in sorted({*own, *unassigned}) if track_id in joining.evidence.row_of]
    probabilities = people_probabilities(
        [person.track_ids for person in people],
        [ComparedTrack(track_id, own.get(track_id), _not_these(group_of.get(track_id), people)) for track_id in asked],
        joining.evidence,
        cannot_link,
        joining.statistics,
    )
    return {
        track_id: of_people
        for track_id, of_people in probabilities.items()
        if (of_people.get(own[track_id], 0.0) < CERTAIN if track_id in own else of_people)
    }


def _lone_tracks(
    people: Sequence[ResolvedPerson],
    groups: Sequence[Group],
    clusters: Identities,
    ignored: Collection[str],
    evidence: TrackEvidence,
) -> list[ComparedTrack]:
    alone = [
        ComparedTrack(person.track_ids[0], position, _not_these(person.groups[0], people))
        for position, person in enumerate(people)
        if len(person.track_ids) == 1 and person.person_id is None and not _is_corrected(person.groups[0])
    ]
    assigned = {track_id for person in people for track_id in person.track_ids}
    group_of = {track_id: group for group in groups for track_id in group.tracks}
    unassigned = [
        ComparedTrack(track.track_id, None, _not_these(group_of.get(track.track_id), people))
        for track in clusters.unassigned
        if track.reason != PICTURE and track.track_id not in assigned | set(ignored)
    ]
    found = [track for track in (*alone, *unassigned) if _can_be_compared(track.track_id, evidence)]
    return sorted(found, key=lambda track: track.track_id)


def _can_be_compared(track_id: str, evidence: TrackEvidence) -> bool:
    row = evidence.row_of.get(track_id)
    return row is not None and bool(evidence.box_counts[row] >= LEAST_BOXES)


def _is_corrected(group: Group) -> bool:
    return bool(group.name or group.is_given or group.is_split_off or group.confirmed)


def _not_these(group: Group | None, people: Sequence[ResolvedPerson]) -> frozenset[int]:
    """Positions of the people that corrections say a group is not."""
    excluded = group.excluded if group else {}
    return frozenset(position for position, person in enumerate(people) if person.person_id in excluded)


def _with_joined(person: ResolvedPerson, links: Sequence[Link]) -> ResolvedPerson:
    joined = {link.track_id: round(link.probability, 4) for link in links}
    return person._replace(track_ids=sorted([*person.track_ids, *joined]), joined=joined)
