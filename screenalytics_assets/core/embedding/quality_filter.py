"""Which detections are good enough to be embedded, and why the others are not."""

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
    """One thing that a face must have.

    Attributes:
        reason: What a face that does not have it is rejected for.
        measure: Column of the detections that it is about.
        key: The configuration key that sets the limit.
        limit: Least value, or largest magnitude.
        is_maximum: Whether it is the largest magnitude.
    """

    reason: str
    measure: str
    key: str
    limit: float
    is_maximum: bool = False

    def fails(self, values: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(N,) whether each value is beyond the limit; what was not measured (NaN) is not judged."""
        return np.abs(values) > self.limit if self.is_maximum else values < self.limit


def criteria_of(settings: FacesSettings, *, min_confidence: float) -> list[Criterion]:
    """What a face must have, in the order in which it is looked at."""
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
    """The first thing that is wrong with each detection.

    Args:
        detections: Rows of the detections table.
        has_crop: (N,) whether a crop was kept; blank ones are not.
        settings: The least that a face must have.
        min_confidence: The least detector score that it must have.

    Returns:
        (N,) ``blank``, the reason of the first of `criteria_of` that a face fails, or nothing. A face without a pose
        is not judged by it.
    """
    conditions = {BLANK: ~has_crop}
    for criterion in criteria_of(settings, min_confidence=min_confidence):
        conditions[criterion.reason] = criterion.fails(column_of(detections, criterion.measure))
    return np.select(list(conditions.values()), list(conditions), default=ACCEPTED)


class StricterLimits(NamedTuple):
    """What `stricter_reasons` asks beyond the ordinary gate.

    Attributes:
        min_quality_score: Least quality score.
        max_yaw_angle: Largest turn to the side in degrees.
        min_faces: Each track keeps so many of its best faces whatever their measures.
    """

    min_quality_score: float
    max_yaw_angle: float
    min_faces: int


def stricter_reasons(
    reasons: NDArray[np.str_], detections: pa.Table, track_of_row: NDArray[np.int64], limits: StricterLimits
) -> NDArray[np.str_]:
    """Turn down more of what the ordinary gate accepts, where a track can do without.

    A stricter gate alone would leave tracks without a face, and so without an identity. So the faces of a track are
    ranked, those within the stricter limits first, then by quality, and the first ``min_faces`` always stay.

    Args:
        reasons: (N,) as `rejection_reasons` gives them.
        detections: The rows of the detections table that they are about.
        track_of_row: (N,) number of the track of each detection.
        limits: What is asked.

    Returns:
        (N,) reasons; ``pose_yaw`` and ``low_quality`` for what is turned down in addition.
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
