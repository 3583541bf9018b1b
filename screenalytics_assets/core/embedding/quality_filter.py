"""The quality filter: which detections are good enough to be embedded, and why the others are rejected."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.embedding.crop_sampling import quality_ranks

ACCEPTED = ""
BLANK = "blank"


class Criterion(NamedTuple):
    """One limit of the filter.

    Attributes:
        reason: Rejection reason of a face beyond the limit.
        measure: Column of the detections table that is compared.
        key: Configuration key of the limit.
        limit: Minimum value, or maximum magnitude.
        is_maximum: Whether the limit is a maximum magnitude.
    """

    reason: str
    measure: str
    key: str
    limit: float
    is_maximum: bool = False

    def fails(self, values: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(N,) whether each value is beyond the limit; a missing value (NaN) is not."""
        return np.abs(values) > self.limit if self.is_maximum else values < self.limit


def criteria_of(settings: FacesSettings, *, min_confidence: float) -> list[Criterion]:
    """All limits, in the order in which they are checked."""
    return [
        Criterion("low_confidence", "confidence", "min_confidence", min_confidence),
        Criterion("too_small", "face_px", "min_face_size", settings.min_face_size),
        Criterion("cut_off", "inside_fraction", "min_inside_fraction", settings.min_inside_fraction),
        Criterion("blurry", "sharpness", "min_sharpness", settings.min_sharpness),
        Criterion("pose_yaw", "yaw", "max_yaw_angle", settings.max_yaw_angle, is_maximum=True),
        Criterion("pose_pitch", "pitch", "max_pitch_angle", settings.max_pitch_angle, is_maximum=True),
        Criterion("low_quality", "quality_score", "min_quality_score", settings.min_quality_score),
    ]


def rejection_reasons(
    detections: pa.Table, has_crop: NDArray[np.bool_], settings: FacesSettings, *, min_confidence: float
) -> NDArray[np.str_]:
    """The first limit that each detection fails.

    Args:
        detections: Rows of the detections table.
        has_crop: (N,) whether a crop was stored; blank crops are not.
        settings: The limits.
        min_confidence: Minimum detector score.

    Returns:
        (N,) ``blank``, the reason of the first of `criteria_of` that the face fails, or `ACCEPTED`. A face without a
        pose does not fail the limits of the pose.
    """
    conditions = {BLANK: ~has_crop}
    for criterion in criteria_of(settings, min_confidence=min_confidence):
        conditions[criterion.reason] = criterion.fails(column_of(detections, criterion.measure))
    return np.select(list(conditions.values()), list(conditions), default=ACCEPTED)


class StricterLimits(NamedTuple):
    """Stricter limits for tracks with enough good faces.

    Attributes:
        min_quality_score: Minimum quality score.
        max_yaw_angle: Maximum yaw in degrees, to either side.
        min_faces: Number of faces that each track keeps, even beyond the limits.
    """

    min_quality_score: float
    max_yaw_angle: float
    min_faces: int


def stricter_reasons(
    reasons: NDArray[np.str_], detections: pa.Table, track_of_row: NDArray[np.int64], limits: StricterLimits
) -> NDArray[np.str_]:
    """Reject more of the accepted faces of tracks that have better ones.

    Stricter limits alone would leave tracks without a face, and so without an identity. So the faces of a track are
    ranked, those within the limits first, then by quality, and the first ``min_faces`` are always kept.

    Args:
        reasons: (N,) from `rejection_reasons`.
        detections: The same N rows of the detections table.
        track_of_row: (N,) number of the track of each detection.
        limits: The stricter limits.

    Returns:
        (N,) reasons, ``pose_yaw`` or ``low_quality`` for faces that are rejected in addition.
    """
    conditions = {
        "pose_yaw": np.abs(column_of(detections, "yaw")) > limits.max_yaw_angle,
        "low_quality": column_of(detections, "quality_score") < limits.min_quality_score,
    }
    stricter = np.select(list(conditions.values()), list(conditions), default=ACCEPTED)
    rows = np.flatnonzero(reasons == ACCEPTED)
    within = stricter[rows] == ACCEPTED
    preference = column_of(detections, "quality_score")[rows] + within
    dispensable = ~within & (quality_ranks(track_of_row[rows], preference) > limits.min_faces)
    found = reasons.copy()
    found[rows[dispensable]] = stricter[rows[dispensable]]
    return found
