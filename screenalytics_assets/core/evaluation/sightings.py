"""Which person each matched detection shows, and the track and identity that it is in."""

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.evaluation.truth import Truth
from screenalytics_assets.core.evaluation.truth_matching import Matching


class Sighting(NamedTuple):
    """A detection that was matched to a required face."""

    person: str
    detection_id: str
    track_id: str | None
    identity_id: str | None

    @property
    def cluster(self) -> str:
        """Its identity; a track without an identity is a cluster of its own, and so is a detection without a track."""
        if self.identity_id is not None:
            return f"identity {self.identity_id}"
        if self.track_id is not None:
            return f"track {self.track_id}"
        return f"detection {self.detection_id}"


def sightings_of(
    truth: Truth,
    detections: pa.Table,
    matching: Matching,
    track_of: Mapping[str, str],
    identity_of: Mapping[str, str],
) -> list[Sighting]:
    """The matched detections, in the order of the table.

    Args:
        truth: The truth.
        detections: detection_id; the detections that were matched.
        matching: Which of them shows whom.
        track_of: The track of each detection that is in one.
        identity_of: The identity of each track that is in one.
    """
    sightings = []
    for detection_id, face in zip(detections["detection_id"].to_pylist(), matching.face_of_detection, strict=True):
        if face >= 0:
            track_id = track_of.get(detection_id)
            identity_id = None if track_id is None else identity_of.get(track_id)
            person = truth.people[truth.person_idx[face]]
            sightings.append(Sighting(person, detection_id, track_id, identity_id))
    return sightings


def single_track_of_detection(tracks: pa.Table) -> dict[str, str]:
    """The track of each detection; raises `ArtifactError` if a detection is in two."""
    track_of: dict[str, str] = {}
    for track_id, boxes in zip(tracks["track_id"].to_pylist(), tracks["boxes"].to_pylist(), strict=True):
        for box in boxes:
            other = track_of.setdefault(box["detection_id"], track_id)
            if other != track_id:
                raise ArtifactError(
                    f"tracks: detection {box['detection_id']} is in {min(other, track_id)} and in "
                    f"{max(other, track_id)}; a detection belongs to one track at most"
                )
    return track_of


def single_identity_of_track(identities: Identities) -> dict[str, str]:
    """The identity of each track; raises `ArtifactError` if a track is in two."""
    identity_of: dict[str, str] = {}
    for identity in identities.identities:
        for track_id in identity.track_ids:
            other = identity_of.setdefault(track_id, identity.identity_id)
            if other != identity.identity_id:
                raise ArtifactError(
                    f"identities: {track_id} is in {other} and in {identity.identity_id}; "
                    "a track belongs to one identity at most"
                )
    return identity_of
