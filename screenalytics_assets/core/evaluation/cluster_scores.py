"""Purity of tracks, and B-cubed, WCP and NMI of clusters."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from screenalytics_assets.core.evaluation.sightings import Sighting


class TrackScores(NamedTuple):
    """Tracks with at least one matched detection, labelled with their majority person.

    Attributes:
        num_tracks: How many there are.
        impure_tracks: Tracks that show more than one person.
        purity: Share of the matched detections in tracks that show their track's majority person.
        wcp: Weighted clustering purity over the tracks.
        nmi: Normalised mutual information over the tracks.
    """

    num_tracks: int
    impure_tracks: int
    purity: float
    wcp: float
    nmi: float


def score_tracks(sightings: Sequence[Sighting]) -> TrackScores:
    """Purity of the tracks, and WCP and NMI of the clusters that they are in."""
    shown: dict[str, Counter[str]] = {}
    cluster_of: dict[str, str] = {}
    for sighting in sightings:
        if sighting.track_id is not None:
            shown.setdefault(sighting.track_id, Counter())[sighting.person] += 1
            cluster_of[sighting.track_id] = sighting.cluster
    # Of equally frequent people, the first in alphabetical order is the track's label.
    labels = [min(seen, key=lambda person: (-seen[person], person)) for seen in shown.values()]
    clusters = [cluster_of[track_id] for track_id in shown]
    labels_in: dict[str, Counter[str]] = {}
    for label, cluster in zip(labels, clusters, strict=True):
        labels_in.setdefault(cluster, Counter())[label] += 1
    agreeing = sum(max(seen.values()) for seen in shown.values())
    return TrackScores(
        num_tracks=len(shown),
        impure_tracks=sum(len(seen) > 1 for seen in shown.values()),
        purity=share(agreeing, sum(seen.total() for seen in shown.values())),
        wcp=share(sum(max(members.values()) for members in labels_in.values()), len(shown)),
        nmi=min(1.0, float(normalized_mutual_info_score(labels, clusters))) if shown else math.nan,
    )


def bcubed(sightings: Sequence[Sighting]) -> tuple[float, float]:
    """B-cubed precision and recall, averaged over the N detections (Bagga and Baldwin 1998).

    With n(p, c) detections of person p in cluster c they are the sum of n(p, c)^2 / n(c) and of n(p, c)^2 / n(p),
    each over N.
    """
    if not sightings:
        return math.nan, math.nan
    counts = contingency_matrix([s.person for s in sightings], [s.cluster for s in sightings])
    precision = np.sum(counts**2 / counts.sum(axis=0, keepdims=True))
    recall = np.sum(counts**2 / counts.sum(axis=1, keepdims=True))
    return float(precision / len(sightings)), float(recall / len(sightings))


def share(part: float, whole: float) -> float:
    """``part / whole``, nan if there is nothing to divide by."""
    return part / whole if whole else math.nan
