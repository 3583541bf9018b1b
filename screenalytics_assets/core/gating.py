"""Which detections are good enough to be embedded, and why the others are not."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.settings import FacesSettings
from screenalytics_assets.core.tables import column_of

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
