"""Appearance split: which detections of a track show one face.

A motion tracker follows a place, not a person: when another face appears in the same place without a cut, or two faces
cross, the track continues. So each embedded detection of a track is compared with a prototype of the face so far. The
whole track is known, which separates a bad crop from another face: after a bad crop the same face returns, and bad
crops resemble nothing, not even each other.
"""

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.geometry import paired_iou

SplitReason = Literal["hard", "streak", "iou"]

_HARD_COUNT = 2
"""Consecutive embedded detections below the hard limit that make another face. One may be a bad crop; two can be
checked against each other."""

_PROTOTYPE_DECAY = 0.8
"""Factor on the prototype whenever a vector is added. About the last five vectors count (1 / (1 - 0.8)): the prototype
follows a head that turns, and one ambiguous crop does not change it much."""

_GAP_STEPS = 1.5
"""A time step longer than this many median steps of the track is a gap: the face was not detected in between."""


class SplitLimits(NamedTuple):
    """When a track shows another face.

    Attributes:
        hard_sim: Cosine similarity to the prototype below which a detection shows another face.
        soft_sim: Below it a detection is ambiguous; two vectors at or above it show one face.
        streak: This many consecutive ambiguous embedded detections are another face.
        min_iou: Where consecutive boxes overlap less, the vectors before and after must agree.
    """

    hard_sim: float
    soft_sim: float
    streak: int
    min_iou: float


class Observations(NamedTuple):
    """The N detections of one track in time order, E of them embedded.

    Attributes:
        boxes: (N, 4), any unit.
        embedded: (E,) positions of the embedded detections, ascending.
        vectors: (E, D) unit rows, row i for ``embedded[i]``.
        quality: (E,) positive weights of the vectors.
    """

    boxes: NDArray[np.float32]
    embedded: NDArray[np.int64]
    vectors: NDArray[np.float32]
    quality: NDArray[np.float32]


class Tracklet(NamedTuple):
    """Detections of a track that show one face; they need not be consecutive.

    Attributes:
        positions: Positions of its detections in the track, ascending.
        reason: Why it was split off; None for the tracklet that the track begins with.
        parent: Index of the tracklet to which it returns unless it is linked to another track; None where enough
            detections agree that it is another face.
    """

    positions: NDArray[np.int64]
    reason: SplitReason | None
    parent: int | None


def sample_observations(
    ts_s: NDArray[np.float64],
    boxes: NDArray[np.float32],
    quality: NDArray[np.float32],
    usable: NDArray[np.bool_],
    *,
    interval_s: float,
    min_iou: float,
) -> NDArray[np.int64]:
    """Choose the detections of a track that are embedded first.

    Args:
        ts_s: (N,) times in seconds, ascending.
        boxes: (N, 4), any unit.
        quality: (N,) quality scores.
        usable: (N,) whether the crop is good enough to be embedded.
        interval_s: The best detection of each interval of this length is chosen.
        min_iou: Where consecutive boxes overlap less, and where the face was not detected for a while, the detections
            before and after are chosen too.

    Returns:
        Positions of usable detections, ascending; the first and the last usable one are always among them.
    """
    rows = np.flatnonzero(usable)
    if not len(rows):
        return rows
    interval = ((ts_s[rows] - ts_s[0]) / interval_s).astype(np.int64)
    best_first = np.argsort(-quality[rows], kind="stable")
    _, first_of_interval = np.unique(interval[best_first], return_index=True)
    after = np.searchsorted(rows, np.concatenate([box_jumps(boxes, min_iou), _time_gaps(ts_s)]))
    chosen = np.concatenate([[0, len(rows) - 1], best_first[first_of_interval], after - 1, after])
    return np.asarray(np.unique(rows[np.clip(chosen, 0, len(rows) - 1)]))


