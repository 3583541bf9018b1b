"""Which detections are good enough to be embedded, and why the others are not."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

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
