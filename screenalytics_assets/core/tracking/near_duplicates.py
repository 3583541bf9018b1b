"""Near-duplicate crops of a track: one of them is embedded and represents the others."""

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.common.vectors import unit_rows

PATCH_PX = 20
"""Side of the gray patch by which crops are compared: the middle 80 of the 112 px of the ArcFace crop, brows to chin,
at a quarter of the size.

Hair and background, or the black area outside the frame, have the most contrast and would hide who the face is.
"""

MIN_CORRELATION = 0.95
"""Minimum correlation of two patches that show the same face from the same side.

On the group photograph that InsightFace ships, in one light, patches of different people correlate by at most 0.67, on
two photos each of eight other people by 0.80; with a fifth of the crop black by 0.89, enlarged from 32 pixels by 0.85,
blurred over 3 pixels of the crop by 0.88 and over 6 by 0.92. The same face with each landmark displaced by 2 % of the
distance of the eyes: half of 210 above 0.98. Brightness does not matter: at a quarter of the light, with grain, one
face has 0.975 or more with itself and two have 0.80 or less.
"""

_MIN_PARTS = 4
"""A crop represents at most one of this many equal parts of its track, however short the track is: the trimmed mean can
leave a face out from four faces on, and a name or a link needs less similarity with several faces than with one."""


def face_patch(reduced_crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The patch by which crops are compared.

    Args:
        reduced_crop: (S, S) gray, an aligned crop at a quarter of its size.

    Returns:
        (20, 20) uint8, a view of its middle.
    """
    margin_px = (len(reduced_crop) - PATCH_PX) // 2
    return reduced_crop[margin_px : margin_px + PATCH_PX, margin_px : margin_px + PATCH_PX]


def representatives(
    ts_s: NDArray[np.float64],
    quality: NDArray[np.float32],
    patches: NDArray[np.uint8],
    jumps: NDArray[np.int64],
    *,
    max_duplicate_s: float,
) -> NDArray[np.int64]:
    """The representative of each crop of a track: the best of a run of near-duplicates.

    A run lasts as long as each crop correlates with the first of the run, not only with the previous crop; otherwise
    one face could drift into another.

    Args:
        ts_s: (N,) times in seconds, ascending.
        quality: (N,) quality scores.
        patches: (N, 20, 20), from `face_patch`; a patch without contrast is a duplicate of none.
        jumps: Positions at which a new run always begins.
        max_duplicate_s: A run is shorter than this, and than a quarter of the track; 0 switches duplicates off.

    Returns:
        (N,) position of the representative of each crop; its own position where it has no near-duplicate.
    """
    count = len(ts_s)
    found = np.arange(count)
    if not count or max_duplicate_s <= 0:
        return found
    limit_s = min(max_duplicate_s, float(ts_s[-1] - ts_s[0]) / _MIN_PARTS) - CLOCK_TOLERANCE_S
    unit = unit_contrast(patches)
    is_jump = np.isin(found, jumps)
    starts = [0]
    for row in range(1, count):
        first = starts[-1]
        is_duplicate = ts_s[row] - ts_s[first] < limit_s and unit[row] @ unit[first] >= MIN_CORRELATION
        if is_jump[row] or not is_duplicate:
            starts.append(row)
    for first, end in zip(starts, [*starts[1:], count], strict=True):
        found[first:end] = first + np.argmax(quality[first:end])
    return found


def unit_contrast(patches: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Pictures (N, H, W) as (N, H·W) rows of mean 0 and norm 1, so that their product is the correlation.

    The row of a picture without contrast is 0.
    """
    rows = patches.reshape(len(patches), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return unit_rows(rows)