def sample_around_changes(
    track: Observations, usable: NDArray[np.bool_], representative: NDArray[np.int64], soft_sim: float
) -> NDArray[np.int64]:
    """Choose the detections to embed next: those between embedded neighbours that differ, and their near-duplicates.

    Args:
        track: The track with what is embedded so far.
        usable: (N,) whether the crop is good enough to be embedded.
        representative: (N,) position of the representative of each detection.
        soft_sim: Neighbours with a lower similarity differ.

    Returns:
        Positions of usable detections that are not embedded yet, ascending.
    """
    differing = np.flatnonzero(np.einsum("ij,ij->i", track.vectors[:-1], track.vectors[1:]) < soft_sim)
    wanted = np.isin(representative, track.embedded[np.union1d(differing, differing + 1)])
    for i in differing.tolist():
        wanted[track.embedded[i] : track.embedded[i + 1] + 1] = True
    wanted[track.embedded] = False
    return np.flatnonzero(wanted & usable)


def split_track(track: Observations, limits: SplitLimits) -> list[Tracklet]:
    """Divide the detections of a track by the face that they show.

    A detection is ambiguous when its similarity to the prototype of the current face is below the soft limit.
    Consecutive ambiguous detections that resemble each other are another face from the ``streak``-th on, or from the
    second on if they are below the hard limit. Detections below the hard limit after which the face returns become a
    tracklet with a parent. Detections without a vector follow their embedded neighbours; between two faces the track
    is divided where consecutive boxes overlap least. Finally a jump of the box divides a tracklet unless the vectors
    before and after agree.

    Args:
        track: At least one detection.
        limits: When a track shows another face.

    Returns:
        Tracklets in the order in which they were found; each detection is in exactly one.
    """
    scan = _FaceScan(track, limits)
    labels, origins = _split_at_jumps(track, limits, _spread_labels(track, scan.labels), scan.origins)
    return [Tracklet(np.flatnonzero(labels == label), *origin) for label, origin in enumerate(origins)]


class _Origin(NamedTuple):
    """Reason and parent of a tracklet."""

    reason: SplitReason | None = None
    parent: int | None = None


class _FaceScan:
    """One pass over the embedded detections of a track that labels each with its tracklet.

    A detection that resembles the prototype joins the current tracklet. Doubtful ones are pending until a later
    detection shows whether the face has changed or returns.

    Attributes:
        labels: (E,) index of the tracklet of each embedded detection.
        origins: Reason and parent of each tracklet.
    """

    def __init__(self, track: Observations, limits: SplitLimits) -> None:
        self.labels = np.zeros(len(track.vectors), np.int64)
        self.origins = [_Origin()]
        self._limits = limits
        self._vectors = track.vectors
        self._weighted = track.vectors * track.quality[:, None]
        self._begin(0)
        for row in range(len(track.vectors)):
            self._add(row)
        self._settle_pending(len(self._pending))

    def _begin(self, label: int) -> None:
        self._current = label
        self._prototype = np.zeros(self._vectors.shape[1])
        self._size = 0
        self._pending: list[int] = []
        self._pending_similarity: list[float] = []

    def _add(self, row: int) -> None:
        similarity = cosine(self._prototype, self._vectors[row]) if self._size else 1.0
        if similarity >= self._limits.soft_sim:
            self._settle_pending(len(self._pending))
            self._join(row)
            return
        self._pending.append(row)
        self._pending_similarity.append(similarity)
        if self._is_other_face(_HARD_COUNT, self._limits.hard_sim):
            self._change_face("hard", _HARD_COUNT)
        elif self._is_other_face(self._limits.streak, self._limits.soft_sim):
            self._change_face("streak", self._limits.streak)

    def _join(self, row: int) -> None:
        self.labels[row] = self._current
        self._prototype = _PROTOTYPE_DECAY * self._prototype + self._weighted[row]
        self._size += 1

    def _is_other_face(self, count: int, limit: float) -> bool:
        """Whether the last ``count`` pending detections are all below the limit and resemble each other."""
        if len(self._pending) < count or max(self._pending_similarity[-count:]) >= limit:
            return False
        vectors = self._vectors[self._pending[-count:]]
        mutual = (vectors @ vectors.T)[~np.eye(count, dtype=bool)]
        return bool(mutual.mean() >= self._limits.soft_sim)

    def _change_face(self, reason: SplitReason, count: int) -> None:
        """Begin a tracklet with the pending detections from the first that is nearer to the new face on."""
        new_face = self._weighted[self._pending[-count:]].sum(axis=0)
        vectors = self._vectors[self._pending]
        first = [cosine(new_face, own) > cosine(self._prototype, own) for own in vectors].index(True)
        members = self._pending[first:]
        label = self._new_label(_Origin(reason))
        if self._size < _HARD_COUNT and self.origins[self._current].parent is None:
            self.origins[self._current] = self.origins[self._current]._replace(parent=label)
        self._settle_pending(first)
        self._begin(label)
        for row in members:
            self._join(row)

    def _settle_pending(self, count: int) -> None:
        """Add the first pending detections to the current tracklet, or to its child if all are below the hard limit."""
        rows, similarity = self._pending[:count], self._pending_similarity[:count]
        self._pending, self._pending_similarity = [], []
        if rows and max(similarity) < self._limits.hard_sim:
            parent = self.origins[self._current].parent
            self.labels[rows] = self._new_label(_Origin("hard", self._current if parent is None else parent))
        else:
            self.labels[rows] = self._current

    def _new_label(self, origin: _Origin) -> int:
        self.origins.append(origin)
        return len(self.origins) - 1


