"""``identities.json``, ``clusters.json`` and ``track_ids.json``: which tracks are one person."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.documents.document import Document

TRACK_REASONS: Mapping[str, str] = {
    "no_accepted_face": "none of its faces is good enough to be compared with others",
    "picture": "it shows a photo, a poster, a drawing or a frozen frame, which is not counted as a person",
    "low_identity_similarity": "less similar to its identity than `min_identity_sim`",
    "small_cluster": "its identity would have fewer tracks than `min_cluster_size`",
    "single_face": "only one of its faces was accepted, which may be a mistake of the detector: nothing confirms it",
    "ignored": "a correction ignores it",
}
"""Why a track is in no identity, or an identity is an outlier."""


class ClusterStats(Document):
    """Figures of a clustering.

    Attributes:
        clusters: Number of identities.
        tracks: Number of tracks of the episode, assigned or not.
        singleton_count: Identities with one track.
        singleton_fraction: Their share of the identities.
        largest_cluster_size: Tracks of the largest identity.
        largest_cluster_fraction: Their share of the assigned tracks.
        outlier_count: Clusters and tracks that fit nowhere else.
        low_cohesion_count: Identities whose tracks are not very similar.
        cannot_link_pairs: Pairs of tracks that cannot be one person because they overlap in time.
        blocked_merges: Merges that such pairs prevented.
        named: Identities with a name; only after the people were resolved.
    """

    clusters: int
    tracks: int
    singleton_count: int
    singleton_fraction: float
    largest_cluster_size: int
    largest_cluster_fraction: float
    outlier_count: int
    low_cohesion_count: int
    cannot_link_pairs: int
    blocked_merges: int
    named: int | None = None


class Identity(Document):
    """Tracks that are one person. The keys from ``person_id`` on are there only after the people were resolved.

    Attributes:
        identity_id: ``ident_001``; the same person keeps it when the identities are computed again.
        track_ids: Its tracks, ascending.
        outlier: Whether it fits nowhere else.
        low_cohesion: Whether its tracks are not very similar.
        cohesion_score: Mean cosine similarity between its tracks.
        min_identity_sim: Lowest mean similarity of one of its tracks to the others.
        num_faces: Number of accepted faces.
        representative_face_id: Its best face, null if no face was accepted.
        reason: Why it is an outlier: ``low_identity_similarity``, ``small_cluster`` or ``single_face``.
        person_id: The person, or null.
        name: The person's name, or null.
        name_similarity: Mean similarity to the person's photos, or null.
        name_margin: Lead over the second best person, or null.
        named_by: ``facebank``, ``correction``, or null.
        confirmed_track_ids: The tracks that a user confirmed, by a correction, to show this person; left out if there
            are none.
        joined_tracks: The tracks that joined it because nobody else fits, with the probability that it is right; left
            out if there are none.
    """

    identity_id: str
    track_ids: tuple[str, ...]
    outlier: bool
    low_cohesion: bool
    cohesion_score: float
    min_identity_sim: float
    num_faces: int
    representative_face_id: str | None
    reason: str | None = None
    person_id: str | None = None
    name: str | None = None
    name_similarity: float | None = None
    name_margin: float | None = None
    named_by: Literal["facebank", "correction"] | None = None
    confirmed_track_ids: tuple[str, ...] | None = None
    joined_tracks: dict[str, float] | None = None

    @property
    def clustered_track_ids(self) -> tuple[str, ...]:
        """Its tracks, but for those that joined it because nobody else fits."""
        return tuple(track_id for track_id in self.track_ids if track_id not in (self.joined_tracks or ()))

    @property
    def person_key(self) -> str:
        """Id of the person, or of the identity if no person was assigned."""
        return self.person_id or self.identity_id

    @property
    def label(self) -> str:
        """The person's name, or the id of an identity without one."""
        return self.name or self.identity_id


class UnassignedTrack(Document):
    """A track that is in no identity.

    Attributes:
        track_id: The track.
        reason: Why it is in none: ``no_accepted_face``, ``picture``, ``ignored``, or as for an outlier.
    """

    track_id: str
    reason: str


class Identities(Document):
    """All tracks of an episode: each is in one identity or unassigned with a reason.

    Attributes:
        ep_id: The episode.
        config: The configuration keys of clustering that it was made with.
        stats: Its figures.
        last_identity_number: The highest number that an identity of this episode ever had; none is used twice.
        identities: The identities, in the order in which they first appear.
        unassigned: The other tracks, by id.
        same_face: Pairs of tracks that show one face twice at the same time, as a mirror or a copy of the picture does;
            left out if there are none.
    """

    ep_id: str
    config: dict[str, Any]
    stats: ClusterStats
    last_identity_number: int
    identities: tuple[Identity, ...]
    unassigned: tuple[UnassignedTrack, ...]
    same_face: tuple[tuple[str, str], ...] | None = None

    @property
    def settings(self) -> ClusteringSettings:
        """The configuration that the document was made with."""
        return ClusteringSettings.model_validate(self.config)

    @property
    def tracks_of(self) -> dict[str, tuple[str, ...]]:
        """The tracks of each identity, by its id."""
        return {identity.identity_id: identity.track_ids for identity in self.identities}

    @property
    def identity_of(self) -> dict[str, Identity]:
        """The identity of each assigned track, by the id of the track."""
        return {track_id: identity for identity in self.identities for track_id in identity.track_ids}


class LastIdentityNumber(BaseModel):
    """The only key that is read of an earlier publication, whose other keys may be those of another version."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    last_identity_number: int


class TrackIds(Document):
    """Which tracks have a vector.

    Attributes:
        track_ids: The tracks of the rows of ``tracks.npy``.
    """

    track_ids: tuple[str, ...]
