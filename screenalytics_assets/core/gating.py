"""Which detections are good enough to be embedded, and why the others are not."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.sampling import quality_ranks
from screenalytics_assets.core.settings import FacesSettings
from screenalytics_assets.core.tables import column_of

ACCEPTED = ""


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
        (N,) ``blank``, ``low_confidence``, ``too_small``, ``cut_off``, ``blurry``, ``pose_yaw``, ``pose_pitch``,
        ``low_quality``, or nothing. A face without a pose is not judged by it.
    """
    conditions = {
        "blank": ~has_crop,
        "low_confidence": column_of(detections, "confidence") < min_confidence,
        "too_small": column_of(detections, "face_px") < settings.min_face_size,
        "cut_off": column_of(detections, "inside_fraction") < settings.min_inside_fraction,
        "blurry": column_of(detections, "sharpness") < settings.min_sharpness,
        "pose_yaw": np.abs(column_of(detections, "yaw")) > settings.max_yaw_angle,
        "pose_pitch": np.abs(column_of(detections, "pitch")) > settings.max_pitch_angle,
        "low_quality": column_of(detections, "quality_score") < settings.min_quality_score,
    }
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
