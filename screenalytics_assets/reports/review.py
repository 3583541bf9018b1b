"""What a person should look at first, as a report asks it: in words, with faces, and with the command to type."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from resources.storage.artifacts import Artifact
from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.identity.identities import cannot_link_constraints
from screenalytics_assets.core.people.corrections import Corrections, TrackPlaces
from screenalytics_assets.core.people.review_candidates import Limits, Tracks, decided_by, merge_doubts, split_doubts

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
        self, ep_id: str, inputs: Mapping[str, Artifact], clustering: ClusteringSettings, limits: Limits
    ) -> None:
        grouped = inputs["group_clusters"]
        self._ep_id = ep_id
        self._limits = limits
        self._identities: list[Mapping[str, Any]] = grouped.json("identities.json")["identities"]
        table = inputs["split_tracks"].table("tracks.parquet")
        exempt = [(a, b) for a, b in grouped.json("grouping.json")["exempt"]]
        self._seen_together = cannot_link_constraints(table, clustering, exempt)
        corrections = Corrections.model_validate(inputs["corrections"].json("corrections.json"))
        self._decided = decided_by(corrections, TrackPlaces(table))
        faces = inputs["reembed"].table("faces.parquet", ["track_id", "detection_id", "quality_rank", "quality_score"])
        self._best = _best_faces(faces)
        track_ids = inputs["recluster"].json("track_ids.json")["track_ids"]
        counts = np.array([len(self._best[track_id]) for track_id in track_ids], np.int64)
        self.tracks = Tracks(track_ids, inputs["recluster"].array("tracks.npy"), counts)

    @cached_property
    def _questions(self) -> tuple[list[Question], list[Question]]:
        names = {i["identity_id"]: i.get("name") or i["identity_id"] for i in self._identities}
        tracks_of = {i["identity_id"]: i["track_ids"] for i in self._identities}
        command = f"screenalytics correct {self._ep_id}"
        merges = merge_doubts(
            self._identities, self.tracks, self._limits, seen_together=self._seen_together, decided=self._decided
        )
        splits = split_doubts(self._identities, self.tracks, self._limits, decided=self._decided)
        return (
            [
                Question(
                    doubt.is_likely,
                    "Probably one:" if doubt.is_likely else "Rather two:",
                    f"{names[doubt.identities[0]]} and {names[doubt.identities[1]]}",
                    doubt.similarity,
                    doubt.required,
                    f"{command} merge {' '.join(doubt.identities)}",
                    [face for name in doubt.identities for face in self._faces(tracks_of[name], names[name])],
                )
                for doubt in merges[:SHOWN]
            ],
            [
                Question(
                    doubt.is_likely,
                    "Probably two:" if doubt.is_likely else "Rather one:",
                    f"{len(doubt.track_ids)} of the tracks of {names[doubt.identity_id]} against the other "
                    f"{len(doubt.rest)}",
                    doubt.similarity,
                    doubt.required,
                    f"{command} split {doubt.identity_id} {' '.join(f'--track {t}' for t in doubt.track_ids)}",
                    [
                        *self._faces(doubt.track_ids, "the part to take out"),
                        *self._faces(doubt.rest, f"the rest of {names[doubt.identity_id]}"),
                    ],
                )
                for doubt in splits[:SHOWN]
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
