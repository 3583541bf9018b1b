"""What a person should look at first, as a report asks it: in words, with faces, and with the command to type."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import pyarrow as pa

from resources.storage.artifacts import Artifact
from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import cannot_link_constraints
from screenalytics_assets.core.people.corrections import Corrections, TrackPlaces
from screenalytics_assets.core.people.review_candidates import (
    MergeLimits,
    earlier_decisions,
    merge_candidates,
    split_candidates,
)

SHOWN = 5
"""Questions of each kind."""
_FACES = 2


class Question(NamedTuple):
    """One doubtful pair.

    Attributes:
        is_likely: Whether the limit says that it is a mistake.
        word: The same in a word.
        text: The question.
        similarity: Of the pair.
        required: The limit.
        command: Writes the correction.
        faces: Detection id and description of the crops to compare.
    """

    is_likely: bool
    word: str
    text: str
    similarity: float
    required: float
    command: str
    faces: Sequence[tuple[str, str]]


class Review:
    """The doubtful pairs of an episode.

    Args:
        ep_id: The episode.
        inputs: Its artifacts, the cleaned ones and the corrections among them.
        clustering: Rules about who is seen together.
        limits: Of the embedder.
    """

    def __init__(
        self, ep_id: str, inputs: Mapping[str, Artifact], clustering: ClusteringSettings, limits: MergeLimits
    ) -> None:
        grouped = inputs["group_clusters"]
        self._ep_id = ep_id
        self._limits = limits
        self._identities = grouped.document("identities.json", Identities).identities
        table = inputs["split_tracks"].table("tracks.parquet")
        self._cannot_link = cannot_link_constraints(
            table, clustering, grouped.document("grouping.json", Grouping).exempt
        )
        corrections = inputs["corrections"].document("corrections.json", Corrections)
        self._decisions = earlier_decisions(corrections, TrackPlaces(table))
        faces = inputs["reembed"].table(
            "faces.parquet", ["face_id", "track_id", "detection_id", "quality_rank", "quality_score"]
        )
        self._best = _best_faces(faces)
        track_ids = inputs["recluster"].document("track_ids.json", TrackIds).track_ids
        self.tracks = EpisodeTracks(table, faces, track_ids, inputs["recluster"].array("tracks.npy"))

    @cached_property
    def _questions(self) -> tuple[list[Question], list[Question]]:
        names = {identity.identity_id: identity.label for identity in self._identities}
        tracks_of = {identity.identity_id: identity.track_ids for identity in self._identities}
        command = f"screenalytics correct {self._ep_id}"
        merges = merge_candidates(
            self._identities,
            self.tracks,
            self._limits,
            cannot_link=self._cannot_link,
            decisions=self._decisions,
        )
        splits = split_candidates(self._identities, self.tracks, self._limits, decisions=self._decisions)
        return (
            [
                Question(
                    candidate.is_likely,
                    "Probably one:" if candidate.is_likely else "Rather two:",
                    f"{names[candidate.identities[0]]} and {names[candidate.identities[1]]}",
                    candidate.similarity,
                    candidate.required,
                    f"{command} merge {' '.join(candidate.identities)}",
                    [face for name in candidate.identities for face in self._faces(tracks_of[name], names[name])],
                )
                for candidate in merges[:SHOWN]
            ],
            [
                Question(
                    candidate.is_likely,
                    "Probably two:" if candidate.is_likely else "Rather one:",
                    f"{len(candidate.track_ids)} of the tracks of {names[candidate.identity_id]} against the other "
                    f"{len(candidate.rest)}",
                    candidate.similarity,
                    candidate.required,
                    f"{command} split {candidate.identity_id} {' '.join(f'--track {t}' for t in candidate.track_ids)}",
                    [
                        *self._faces(candidate.track_ids, "the part to take out"),
                        *self._faces(candidate.rest, f"the rest of {names[candidate.identity_id]}"),
                    ],
                )
                for candidate in splits[:SHOWN]
            ],
        )

    def merges(self) -> list[Question]:
        """Identities that may be one person, the likeliest first."""
        return self._questions[0]

    def splits(self) -> list[Question]:
        """Tracks that may be somebody else, the likeliest first."""
        return self._questions[1]

    def faces_shown(self) -> set[str]:
        """Detections whose crops are shown."""
        return {face for question in (*self.merges(), *self.splits()) for face, _ in question.faces}

    def _faces(self, track_ids: Sequence[str], alt: str) -> list[tuple[str, str]]:
        best = sorted(face for track_id in track_ids for face in self._best.get(track_id, ()))
        return [(detection_id, alt) for _, _, detection_id in best[:_FACES]]


def _best_faces(faces: pa.Table) -> dict[str, list[tuple[int, float, str]]]:
    found: dict[str, list[tuple[int, float, str]]] = {}
    for face in faces.to_pylist():
        found.setdefault(face["track_id"], []).append(
            (face["quality_rank"], -face["quality_score"], face["detection_id"])
        )
    return found
