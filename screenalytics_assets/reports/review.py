"""What should be checked first in an episode: questions with faces and the command that corrects a mistake."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import pyarrow as pa

from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import cannot_link_constraints
from screenalytics_assets.core.people.corrections import TrackPlaces
from screenalytics_assets.core.people.review_candidates import (
    MergeLimits,
    earlier_decisions,
    merge_candidates,
    split_candidates,
)
from screenalytics_assets.reports.episode_data import EpisodeData

SHOWN = 5
"""Number of questions of each kind."""
_FACES = 2


class Question(NamedTuple):
    """A pair to check.

    Attributes:
        is_likely: Whether the similarity is beyond the limit, so that it is likely a mistake.
        word: The likely answer.
        text: What is compared.
        similarity: Similarity of the pair.
        required: The limit.
        command: The command that writes the correction.
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
    """The pairs to check in an episode.

    Args:
        data: The episode.
        clustering: The cannot-link rules.
        limits: The similarity limits of the embedder.
    """

    def __init__(self, data: EpisodeData, clustering: ClusteringSettings, limits: MergeLimits) -> None:
        self._ep_id = data.ep_id
        self._limits = limits
        self._identities = data.identities.identities
        exempt = [*(data.identities.same_face or ()), *data.grouping.exempt]
        self._cannot_link = cannot_link_constraints(data.tracks, clustering, exempt)
        self._decisions = earlier_decisions(data.corrections, TrackPlaces(data.tracks))
        self._best = _best_faces(data.faces)
        self.tracks = EpisodeTracks(data.tracks, data.faces, data.track_ids, data.track_vectors)

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
                    "Probably the same person:" if candidate.is_likely else "Probably two people:",
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
                    "Probably two people:" if candidate.is_likely else "Probably one person:",
                    f"{len(candidate.track_ids)} of the tracks of {names[candidate.identity_id]}, "
                    f"compared with the other {len(candidate.rest)}",
                    candidate.similarity,
                    candidate.required,
                    f"{command} split {candidate.identity_id} {' '.join(f'--track {t}' for t in candidate.track_ids)}",
                    [
                        *self._faces(candidate.track_ids, "the tracks to split off"),
                        *self._faces(candidate.rest, f"the other tracks of {names[candidate.identity_id]}"),
                    ],
                )
                for candidate in splits[:SHOWN]
            ],
        )

    def merges(self) -> list[Question]:
        """Identities that may be the same person, most likely first."""
        return self._questions[0]

    def splits(self) -> list[Question]:
        """Tracks that may show another person than the rest of their identity, most likely first."""
        return self._questions[1]

    def faces_shown(self) -> set[str]:
        """Detections whose crops the questions show."""
        return {face for question in (*self.merges(), *self.splits()) for face, _ in question.faces}

    def _faces(self, track_ids: Sequence[str], alt: str) -> list[tuple[str, str]]:
        best = sorted(face for track_id in track_ids for face in self._best.get(track_id, ()))
        return [(detection_id, alt) for _, _, detection_id in best[:_FACES]]


def _best_faces(faces: pa.Table) -> dict[str, list[tuple[int, float, str]]]:
    found: dict[str, list[tuple[int, float, str]]] = {}
    for face in faces.select(["track_id", "detection_id", "quality_rank", "quality_score"]).to_pylist():
        found.setdefault(face["track_id"], []).append(
            (face["quality_rank"], -face["quality_score"], face["detection_id"])
        )
    return found
