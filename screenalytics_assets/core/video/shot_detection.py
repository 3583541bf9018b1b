"""Detects shot cuts while the video is decoded.

Two pictures are compared by their structure, at 64×36 pixels. Each is normalised by its local mean and local
contrast, which removes brightness, exposure and slow shading, and the best correlation over small shifts is
taken, which removes camera shake. Pictures of different scenes are only alike by chance, whatever their
brightness; successive pictures of one shot keep most of their structure.

A cut is a change that is large, that stands out from the changes around it (a pan or a zoom takes many frames,
a cut one), and after which the old picture does not return (that would be a flash).

A fade through black or white is one cut, at the first flat picture. A hard cut from a flat picture is not
reported, because the shot starts with that picture. So a fade-in at the start of a video is not a cut, and a
fade-out at its end is one.

A dissolve over more than about two frames changes too little per frame to be distinguished from motion, and is
not reported (PySceneDetect does not report it either). If a face dissolves into another one in the same place,
the appearance split divides their track.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.config.detection_keys import SHOT_CONTEXT_S, DetectionSettings

SMALL_WIDTH, SMALL_HEIGHT = 64, 36

_BLUR_SIGMA_PX = 4.0
"""Local means span about a sixth of the picture: finer than shading, coarser than the features of a face."""
_CONTRAST_FLOOR = 2.0
"""Grey levels. At this size the noise of rounding to 8 bits is 0.3, that of codecs below 1."""
_FLAT_ENERGY = 0.2**2
"""Mean square of a structure whose local contrast is half a grey level, which is invisible."""
_MAX_SHIFT_X, _MAX_SHIFT_Y = 4, 3
"""Pixels of the downscaled picture: camera shake of 6 % of the width, 8 % of the height, between two frames."""
_MIN_NEIGHBOURS = 3
_REACH_S = 1.0
"""Changes further away say nothing about a cut: in a slideshow, every picture is a cut."""
_GUARD = 1
"""Frames on each side of a cut that are not compared with it: one may be a blend of both shots."""


def structure(small_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The picture normalised by its local brightness and contrast.

    Args:
        small_bgr: (36, 64, 3) uint8 BGR.

    Returns:
        (36, 64, 3) float32, centred on 0; its mean square is near 1 with contrast, near 0 without.

    Raises:
        ValueError: on another shape or type.
    """
    if small_bgr.shape != (SMALL_HEIGHT, SMALL_WIDTH, 3) or small_bgr.dtype != np.uint8:
        raise ValueError(
            f"a picture for shot detection is ({SMALL_HEIGHT}, {SMALL_WIDTH}, 3) uint8, "
            f"got {small_bgr.shape} {small_bgr.dtype}"
        )
    picture = small_bgr.astype(np.float32)
    residual = picture - cv2.GaussianBlur(picture, (0, 0), _BLUR_SIGMA_PX)
    variance = cv2.GaussianBlur(np.square(residual).mean(axis=2), (0, 0), _BLUR_SIGMA_PX)
    normalised: NDArray[np.float32] = residual / (np.sqrt(variance) + np.float32(_CONTRAST_FLOOR))[..., None]
    return normalised


