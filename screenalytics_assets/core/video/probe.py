"""Facts about a video file before it is decoded, and the checks that refuse unusable ones."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.errors import VideoError
from screenalytics_assets.core.common.intervals import Intervals
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.video.clock import gaps_between

MIN_SIDE_PX = 64
"""Minimum shorter side of the picture. A face rarely fills more than half the height: here 32 px, one cell of the
coarsest grid of SCRFD and similar detectors, and far below the 112 px of an embedder. Smaller faces cannot be
distinguished."""
MAX_LONG_SIDE_PX, MAX_SHORT_SIDE_PX = 8192, 4320
"""8K, DCI wide. A decoded picture of that size takes 100 MB; larger ones are mistakes or attacks."""
SHORTFALL_S, SHORTFALL_FRACTION = 1.0, 0.01
"""How much earlier than declared a video may end: sound and picture rarely end together."""


class Timestamps(NamedTuple):
    """What the times of the pictures of a video say.

    Attributes:
        fps: average, without gaps.
        start_s: the first picture.
        end_s: end of the last picture.
        is_variable_rate: some frame is more than half a frame from index / fps (containers that round to milliseconds
            stay below that).
        gaps: (G, 2) start and end in seconds of the time without pictures.
    """

    fps: float
    start_s: float
    end_s: float
    is_variable_rate: bool
    gaps: Intervals


def summarise_timestamps(pts_s: NDArray[np.float64], last_duration_s: float = 0.0) -> Timestamps:
    """Frame rate, start, end, regularity and gaps of a video from its timestamps.

    A picture before a gap, and the last one, are shown for an average frame; the last one shorter if the file says so.

    Args:
        pts_s: (N,) seconds, in any order.
        last_duration_s: how long the last one is shown according to the file; 0 if unknown.

    Raises:
        VideoError: for fewer than two frames, a timestamp that is not a number, or two that are equal.
    """
    if len(pts_s) < 2:
        raise VideoError(f"a video has at least two frames, this one has {len(pts_s)}")
    times_s = np.sort(pts_s)
    if not np.isfinite(times_s).all():
        raise VideoError(f"{np.count_nonzero(~np.isfinite(times_s))} of {len(times_s)} frames have no timestamp")
    repeated = int(np.count_nonzero(np.diff(times_s) <= 0))
    if repeated:
        raise VideoError(f"{repeated} of {len(times_s)} frames have the timestamp of another frame")
    span_s = float(times_s[-1] - times_s[0])
    before = gaps_between(times_s)
    shown_s = span_s - float((times_s[before + 1] - times_s[before]).sum())
    frame_s = shown_s / (len(times_s) - 1 - len(before))
    even_s = times_s[0] + frame_s * np.arange(len(times_s))
    last_s = last_duration_s if 0 < last_duration_s < frame_s - CLOCK_TOLERANCE_S else frame_s
    return Timestamps(
        fps=1.0 / frame_s,
        start_s=float(times_s[0]),
        end_s=float(times_s[-1]) + last_s,
        is_variable_rate=bool(np.abs(times_s - even_s).max() > frame_s / 2),
        gaps=np.column_stack([times_s[before] + frame_s, times_s[before + 1]]),
    )


def check_picture_size(width: int, height: int) -> None:
    """Refuse pictures too small for a recognisable face, or too large to be decoded safely.

    Raises:
        VideoError: if the shorter side is under `MIN_SIDE_PX`, or the picture is larger than 8192×4320
            (either way round).
    """
    if min(width, height) < MIN_SIDE_PX:
        raise VideoError(
            f"the picture is {width}×{height} px; its shorter side must have at least {MIN_SIDE_PX} px, "
            "because a face in anything smaller cannot be recognised"
        )
    if max(width, height) > MAX_LONG_SIDE_PX or min(width, height) > MAX_SHORT_SIDE_PX:
        raise VideoError(
            f"the picture is {width}×{height} px; at most {MAX_LONG_SIDE_PX}×{MAX_SHORT_SIDE_PX} px are "
            "supported. Scale the video down first"
        )


def check_complete(end_s: float, declared_end_s: float) -> None:
    """Refuse a video that ends much earlier than its container declares.

    Args:
        end_s: end of the last frame, seconds.
        declared_end_s: end declared by the container, seconds on the same clock.

    Raises:
        VideoError: if more than a second and more than 1 % of the declared time is missing. Nothing else detects
            a damaged or truncated Matroska file: it decodes without an error.
    """
    shortfall_s = declared_end_s - end_s
    if shortfall_s > max(SHORTFALL_S, SHORTFALL_FRACTION * declared_end_s):
        raise VideoError(
            f"the pictures end at {end_s:.1f} s but the file declares {declared_end_s:.1f} s: it is truncated "
            "or damaged. Copy or download it again"
        )
