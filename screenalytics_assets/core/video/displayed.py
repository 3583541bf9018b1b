"""The displayed picture: how a player turns, mirrors, stretches and tone-maps what is stored."""

from fractions import Fraction
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

PQ, HLG = "pq", "hlg"
"""The two transfer functions of HDR, SMPTE ST 2084 and ARIB STD-B67."""


class Orientation(NamedTuple):
    """The stored picture is mirrored left to right if ``mirrored``, then turned clockwise by quarter turns."""

    mirrored: bool = False
    quarter_turns: int = 0

    def upright(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) as stored, in; as displayed, contiguous, out."""
        picture = stored[:, ::-1] if self.mirrored else stored
        return np.ascontiguousarray(np.rot90(picture, -self.quarter_turns))


def orientation_of(matrix: NDArray[np.int32]) -> Orientation:
    """The orientation for a display matrix of FFmpeg; other angles are rounded to quarter turns.

    Args:
        matrix: (3, 3) of which [0, :2] is where the x axis of the stored picture points to, and [1, :2] the y axis.
    """
    (a, b), (c, d) = matrix[0, :2].astype(float), matrix[1, :2].astype(float)
    # The y axis points down; it is not changed by mirroring left to right.
    turned = np.degrees(np.arctan2(-c, d))
    return Orientation(mirrored=bool(a * d - b * c < 0), quarter_turns=round(turned / 90) % 4)


def displayed_size(width: int, height: int, pixel_aspect: Fraction, quarter_turns: int) -> tuple[int, int]:
    """Width and height of the displayed picture in square pixels; no side is shorter than stored.

    Args:
        width: Stored width in pixels.
        height: Stored height.
        pixel_aspect: Width of a stored pixel divided by its height.
        quarter_turns: By which the picture is turned.
    """
    if pixel_aspect > 1:
        width = round(width * pixel_aspect)
    else:
        height = round(height / pixel_aspect)
    return (height, width) if quarter_turns % 2 else (width, height)


SDR_WHITE_CDM2 = 203.0
"""Luminance of white of a graphic in HDR (ITU-R BT.2408): what SDR shows as white."""
PEAK_CDM2 = 1000.0
"""Luminance for which nearly all HDR video is graded; brighter parts are clipped."""
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
"""ITU-R BT.2087, linear light."""


def _pq_cdm2(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084: luminance in cd/m² of a signal of 0 to 1."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = signal ** (1 / m2)
    luminance: NDArray[np.float64] = 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return luminance


def _hlg_cdm2(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """ITU-R BT.2100 HLG on a display of 1000 cd/m², its system gamma 1.2 applied to each channel."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance: NDArray[np.float64] = PEAK_CDM2 * scene**1.2
    return luminance


class ToneMap:
    """HDR in the colours of BT.2020 to SDR in those of BT.709.

    The light is scaled so that white of HDR is half way up the extended Reinhard curve, which maps the peak to white:
    x · (1 + x / p²) / (1 + x), for x in units of the white and p the peak.
    """

    def __init__(self, transfer: str) -> None:
        signal = np.linspace(0, 1, 65_536)
        luminance = _pq_cdm2(signal) if transfer == PQ else _hlg_cdm2(signal)
        self._linear = (np.minimum(luminance, PEAK_CDM2) / SDR_WHITE_CDM2).astype(np.float32)
        light = np.linspace(0, PEAK_CDM2 / SDR_WHITE_CDM2, 4096)
        mapped = light * (1 + light / light[-1] ** 2) / (1 + light)
        # ITU-R BT.1886: a display shows the signal to the power of 2.4.
        self._signal = np.round(255 * mapped ** (1 / 2.4)).astype(np.uint8)

    def sdr(self, bgr: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """(H, W, 3) uint16 BGR in HDR, in; uint8 BGR in SDR, out."""
        linear = cv2.transform(self._linear[bgr], np.ascontiguousarray(_BT2020_TO_BT709[::-1, ::-1]))
        scale = (len(self._signal) - 1) / (PEAK_CDM2 / SDR_WHITE_CDM2)
        return self._signal[np.clip(linear * scale, 0, len(self._signal) - 1).astype(np.int32)]
