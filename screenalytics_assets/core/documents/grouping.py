"""``grouping.json``: how the clusters of an episode became people."""

from typing import Annotated, Literal

from pydantic import Field

from screenalytics_assets.core.documents.document import Document

NamingReason = Literal["named", "below_threshold", "ambiguous", "not_compared", "seen_together", "corrected"]
"""Why a cluster has its name or none: ``below_threshold`` is probably not enrolled; ``ambiguous`` is almost equally
similar to two people; ``seen_together`` is on screen with a better match for the same name; ``not_compared`` had no
facebank, or naming is switched off; ``corrected`` was named by a correction."""

CorrectionStatus = Literal["applied", "partly", "conflict", "not_found", "unconfirmed"]
"""By rising severity. ``partly``: applied with a reservation. ``conflict``: it contradicts an earlier correction and
overrides it where it can. ``not_found``: what it refers to is gone or scattered; nothing was done.
``unconfirmed``: the episode has another video or another face there; nothing was done until a person confirms it."""


class FacebankUsed(Document):
    """The facebank that the clusters were compared with.

    Attributes:
        version: Changes whenever a photo, a name or a vector does.
        people: Ids of its people, ascending.
    """

    version: str
    people: tuple[str, ...]


class NameLimits(Document):
    """When a similarity is enough for a name. All three belong to the embedder.

    Attributes:
        similarity: ``name_similarity``: least mean similarity of many faces to many photos.
        tight: ``tight_thresh``: the same for one face and one photo.
        margin: ``name_margin``: least lead over the second best person; added to both limits of a doubtful cluster.
    """

    similarity: float
    tight: float
    margin: float


class MergeDecision(Document):
    """Two clusters that were merged because they are similar.

    Attributes:
        decision: Always ``merged``.
        clusters: Ids of the clusters on either side, those of the side that was kept first.
        similarity: Mean cosine similarity between their tracks.
        required_similarity: What that had to reach.
        rival_similarity: Highest similarity of either side to a cluster that cannot be linked to the other; null
            without one.
        cohesion: The lower of the mean similarities within each side, null if both are single tracks.
        shared_shots: Shots in which both have tracks.
    """

    decision: Literal["merged"]
    clusters: tuple[tuple[str, ...], tuple[str, ...]]
    similarity: float
    required_similarity: float
    rival_similarity: float | None
    cohesion: float | None
    shared_shots: int


class NamingDecision(Document):
    """Whether a cluster got a name, with the figures that decided it.

    Attributes:
        decision: The same as ``reason``.
        clusters: Ids of the clusters that it is made of.
        identity_id: The identity that it became; null if it stayed unassigned.
        person_id: The person, or null.
        reason: Why.
        best: The most similar person.
        best_similarity: Mean over that person's photos and the cluster's tracks.
        second: The second most similar person, null if there is only one.
        second_similarity: The same for that person.
        margin: Best minus second; null without a second.
        required_similarity: What ``best_similarity`` had to reach.
        required_margin: What ``margin`` had to reach.
        photos: Number of photos of the most similar person.
        tracks: Number of tracks of the cluster.
        faces: Number of its faces.
        strict: Whether both limits were raised because the cluster itself is doubtful.
        seen_together_with: The identity that got the name instead.
        correction: Number of the correction that gave the name.
    """

    decision: NamingReason
    clusters: tuple[str, ...]
    identity_id: str | None
    person_id: str | None
    reason: NamingReason
    best: str | None
    best_similarity: float | None
    second: str | None
    second_similarity: float | None
    margin: float | None
    required_similarity: float | None
    required_margin: float | None
    photos: int
    tracks: int
    faces: int
    strict: bool
    seen_together_with: str | None = None
    correction: int | None = None


class JoinDecision(Document):
    """The person whom a track most probably shows that was alone or had no accepted face.

    Attributes:
        decision: ``joined``, or ``suggested`` if the probability is too low to decide.
        track_id: The track.
        identity_id: The identity.
        probability: How probable it is, compared with everybody else whom the track could show.
        similarity: Mean cosine similarity of the track to the tracks of the identity.
        expected_similarity: What it would be for faces of this quality if they were the same person.
    """

    decision: Literal["joined", "suggested"]
    track_id: str
    identity_id: str
    probability: float
    similarity: float
    expected_similarity: float


class TrackDoubt(Document):
    """Whom a track may show, where that is not certain.

    Attributes:
        track_id: The track.
        identity_ids: The probability of each identity that it may belong to; the rest to 1 is nobody of them.
    """

    track_id: str
    identity_ids: dict[str, float]


Decision = Annotated[MergeDecision | NamingDecision, Field(discriminator="decision")]


class CorrectionOutcome(Document):
    """What became of a correction.

    Attributes:
        number: Its number.
        action: Its kind.
        correction: The correction as one would type it.
        status: ``applied``, ``partly``, ``conflict``, ``not_found`` or ``unconfirmed``.
        remarks: Reservations, and what it contradicts.
    """

    number: int
    action: str
    correction: str
    status: CorrectionStatus
    remarks: tuple[str, ...]

    @property
    def is_doubtful(self) -> bool:
        """Whether it was not applied exactly as it was meant, so that it should be checked."""
        return self.status != "applied"


class Grouping(Document):
    """Every decision about the people of an episode.

    Attributes:
        ep_id: The episode.
        facebank: The facebank, null without one.
        limits: Limits for names and merges.
        centroids: Number of clusters before any was merged.
        within_episode: Number of merges of similar clusters.
        across_episodes: Number of clusters that the facebank named.
        decisions: The merges in their order, then a decision on each remaining cluster.
        joins: Tracks that joined an identity because nobody else fits, in their order, then those that only may.
        doubts: Tracks that are less than certain to show their identity, and unassigned ones that may show one. Those
            that a user confirmed are not in doubt.
        corrections: What became of each correction.
        exempt: Pairs of tracks that overlap in time and are one person nevertheless, because a correction says so.
    """

    ep_id: str
    facebank: FacebankUsed | None
    limits: NameLimits
    centroids: int
    within_episode: int
    across_episodes: int
    decisions: tuple[Decision, ...]
    joins: tuple[JoinDecision, ...]
    doubts: tuple[TrackDoubt, ...]
    corrections: tuple[CorrectionOutcome, ...]
    exempt: tuple[tuple[str, str], ...]
