"""Whether what a correction was made on is still there: its video, and the faces at its places."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.vectors import unit_rows
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.people.corrections.corrections import (
    Correction,
    Evidence,
    IdentityReference,
    TrackPlaces,
    references_of,
)
from screenalytics_assets.core.people.packed_vectors import unpacked

_ANSWERS = "`confirm` keeps it, `undo` removes it"


class PresentEvidence(NamedTuple):
    """What corrections are compared with.

    Attributes:
        evidence: The video and the model of this run.
        similarity: Cosine similarity below which two faces are of two people: ``name_similarity`` of the model.
    """

    evidence: Evidence
    similarity: float


def mean_vector(tracks: EpisodeTracks, track_ids: Iterable[str]) -> NDArray[np.float32] | None:
    """(512,) what the face of these tracks looks like, unit norm; None if no track has a vector."""
    rows = tracks.rows_of(sorted(track_ids))
    if not len(rows):
        return None
    mean: NDArray[np.float32] = unit_rows(tracks.vectors[rows].mean(axis=0)[None])[0]
    return mean


def evidence_problem(
    correction: Correction, present: PresentEvidence, places: TrackPlaces, tracks: EpisodeTracks
) -> str | None:
    """Why a correction must be confirmed before it is applied, None if it need not be.

    A correction of an earlier version has no evidence and needs no confirmation. Vectors of two models are not
    compared: the same video with the same place and time is enough then. A track without an
    accepted face has no vector: place and time in the same video are enough for it, too. A face that is not found is no
    problem of the evidence.
    """
    made_on = correction.evidence
    if made_on is None:
        return None
    if made_on.video != present.evidence.video:
        return f"the episode has another video than it was made on: {_ANSWERS}"
    if made_on.model != present.evidence.model:
        return None
    for reference in references_of(correction):
        similarity = _similarity(reference, places, tracks)
        if similarity is not None and similarity < present.similarity:
            return (
                f"{reference.id}: another face is at its places now (similarity {similarity:.2f}, "
                f"expected {present.similarity:.2f}): {_ANSWERS}"
            )
    return None


def _similarity(reference: IdentityReference, places: TrackPlaces, tracks: EpisodeTracks) -> float | None:
    found = mean_vector(tracks, places.tracks_of(reference))
    if reference.vector is None or found is None:
        return None
    stored = unpacked(reference.vector)
    return float(stored @ found) if stored.shape == found.shape else -1.0
