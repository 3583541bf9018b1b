"""From clusters to people: corrections applied, similar clusters merged, names given."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.config.thresholds import Thresholds
from screenalytics_assets.core.documents.grouping import (
    FacebankUsed,
    Grouping,
    JoinDecision,
    MergeDecision,
    NameLimits,
    NamingDecision,
    TrackDoubt,
)
from screenalytics_assets.core.documents.identities import Identities, Identity, UnassignedTrack
from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.clustering import cluster_of
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import (
    NO_LIMIT,
    cannot_link_constraints,
    identity_of,
    low_cohesion_limit,
    with_identities,
)
from screenalytics_assets.core.identity.stable_ids import EarlierIdentities, stable_ids
from screenalytics_assets.core.people.corrections.apply_corrections import CorrectedClusters
from screenalytics_assets.core.people.corrections.corrected_names import shared_names
from screenalytics_assets.core.people.corrections.correction_evidence import PresentEvidence
from screenalytics_assets.core.people.corrections.correction_matching import outcome_of
from screenalytics_assets.core.people.corrections.corrections import Corrections, TrackPlaces
from screenalytics_assets.core.people.group_merging import cannot_link_groups, merge_similar_groups
from screenalytics_assets.core.people.groups import Group, ResolvedPerson, confirmed_together
from screenalytics_assets.core.people.lone_tracks import Joining, join_to_people
from screenalytics_assets.core.people.naming import Facebank, NameMatch, Namer, one_holder_per_name
from screenalytics_assets.core.people.track_joining import Link

IGNORED = "ignored"
"""Reason of a track that a correction says to ignore."""


class ResolvedPeople(NamedTuple):
    """The people of an episode, and the decisions that led to them."""

    identities: Identities
    grouping: Grouping


def resolve_people(
    clusters: Identities,
    tracks: EpisodeTracks,
    facebank: Facebank | None,
    corrections: Corrections,
    settings: ClusteringSettings,
    thresholds: Thresholds,
    *,
    present: PresentEvidence | None = None,
    automatic: bool = True,
    joining: Joining | None = None,
    earlier: EarlierIdentities | None = None,
) -> ResolvedPeople:
    """Decide who the clusters of an episode are.

    Corrections are applied first, so that no later step can contradict them. Then similar clusters are merged, then
    the facebank gives names, then clusters with one name become one identity. Last, tracks that are still alone join
    whom they most probably show.

    Args:
        clusters: The clustering.
        tracks: The tracks of the episode.
        facebank: None if the show has none.
        corrections: In their order.
        settings: Constraints and flags of the clustering.
        thresholds: Similarities of the embedder.
        present: What the evidence of the corrections is compared with; None to apply them without.
        automatic: Merge and name; otherwise only corrections are applied.
        joining: What tracks that are alone are joined by; None to leave them alone.
        earlier: The identities that were published before; the same person keeps the id.
    """
    corrected = CorrectedClusters(_groups(clusters), TrackPlaces(tracks.table), tracks, present)
    remarks = {correction.number: corrected.apply(correction) for correction in corrections.corrections}
    ignored = {track for group in corrected.groups if group.ignored_by is not None for track in group.tracks}
    groups = [group for group in corrected.groups if group.ignored_by is None and _takes_part(group, tracks)]

    overlapping = cannot_link_constraints(tracks.table, settings, clusters.same_face or ())
    pairs = [*overlapping, *corrected.cannot_link]
    limits = NameLimits(
        similarity=thresholds.name_similarity, tight=thresholds.tight_thresh, margin=thresholds.name_margin
    )
    namer = Namer(facebank if automatic else None, tracks, limits)
    merges: list[MergeDecision] = []
    if automatic:
        groups, merges = merge_similar_groups(groups, pairs, tracks, namer)

    cannot_link = cannot_link_groups(groups, pairs)
    given = [i for i, group in enumerate(groups) if group.is_given]
    cannot_link[given, :] = cannot_link[:, given] = False  # whoever gave them has seen where else the person is
    for number, remark in shared_names(groups, cannot_link):
        remarks[number].append(remark)
    matches, holders = one_holder_per_name(
        [namer.match(group) for group in groups],
        cannot_link,
        corrected=[i for i, group in enumerate(groups) if group.name],
        split_off=[i for i, group in enumerate(groups) if group.is_split_off],
    )
    joined = join_to_people(
        _people(groups, matches),
        corrected.groups,
        clusters,
        ignored,
        pairs,
        _seen_together(tracks, settings, clusters),
        joining,
    )
    people = joined.people
    low_cohesion = low_cohesion_limit(settings, thresholds.min_cohesion)
    identities, last_number = _identities(clusters, people, tracks, namer, low_cohesion, earlier)
    id_of = {group: one.identity_id for one, person in zip(identities, people, strict=True) for group in person.groups}
    namings = [
        _naming_decision(group, match, id_of, groups[holders[i]] if i in holders else None)
        for i, (group, match) in enumerate(zip(groups, matches, strict=True))
    ]
    return ResolvedPeople(
        _document(clusters, identities, _unassigned(clusters, people, ignored), last_number),
        Grouping(
            ep_id=clusters.ep_id,
            facebank=FacebankUsed(version=facebank.version, people=tuple(sorted(facebank.names))) if facebank else None,
            limits=limits,
            centroids=len(clusters.identities),
            within_episode=len(merges),
            across_episodes=sum(match.reason == "named" for match in matches),
            decisions=(*merges, *namings),
            joins=tuple(_join_decision(link, identities[position].identity_id) for link, position in joined.links),
            doubts=tuple(_doubt(track_id, joined.doubts[track_id], identities) for track_id in sorted(joined.doubts)),
            corrections=tuple(outcome_of(one, remarks[one.number]) for one in corrections.corrections),
            exempt=tuple(sorted(_within(people, overlapping))),
        ),
    )


def _seen_together(tracks: EpisodeTracks, settings: ClusteringSettings, clusters: Identities) -> list[TrackPair]:
    """Pairs of tracks that share at least one frame, in different places."""
    one = settings.model_copy(update={"cannot_link_min_frames": 1})
    return cannot_link_constraints(tracks.table, one, clusters.same_face or ())


def _groups(clusters: Identities) -> list[Group]:
    """Each identity of the clustering, and each unassigned track.

    Also those without a vector, such as pictures of faces: in an earlier run they may have been the identity that a
    correction names or ignores.
    """
    found = [
        Group([identity.identity_id], list(identity.track_ids), is_doubtful=identity.outlier or identity.low_cohesion)
        for identity in clusters.identities
    ]
    loose = [track.track_id for track in clusters.unassigned]
    return found + [Group([], [track_id], is_doubtful=True, is_assigned=False) for track_id in loose]


def _takes_part(group: Group, tracks: EpisodeTracks) -> bool:
    """Whether a group may be a person: it was one, or has a name, or its faces can be compared with others."""
    return group.is_assigned or group.name is not None or bool(tracks.with_vector(group.tracks))


def _people(groups: Sequence[Group], matches: Sequence[NameMatch]) -> list[ResolvedPerson]:
    """Groups with one name together, the others alone, by their first track; unassigned tracks need a name."""
    found: dict[str | Group, list[Group]] = {}
    for group, match in zip(groups, matches, strict=True):
        if match.person_id is not None or group.is_assigned:
            found.setdefault(match.person_id or group, []).append(group)
    people = [
        ResolvedPerson(
            key if isinstance(key, str) else None, own, sorted(track for group in own for track in group.tracks)
        )
        for key, own in found.items()
    ]
    return sorted(people, key=lambda person: person.track_ids[0])


def _identities(
    clusters: Identities,
    people: Sequence[ResolvedPerson],
    tracks: EpisodeTracks,
    namer: Namer,
    low_cohesion: float,
    earlier: EarlierIdentities | None,
) -> tuple[list[Identity], int]:
    """The identity of each person, and the highest number that any identity of the episode ever had."""
    ids, last_number = stable_ids([person.track_ids for person in people], tracks.table, earlier)
    outliers = {identity.track_ids[0]: identity.reason for identity in clusters.identities if identity.outlier}
    identities = []
    for identity_id, person in zip(ids, people, strict=True):
        own = [track_id for track_id in person.track_ids if track_id not in person.joined]
        is_alone = len(own) == 1 and person.person_id is None
        reason = outliers.get(own[0]) if is_alone else None
        cluster = cluster_of(tracks.vectors, tracks.rows_of(own))._replace(reason=reason)
        confirmed = confirmed_together(person.groups)
        limit = NO_LIMIT if confirmed.issuperset(person.track_ids) else low_cohesion
        identity = identity_of(identity_id, cluster, tracks, low_cohesion=limit)
        fields: dict[str, Any] = {
            "track_ids": tuple(person.track_ids),
            "num_faces": tracks.num_faces(person.track_ids),  # also of tracks without a vector
            "representative_face_id": tracks.best_face(person.track_ids),
            **namer.name_fields(person),
        }
        if person.joined:
            fields["joined_tracks"] = dict(person.joined)
        if confirmed:
            fields["confirmed_track_ids"] = tuple(sorted(confirmed))
        identities.append(identity.model_copy(update=fields))
    return identities, last_number


def _document(
    clusters: Identities, identities: Sequence[Identity], unassigned: Sequence[UnassignedTrack], last_number: int
) -> Identities:
    document = with_identities(clusters, identities, unassigned)
    named = sum(identity.person_id is not None for identity in identities)
    stats = document.stats.model_copy(update={"named": named})
    return document.model_copy(update={"stats": stats, "last_identity_number": last_number})


def _unassigned(clusters: Identities, people: Sequence[ResolvedPerson], ignored: set[str]) -> list[UnassignedTrack]:
    assigned = {track for person in people for track in person.track_ids}
    kept = [track for track in clusters.unassigned if track.track_id not in assigned | ignored]
    return kept + [UnassignedTrack(track_id=track, reason=IGNORED) for track in ignored]


def _naming_decision(
    group: Group, match: NameMatch, id_of: Mapping[Group, str], holder: Group | None
) -> NamingDecision:
    decision = NamingDecision(
        decision=match.reason,
        clusters=tuple(group.clusters),
        identity_id=id_of.get(group),
        **match.figures(),
    )
    optional: dict[str, Any] = {}
    if holder:
        optional["seen_together_with"] = id_of.get(holder)
    if group.name:
        optional["correction"] = group.name.number
    return decision.model_copy(update=optional)


def _join_decision(link: Link, identity_id: str) -> JoinDecision:
    return JoinDecision(
        decision="joined" if link.is_joined else "suggested",
        track_id=link.track_id,
        identity_id=identity_id,
        probability=round(link.probability, 4),
        similarity=round(link.similarity, 4),
        expected_similarity=round(link.expected_similarity, 4),
    )


def _doubt(track_id: str, of_people: Mapping[int, float], identities: Sequence[Identity]) -> TrackDoubt:
    ids = {identities[person].identity_id: round(of_people[person], 4) for person in sorted(of_people)}
    return TrackDoubt(track_id=track_id, identity_ids=ids)


def _within(people: Sequence[ResolvedPerson], pairs: Sequence[TrackPair]) -> list[TrackPair]:
    """The pairs of which both tracks are of one person."""
    number_of = {track: i for i, person in enumerate(people) for track in person.track_ids}
    return [(a, b) for a, b in pairs if a in number_of and number_of[a] == number_of.get(b)]
