"""Looks at a face that show what an earlier one showed: one of them is embedded and stands for the others."""

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.common.vectors import unit_rows

REDUCTION = 4
"""The gray picture of a face is so many times smaller than its crop; a JPEG file is read at that size at once."""

PICTURE_PX = 20
"""Side of that picture: the middle 80 of the 112 pixels of the ArcFace crop, brows to chin.

What frames a face, or is black because it lies outside the frame, has the most contrast and would hide who is in it.
"""

MIN_CORRELATION = 0.95
"""Least correlation of two pictures that show the same face from the same side.

On the group photograph that InsightFace ships, in one light, pictures of different people correlate by at most 0.67,
on two photos each of eight other people by 0.80; with a fifth of the crop black by 0.89, enlarged from 32 pixels by
0.85, blurred over 3 pixels of the crop by 0.88 and over 6 by 0.92. The same face with each landmark displaced by 2 % of
the distance of the eyes: half of 210 above 0.98. Brightness does not matter: at a quarter of the light, with grain,
one face has 0.975 or more with itself and two have 0.80 or less.
"""

_PARTS = 4
"""No look stands for more than one of so many parts of its track, however short that is: from four faces on the trimmed
mean can leave one out, and a name or a link asks less of them than of a single one."""


def face_picture(reduced_crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture of a face by which looks are compared.

    Args:
        reduced_crop: (S, S) gray, an aligned crop at 1 / `REDUCTION` of its size.

    Returns:
        (20, 20) uint8, a view of its middle.
    """
    margin_px = (len(reduced_crop) - PICTURE_PX) // 2
    return reduced_crop[margin_px : margin_px + PICTURE_PX, margin_px : margin_px + PICTURE_PX]


def stand_ins(
    ts_s: NDArray[np.float64],
    quality: NDArray[np.float32],
    pictures: NDArray[np.uint8],
    jumps: NDArray[np.int64],
    *,
    still_s: float,
) -> NDArray[np.int64]:
    """Which look stands for each look of a track.

    Looks in a row are one as long as each correlates with the first of them, not only with the one before, so that no
    face glides into another.

    Args:
        ts_s: (N,) times in seconds, ascending.
        quality: (N,) quality scores.
        pictures: (N, 20, 20), as `face_picture` gives them; one without contrast resembles none.
        jumps: Positions that are never one with what was before.
        still_s: After so long, and after a quarter of the track, the next look is another one.

    Returns:
        (N,) for each look the position of the best of those that it is one with; its own where nothing is like it.
    """
    count = len(ts_s)
    found = np.arange(count)
    if not count or still_s <= 0:
        return found
    limit_s = min(still_s, float(ts_s[-1] - ts_s[0]) / _PARTS) - CLOCK_TOLERANCE_S
    unit = _unit_contrast(pictures)
    jumped = np.isin(found, jumps)
    starts = [0]
    for look in range(1, count):
        first = starts[-1]
        goes_on = ts_s[look] - ts_s[first] < limit_s and unit[look] @ unit[first] >= MIN_CORRELATION
        if jumped[look] or not goes_on:
            starts.append(look)
    for first, end in zip(starts, [*starts[1:], count], strict=True):
        found[first:end] = first + np.argmax(quality[first:end])
    return found


def _unit_contrast(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 400), rows of mean 0 and length 1, so that a product of two is their correlation; without contrast 0."""
    rows = pictures.reshape(len(pictures), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return unit_rows(rows)
