"""What the quality filter did in an episode: reasons, distributions, and the crops that are worth checking."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.embedding.quality_filter import Criterion

MEASURES = ("quality_score", "sharpness", "face_px", "yaw", "pitch")
"""The measures whose distributions are shown; angles as magnitudes, as the quality filter uses them."""

_ANGLES = ("yaw", "pitch")
_BINS = 12


class Spread(NamedTuple):
    """How a measure is distributed over crops.

    Attributes:
        crops: Number of crops with the measure; without any, the other figures are NaN.
        minimum: Lowest value.
        lower_quartile: 25 % quantile.
        median: 50 % quantile.
        upper_quartile: 75 % quantile.
        maximum: Highest value.
        histogram: Crops in bins of equal width over the common range of accepted and rejected crops.
    """

    crops: int
    minimum: float
    lower_quartile: float
    median: float
    upper_quartile: float
    maximum: float
    histogram: tuple[int, ...]


class Candidate(NamedTuple):
    """A crop, and the limit that it is closest to or furthest beyond.

    Attributes:
        detection_id: The detection.
        track_id: Its track.
        frame_idx: Source frame.
        reason: Why it was rejected; None if it was embedded.
        quality_score: Its quality.
        measure: The measure whose limit decided.
        value: The measured value.
        limit: The limit.
        margin: How far it is within the limit, as a share of the limit; negative beyond it.
    """

    detection_id: str
    track_id: str
    frame_idx: int
    reason: str | None
    quality_score: float
    measure: str
    value: float
    limit: float
    margin: float


class CropReview(NamedTuple):
    """What was accepted and rejected in an episode.

    Attributes:
        accepted: Number of embedded faces.
        reasons: Number of rejected candidates by reason, most frequent first.
        spreads: The spread of each measure over accepted and over rejected crops.
        worst: The embedded faces with the lowest quality, lowest first.
        accepted_borderline: The embedded faces closest to a limit, closest first.
        rejected_borderline: The rejected crops closest to passing, closest first.
    """

    accepted: int
    reasons: Mapping[str, int]
    spreads: Mapping[str, tuple[Spread, Spread]]
    worst: Sequence[Candidate]
    accepted_borderline: Sequence[Candidate]
    rejected_borderline: Sequence[Candidate]


def review_crops(
    faces: pa.Table, detections: pa.Table, rejected: pa.Table, criteria: Sequence[Criterion], *, examples: int
) -> CropReview:
    """Summarise which faces were accepted and which were rejected.

    Args:
        faces: The embedded faces.
        detections: The detections of the episode with their measures.
        rejected: The rejected candidates with their reasons and measures. Refused boxes are no candidates, and are
            left out.
        criteria: The limits that the faces were filtered by.
        examples: Number of examples of each kind.
    """
    rejected = rejected.filter(pc.not_equal(rejected["status"], "refused"))
    rows = pc.index_in(faces["detection_id"], value_set=detections["detection_id"].combine_chunks())
    accepted = detections.take(rows).append_column("track_id", faces["track_id"])
    accepted = accepted.append_column("reason", pa.nulls(faces.num_rows, pa.string()))
    judged = rejected.filter(pc.is_in(rejected["reason"], value_set=pa.array([c.reason for c in criteria])))
    embedded, turned_down = _candidates(accepted, criteria), _candidates(judged, criteria)
    return CropReview(
        accepted=faces.num_rows,
        reasons=dict(Counter(rejected["reason"].to_pylist()).most_common()),
        spreads={name: _spreads(_measured(accepted, name), _measured(rejected, name)) for name in MEASURES},
        worst=sorted(embedded, key=lambda crop: crop.quality_score)[:examples],
        accepted_borderline=sorted(embedded, key=lambda crop: crop.margin)[:examples],
        rejected_borderline=sorted(turned_down, key=lambda crop: -crop.margin)[:examples],
    )


def margins(values: NDArray[np.floating], criterion: Criterion) -> NDArray[np.float64]:
    """(N,) distance of each value to the limit, as a share of it; infinite if not measured or if the limit is 0."""
    if criterion.limit == 0:
        return np.full(len(values), np.inf)
    share = np.abs(values.astype(np.float64)) / criterion.limit
    return np.nan_to_num(1 - share if criterion.is_maximum else share - 1, nan=np.inf)


def _candidates(crops: pa.Table, criteria: Sequence[Criterion]) -> list[Candidate]:
    values = np.array([column_of(crops, c.measure) for c in criteria], np.float64).reshape(len(criteria), -1)
    within = np.array([margins(row, c) for row, c in zip(values, criteria, strict=True)])
    decisive = within.argmin(axis=0).tolist()
    named = ("detection_id", "track_id", "frame_idx", "reason", "quality_score")
    described = zip(*(crops[name].to_pylist() for name in named), strict=True)
    return [
        Candidate(
            detection_id=detection_id,
            track_id=track_id,
            frame_idx=frame_idx,
            reason=reason,
            quality_score=quality_score,
            measure=criteria[which].measure,
            value=float(values[which, crop]),
            limit=criteria[which].limit,
            margin=float(within[which, crop]),
        )
        for crop, (which, (detection_id, track_id, frame_idx, reason, quality_score)) in enumerate(
            zip(decisive, described, strict=True)
        )
    ]


def _measured(crops: pa.Table, name: str) -> NDArray[np.float64]:
    values = column_of(crops, name).astype(np.float64)
    values = values[np.isfinite(values)]
    return np.abs(values) if name in _ANGLES else values


def _spreads(accepted: NDArray[np.float64], rejected: NDArray[np.float64]) -> tuple[Spread, Spread]:
    both = np.concatenate([accepted, rejected])
    edges = np.linspace(both.min(), both.max(), _BINS + 1) if len(both) else np.linspace(0, 1, _BINS + 1)
    return _spread(accepted, edges), _spread(rejected, edges)


def _spread(values: NDArray[np.float64], edges: NDArray[np.float64]) -> Spread:
    minimum, lower, median, upper, maximum = (
        np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist() if len(values) else [float("nan")] * 5
    )
    # Binned by hand because np.histogram refuses bins without a width, which equal values make.
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, _BINS - 1)
    histogram = tuple(np.bincount(bins, minlength=_BINS).tolist())
    return Spread(len(values), minimum, lower, median, upper, maximum, histogram)