def structure_distance(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """1 minus the best normalised correlation of two structures over small shifts.

    The inner part of `before` is searched in `after`. Energies have a floor, so that two flat pictures are alike
    and a flat one differs from any other.

    Args:
        before: (36, 64, 3) float32 from `structure`.
        after: the same of the other picture.

    Returns:
        0 for the same picture, about 0.75 for unrelated ones, at most 2.
    """
    inner = np.ascontiguousarray(before[_MAX_SHIFT_Y:-_MAX_SHIFT_Y, _MAX_SHIFT_X:-_MAX_SHIFT_X])
    height, width = inner.shape[:2]
    correlation = cv2.matchTemplate(after, inner, cv2.TM_CCORR) / inner.size
    sums = cv2.integral(np.square(after).sum(axis=2))
    windows = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    inner_energy = float(np.square(inner).mean()) + _FLAT_ENERGY
    energies = np.sqrt(inner_energy * (windows / inner.size + _FLAT_ENERGY))
    return 1.0 - float(((correlation + _FLAT_ENERGY) / energies).max())


@dataclass(frozen=True)
class _BufferedFrame:
    """A frame in the buffer. `change` is the distance from the previous frame, None for the first."""

    ts_s: float
    structure: NDArray[np.float32]
    is_flat: bool
    change: float | None


class ShotDetector:
    """Decides for each frame, with a delay of `SHOT_CONTEXT_S`, whether a shot starts with it.

    Pass every frame to `push` and call `flush` after the last. All calls together return one decision per frame;
    the first is True.
    """

    def __init__(self, settings: DetectionSettings | None = None) -> None:
        self._settings = settings or DetectionSettings()
        self._frames: list[_BufferedFrame] = []
        self._next = 0

    def push(self, small_bgr: NDArray[np.uint8], ts_s: float) -> list[bool]:
        """Take the next frame.

        Args:
            small_bgr: (36, 64, 3) uint8, the whole picture scaled down by averaging.
            ts_s: its time in seconds, later than the one before.

        Returns:
            For the oldest undecided frames that can be decided now, whether a shot starts with them.

        Raises:
            ValueError: on another shape or type, or a time that does not increase.
        """
        if self._frames and not ts_s > self._frames[-1].ts_s:
            raise ValueError(f"frame times must increase: {ts_s} s after {self._frames[-1].ts_s} s")
        current = structure(small_bgr)
        change = structure_distance(self._frames[-1].structure, current) if self._frames else None
        self._frames.append(_BufferedFrame(ts_s, current, float(np.square(current).mean()) < _FLAT_ENERGY, change))
        decisions = []
        while self._can_decide():
            decisions.append(self._starts_shot(self._next))
            self._next += 1
            self._drop_old_frames()
        return decisions

    def flush(self) -> list[bool]:
        """The remaining decisions at the end of the video; the detector is reset."""
        decisions = [self._starts_shot(index) for index in range(self._next, len(self._frames))]
        self._frames, self._next = [], 0
        return decisions

    def _can_decide(self) -> bool:
        ahead = len(self._frames) - 1 - self._next
        if ahead < _GUARD + _MIN_NEIGHBOURS:
            return False
        return self._frames[-1].ts_s - self._frames[self._next].ts_s > SHOT_CONTEXT_S

    def _drop_old_frames(self) -> None:
        """Drop frames that no later decision needs."""
        reach = _GUARD + _MIN_NEIGHBOURS + 1
        while self._next > reach and self._frames[self._next - 1].ts_s - self._frames[0].ts_s > SHOT_CONTEXT_S:
            del self._frames[0]
            self._next -= 1

    def _starts_shot(self, index: int) -> bool:
        frame = self._frames[index]
        if frame.change is None:
            return True
        score = self._score(index)
        if score < self._settings.cut_threshold:
            return False
        typical_change = max(self._typical_change(index, -1), self._typical_change(index, 1))
        if not frame.is_flat and score < self._settings.cut_ratio * typical_change:
            return False
        return self._is_local_maximum(index, score) and not self._picture_returns(index)

    def _score(self, index: int) -> float:
        """The distance of a frame from the previous one, or of a change over two frames.

        In steady motion, two frames differ up to twice as much as one, so the distance over two frames is scaled.
        """
        frame, before = self._frames[index], self._frames[index - 1]
        if frame.change is None or before.is_flat:
            return 0.0
        if frame.is_flat:
            return 1.0
        if frame.change < self._settings.cut_threshold / 2:
            return frame.change
        steps = [(index - 2, index), (index - 1, index + 1)]
        two_frames = [self._distance(p, q) for p, q in steps if p >= 0 and q < len(self._frames)]
        return max([frame.change] + [distance * 2 / 3 for distance in two_frames])

    def _typical_change(self, index: int, direction: int) -> float:
        """The median change on one side, on which a second cut nearby has no effect."""
        changes: list[float] = []
        neighbour = index + direction * (_GUARD + 1)
        while 0 <= neighbour < len(self._frames):
            frame = self._frames[neighbour]
            gap_s = abs(frame.ts_s - self._frames[index].ts_s)
            reach_s = SHOT_CONTEXT_S if len(changes) >= _MIN_NEIGHBOURS else _REACH_S
            if frame.change is None or gap_s > reach_s:
                break
            changes.append(frame.change)
            neighbour += direction
        return float(np.median(changes)) if changes else 0.0

    def _is_local_maximum(self, index: int, score: float) -> bool:
        """Whether no frame within the shortest shot scores higher; of two equal ones the earlier is the cut."""
        ts_s, min_shot_s = self._frames[index].ts_s, self._settings.min_shot_s
        earlier = index - 1
        while earlier > 0 and ts_s - self._frames[earlier].ts_s < min_shot_s:
            if self._score(earlier) >= score:
                return False
            earlier -= 1
        later = index + 1
        while later < len(self._frames) and self._frames[later].ts_s - ts_s < min_shot_s:
            if self._score(later) > score:
                return False
            later += 1
        return True

    def _picture_returns(self, index: int) -> bool:
        """Whether the previous picture returns shortly after, or this one was already there shortly before."""
        before_s = self._frames[index - 1].ts_s
        after = index + 1
        while after < len(self._frames) and self._is_short(before_s, after):
            if self._is_same_picture(index - 1, after):
                return True
            after += 1
        before = index - 2
        while before >= 0 and self._is_short(self._frames[before].ts_s, index):
            if self._is_same_picture(before, index):
                return True
            before -= 1
        return False

    def _is_short(self, before_s: float, after: int) -> bool:
        return self._frames[after - 1].ts_s - before_s <= self._settings.flash_max_s

    def _is_same_picture(self, before: int, after: int) -> bool:
        if self._frames[before].is_flat or self._frames[after].is_flat:
            return False
        return self._distance(before, after) < self._settings.cut_threshold / 2

    def _distance(self, before: int, after: int) -> float:
        return structure_distance(self._frames[before].structure, self._frames[after].structure)
