"""Which detections of a track show one face: the appearance gate.

A motion tracker follows a place, not a person: when another face appears there without a cut, or two faces cross, it
goes on. Here each embedded detection of a track is compared with a prototype of the face so far. The whole track is
known, so that one bad moment is told from another face by what follows: a face that returns was not replaced, and
crops that resemble nothing, not even each other, are nobody.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Reason = Literal["hard", "streak", "iou"]

_HARD_COUNT = 2
"""So many embedded detections in a row below the hard limit are another face: one may be a bad crop, and to be one
face they must resemble each other, which takes two."""

_PROTOTYPE_DECAY = 0.8
"""What an earlier vector counts against the next one: about the last five make the prototype (1 / (1 - 0.8)), so
that it keeps up with a head that turns, and one doubtful crop does not carry it away."""

_LOST_STEPS = 1.5
"""A step in time longer than so many usual ones of a track means that the face was not found in between."""


class GateLimits(NamedTuple):
    """When a track shows another face.

    Attributes:
        hard_sim: Cosine similarity to the prototype below which a detection shows another face.
        soft_sim: Below it, a detection is doubtful; from it on, two vectors are one face.
        streak: So many doubtful embedded detections in a row are another face.
        iou: Consecutive boxes that overlap less need an appearance that vouches for them.
    """

    hard_sim: float
    soft_sim: float
    streak: int
    iou: float


class Observations(NamedTuple):
    """The detections of one track in time, N of them, E of them embedded.

    Attributes:
        boxes: (N, 4), any unit.
        embedded: (E,) positions of the embedded detections, ascending.
        vectors: (E, D) of unit norm, row i for ``embedded[i]``.
        quality: (E,) more than 0; what each vector counts in a mean.
    """

    boxes: NDArray[np.float32]
    embedded: NDArray[np.int64]
    vectors: NDArray[np.float32]
    quality: NDArray[np.float32]


class Piece(NamedTuple):
    """Detections of a track that show one face; they need not be consecutive.

    Attributes:
        positions: Of the detections in the track, ascending.
        embedded: Those of them that are embedded, as rows of the vectors.
        reason: Why it does not belong to what was before; None for what the track began with.
        host: Index of the piece that gets it back unless another track of the shot shows this face; None where
            enough detections agree that it is a face of its own.
    """

    positions: NDArray[np.int64]
    embedded: NDArray[np.int64]
    reason: Reason | None
    host: int | None


def sample_observations(
    ts_s: NDArray[np.float64],
    boxes: NDArray[np.float32],
    quality: NDArray[np.float32],
    trusted: NDArray[np.bool_],
    *,
    interval_s: float,
    min_iou: float,
) -> NDArray[np.int64]:
    """Which detections of a track to embed first.

    Args:
        ts_s: (N,) times in seconds, ascending.
        boxes: (N, 4), any unit.
        quality: (N,) quality scores.
        trusted: (N,) whether a vector of the detection would mean something.
        interval_s: The best of each stretch of this length is taken.
        min_iou: Where consecutive boxes overlap less, the detections on both sides are taken, and also where the
            face was lost for a while.

    Returns:
        Positions, ascending, all trusted; the first and the last trusted one always.
    """
    rows = np.flatnonzero(trusted)
    if not len(rows):
        return rows
    stretch = ((ts_s[rows] - ts_s[0]) / interval_s).astype(np.int64)
    best_first = np.argsort(-quality[rows], kind="stable")
    _, first_of_stretch = np.unique(stretch[best_first], return_index=True)
    steps_s = np.diff(ts_s)
    lost = np.flatnonzero(steps_s > _LOST_STEPS * np.median(steps_s)) + 1 if len(steps_s) else steps_s.astype(np.int64)
    risky = np.searchsorted(rows, np.concatenate([box_jumps(boxes, min_iou), lost]))
    beside = np.concatenate([risky - 1, risky])
    chosen = np.concatenate([[0, len(rows) - 1], best_first[first_of_stretch], beside])
    return np.asarray(np.unique(rows[np.clip(chosen, 0, len(rows) - 1)]))


def around_unlike(
    seen: Observations, trusted: NDArray[np.bool_], stand_in: NDArray[np.int64], soft_sim: float
) -> NDArray[np.int64]:
    """The trusted detections between embedded neighbours that do not resemble each other, and those they stand for.

    Args:
        seen: What is embedded so far.
        trusted: (N,) whether a vector of the detection would mean something.
        stand_in: (N,) for each detection the position of the one that stands for it.
        soft_sim: Below this similarity, neighbours do not resemble each other.

    Returns:
        Positions, ascending.
    """
    unlike = np.flatnonzero(np.einsum("ij,ij->i", seen.vectors[:-1], seen.vectors[1:]) < soft_sim)
    wanted = np.isin(stand_in, seen.embedded[np.union1d(unlike, unlike + 1)])
    for i in unlike.tolist():
        wanted[seen.embedded[i] : seen.embedded[i + 1] + 1] = True
    wanted[seen.embedded] = False
    return np.flatnonzero(wanted & trusted)


def find_pieces(seen: Observations, limits: GateLimits) -> list[Piece]:
    """Divide the detections of a track by whose face they show.

    A detection is doubtful when it resembles the prototype of the face so far by less than the soft limit. Doubtful
    ones in a row that resemble each other are another face from the ``streak``-th on, or from the second on if they
    are below the hard limit. A moment below the hard limit from which the face returns is set apart with a host.
    Detections without a vector go with their embedded neighbours, between two faces divided where consecutive boxes
    overlap least. Last, boxes that jump divide a piece unless the appearance before and after agrees.

    Args:
        seen: At least one detection.
        limits: When a track shows another face.

    Returns:
        Every detection in one piece, the pieces in the order in which they were found.
    """
    faces = _Faces()
    of_embedded = _label_embedded(seen, limits, faces)
    labels = _spread(seen, of_embedded)
    _divide_at_jumps(seen, limits, labels, faces)
    pieces = []
    for label, (reason, host) in enumerate(zip(faces.reasons, faces.hosts, strict=True)):
        embedded = np.flatnonzero(labels[seen.embedded] == label)
        pieces.append(Piece(np.flatnonzero(labels == label), embedded, reason, host))
    return pieces


class _Faces:
    """The faces found in a track, by their labels."""

    def __init__(self) -> None:
        self.reasons: list[Reason | None] = [None]
        self.hosts: list[int | None] = [None]

    def add(self, reason: Reason, host: int | None = None) -> int:
        self.reasons.append(reason)
        self.hosts.append(host)
        return len(self.reasons) - 1


def _label_embedded(seen: Observations, limits: GateLimits, faces: _Faces) -> NDArray[np.int64]:
    vectors, weighted = seen.vectors, seen.vectors * seen.quality[:, None]
    labels = np.zeros(len(vectors), np.int64)
    current, trusted = 0, 0
    prototype = np.zeros(vectors.shape[1])
    doubtful: list[int] = []
    similarity: list[float] = []
    for row, vector in enumerate(vectors):
        likeness = cosine(prototype, vector) if trusted else 1.0
        if likeness >= limits.soft_sim:
            _set_apart(labels, doubtful, similarity, current, limits, faces)
            labels[row] = current
            prototype = _PROTOTYPE_DECAY * prototype + weighted[row]
            trusted += 1
            doubtful, similarity = [], []
            continue
        doubtful.append(row)
        similarity.append(likeness)
        reason, count = _verdict(vectors[doubtful], similarity, limits)
        if reason is None:
            continue
        newcomer = weighted[doubtful[-count:]].sum(axis=0)
        nearer = [cosine(newcomer, vectors[i]) > cosine(prototype, vectors[i]) for i in doubtful]
        first = nearer.index(True)
        new = faces.add(reason)
        if trusted < _HARD_COUNT and faces.hosts[current] is None:
            faces.hosts[current] = new
        _set_apart(labels, doubtful[:first], similarity[:first], current, limits, faces)
        current, own = new, doubtful[first:]
        labels[own] = current
        prototype = np.zeros_like(prototype)
        for i in own:
            prototype = _PROTOTYPE_DECAY * prototype + weighted[i]
        trusted, doubtful, similarity = len(own), [], []
    _set_apart(labels, doubtful, similarity, current, limits, faces)
    return labels


def _verdict(
    vectors: NDArray[np.float32], similarity: list[float], limits: GateLimits
) -> tuple[Reason, int] | tuple[None, int]:
    """Whether the last of the doubtful detections are another face, and how many of them say so."""
    rules: tuple[tuple[Reason, int, float], ...] = (
        ("hard", _HARD_COUNT, limits.hard_sim),
        ("streak", limits.streak, limits.soft_sim),
    )
    for reason, count, limit in rules:
        if len(similarity) >= count and max(similarity[-count:]) < limit:
            alike = vectors[-count:] @ vectors[-count:].T
            if count == 1 or alike[~np.eye(count, dtype=bool)].mean() >= limits.soft_sim:
                return reason, count
    return None, 0


def _set_apart(
    labels: NDArray[np.int64],
    doubtful: list[int],
    similarity: list[float],
    current: int,
    limits: GateLimits,
    faces: _Faces,
) -> None:
    host = faces.hosts[current]
    is_other = bool(doubtful) and max(similarity) < limits.hard_sim
    labels[doubtful] = faces.add("hard", current if host is None else host) if is_other else current


def _spread(seen: Observations, of_embedded: NDArray[np.int64]) -> NDArray[np.int64]:
    """The label of every detection from those of the embedded ones."""
    if not len(of_embedded):
        return np.zeros(len(seen.boxes), np.int64)
    steps = _step_iou(seen.boxes)
    starts = [0]
    for i in np.flatnonzero(np.diff(seen.embedded) > 0).tolist():
        before, after = int(seen.embedded[i]), int(seen.embedded[i + 1])
        starts.append(before + 1 + int(np.argmin(steps[before:after])))
    return np.repeat(of_embedded, np.diff([*starts, len(seen.boxes)]))


def _divide_at_jumps(seen: Observations, limits: GateLimits, labels: NDArray[np.int64], faces: _Faces) -> None:
    for jump in box_jumps(seen.boxes, limits.iou).tolist():
        label = labels[jump]
        if labels[jump - 1] != label:
            continue
        own = labels[seen.embedded] == label
        before = np.flatnonzero(own & (seen.embedded < jump))[-limits.streak :]
        after = np.flatnonzero(own & (seen.embedded >= jump))[: limits.streak]
        sides = [seen.quality[rows] @ seen.vectors[rows] for rows in (before, after)]
        if cosine(*sides) < limits.soft_sim:
            later = np.arange(len(labels)) >= jump
            labels[later & (labels == label)] = faces.add("iou")


def box_jumps(boxes: NDArray[np.float32], min_iou: float) -> NDArray[np.int64]:
    """Positions whose box overlaps the one before by less."""
    return np.asarray(np.flatnonzero(_step_iou(boxes) < min_iou) + 1)


def _step_iou(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N - 1,) intersection over union of each box and the next."""
    first, second = boxes[:-1].astype(np.float64), boxes[1:].astype(np.float64)
    sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    intersection = np.clip(sides, 0, None).prod(axis=1)
    union = sum((side[:, 2:] - side[:, :2]).prod(axis=1) for side in (first, second)) - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def cosine(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Cosine of the angle between two vectors; 0 where one of them is zero."""
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths else 0.0