def _spread_labels(track: Observations, labels_of_embedded: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) labels of all detections; between two embedded ones the label changes where boxes overlap least."""
    if not len(labels_of_embedded):
        return np.zeros(len(track.boxes), np.int64)
    overlap = _step_iou(track.boxes)
    starts = [before + 1 + int(np.argmin(overlap[before:after])) for before, after in pairwise(track.embedded.tolist())]
    return np.repeat(labels_of_embedded, np.diff([0, *starts, len(track.boxes)]))


def _split_at_jumps(
    track: Observations, limits: SplitLimits, labels: NDArray[np.int64], origins: list[_Origin]
) -> tuple[NDArray[np.int64], list[_Origin]]:
    """Labels and origins with tracklets divided where the box jumps and the vectors before and after disagree."""
    labels, origins = labels.copy(), list(origins)
    for jump in box_jumps(track.boxes, limits.min_iou).tolist():
        label = labels[jump]
        if labels[jump - 1] != label:
            continue
        own = labels[track.embedded] == label
        before = np.flatnonzero(own & (track.embedded < jump))[-limits.streak :]
        after = np.flatnonzero(own & (track.embedded >= jump))[: limits.streak]
        sums = [track.quality[rows] @ track.vectors[rows] for rows in (before, after)]
        if cosine(*sums) < limits.soft_sim:
            later = np.arange(len(labels)) >= jump
            labels[later & (labels == label)] = len(origins)
            origins.append(_Origin("iou"))
    return labels, origins


def box_jumps(boxes: NDArray[np.float32], min_iou: float) -> NDArray[np.int64]:
    """Positions of boxes whose IoU with the previous box is below ``min_iou``."""
    return np.asarray(np.flatnonzero(_step_iou(boxes) < min_iou) + 1)


def _step_iou(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N - 1,) IoU of each box with the next."""
    return paired_iou(boxes[:-1], boxes[1:])


def _time_gaps(ts_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions after a time without a detection."""
    steps_s = np.diff(ts_s)
    if not len(steps_s):
        return np.empty(0, np.int64)
    return np.flatnonzero(steps_s > _GAP_STEPS * np.median(steps_s)) + 1


def cosine(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Cosine similarity of two vectors; 0 where one of them is zero."""
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths else 0.0
