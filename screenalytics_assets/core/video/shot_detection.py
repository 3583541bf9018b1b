"""Where one shot ends and the next begins, decided while the video streams by.

Two pictures are compared by their structure, at 64×36 pixels: each is normalised by its local mean and
local contrast, so that brightness, exposure and slow shading drop out, and the best correlation over small
shifts is taken, so that camera shake drops out. Pictures of different scenes have nothing but chance in
common, whatever their brightness; successive pictures of one shot keep most of their structure.

A cut is a change that is large, that stands out from the changes around it (a pan or a zoom goes on for
many frames, a cut is over at once), and after which the old picture does not come back (a flash).

A fade through black or white is one cut, at the first picture without structure; hard cuts out of such a
picture are not reported, since the shot started with it. So a fade in at the start of a video is no cut, and
a fade out at its end is one.

Dissolves longer than about two frames change too little per frame to be told from motion, and are not
reported (nor are they by PySceneDetect): where a face dissolves into another one in the same place, the
appearance gate divides their track.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.config.detection_keys import ShotSettings

SMALL_WIDTH, SMALL_HEIGHT = 64, 36

_BLUR_SIGMA_PX = 4.0
"""Local means span about a sixth of the picture: finer than shading, coarser than what a face is made of."""
_CONTRAST_FLOOR = 2.0
"""Grey levels. Rounding to 8 bits leaves 0.3 and codecs below 1 at this size; beneath that all is noise."""
_FLAT_ENERGY = 0.2**2
"""Mean square of a structure whose local contrast is half a grey level: nothing can be seen in it."""
_MAX_SHIFT_X, _MAX_SHIFT_Y = 4, 3
"""Pixels of the small picture: a jolt of 6 % of the width, 8 % of the height, between two frames."""
_MIN_NEIGHBOURS = 3
_GUARD = 1
"""Boundaries on each side of a cut that do not count as its neighbours: a cut may blend into one frame."""


def structure(small_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The picture with its local brightness and contrast taken out.

    Args:
        small_bgr: (36, 64, 3) uint8 BGR.

    Returns:
        (36, 64, 3) float32 around 0; the mean square is near 1 where there is contrast, near 0 where not.

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
    """How little two structures have in common: 1 minus their best normalised correlation over small shifts.

    The inner part of `before` is looked for in `after`. Energies are floored, so that two pictures without
    structure are alike, and one without differs from one with.

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
class _Look:
    """What is kept of a frame. `change` is the distance from the frame before, None for the first."""

    ts_s: float
    structure: NDArray[np.float32]
    is_flat: bool
    change: float | None


class ShotDetector:
    """Tells for each frame, in order and `context_s` late, whether a new shot starts with it.

    Feed every frame to `push` and call `flush` after the last. The verdicts that the calls return,
    concatenated, are one per frame; the first is True.
    """

    def __init__(self, settings: ShotSettings | None = None) -> None:
        self._settings = settings or ShotSettings()
        self._looks: list[_Look] = []
        self._next = 0

    def push(self, small_bgr: NDArray[np.uint8], ts_s: float) -> list[bool]:
        """Take the next frame.

        Args:
            small_bgr: (36, 64, 3) uint8, the whole picture scaled down by averaging.
            ts_s: its time in seconds, later than the one before.

        Returns:
            Verdicts that became final: whether a shot starts at the oldest undecided frames.

        Raises:
            ValueError: on another shape or type, or a time that does not increase.
        """
        if self._looks and not ts_s > self._looks[-1].ts_s:
            raise ValueError(f"frame times must increase: {ts_s} s after {self._looks[-1].ts_s} s")
        now = structure(small_bgr)
        change = structure_distance(self._looks[-1].structure, now) if self._looks else None
        self._looks.append(_Look(ts_s, now, float(np.square(now).mean()) < _FLAT_ENERGY, change))
        verdicts = []
        while self._sees_far_enough():
            verdicts.append(self._starts_shot(self._next))
            self._next += 1
            self._forget()
        return verdicts

    def flush(self) -> list[bool]:
        """The verdicts still due at the end of the video. The detector is then as new."""
        verdicts = [self._starts_shot(index) for index in range(self._next, len(self._looks))]
        self._looks, self._next = [], 0
        return verdicts

    def _sees_far_enough(self) -> bool:
        ahead = len(self._looks) - 1 - self._next
        if ahead < _GUARD + _MIN_NEIGHBOURS:
            return False
        return self._looks[-1].ts_s - self._looks[self._next].ts_s > self._settings.context_s

    def _forget(self) -> None:
        """Drop frames that no later verdict looks back to."""
        reach = _GUARD + _MIN_NEIGHBOURS + 1
        context_s = self._settings.context_s
        while self._next > reach and self._looks[self._next - 1].ts_s - self._looks[0].ts_s > context_s:
            del self._looks[0]
            self._next -= 1

    def _starts_shot(self, index: int) -> bool:
        look = self._looks[index]
        if look.change is None:
            return True
        score = self._score(index)
        if score < self._settings.cut_threshold:
            return False
        surroundings = max(self._typical_change(index, -1), self._typical_change(index, 1))
        if not look.is_flat and score < self._settings.cut_ratio * surroundings:
            return False
        return self._is_strongest(index, score) and not self._picture_returns(index)

    def _score(self, index: int) -> float:
        """How strongly a frame differs from the one before, also when the change took two frames.

        Under steady motion a picture two frames away differs up to twice as much as the next one, so the
        longer step counts for less.
        """
        look, before = self._looks[index], self._looks[index - 1]
        if look.change is None or before.is_flat:
            return 0.0
        if look.is_flat:
            return 1.0
        if look.change < self._settings.cut_threshold / 2:
            return look.change
        steps = [(index - 2, index), (index - 1, index + 1)]
        two_frames = [self._distance(p, q) for p, q in steps if p >= 0 and q < len(self._looks)]
        return max([look.change] + [distance * 2 / 3 for distance in two_frames])

    def _typical_change(self, index: int, direction: int) -> float:
        """The median change on one side, which a second cut nearby does not move."""
        changes: list[float] = []
        neighbour = index + direction * (_GUARD + 1)
        while 0 <= neighbour < len(self._looks):
            look = self._looks[neighbour]
            gap_s = abs(look.ts_s - self._looks[index].ts_s)
            if look.change is None or (len(changes) >= _MIN_NEIGHBOURS and gap_s > self._settings.context_s):
                break
            changes.append(look.change)
            neighbour += direction
        return float(np.median(changes)) if changes else 0.0

    def _is_strongest(self, index: int, score: float) -> bool:
        """No boundary closer than the shortest shot is stronger; the earlier of two equals stays."""
        ts_s, min_shot_s = self._looks[index].ts_s, self._settings.min_shot_s
        earlier = index - 1
        while earlier > 0 and ts_s - self._looks[earlier].ts_s < min_shot_s:
            if self._score(earlier) >= score:
                return False
            earlier -= 1
        later = index + 1
        while later < len(self._looks) and self._looks[later].ts_s - ts_s < min_shot_s:
            if self._score(later) > score:
                return False
            later += 1
        return True

    def _picture_returns(self, index: int) -> bool:
        """The last picture before comes back shortly after, or this one was there shortly before."""
        before_s = self._looks[index - 1].ts_s
        after = index + 1
        while after < len(self._looks) and self._disturbance_fits(before_s, after):
            if self._same_picture(index - 1, after):
                return True
            after += 1
        before = index - 2
        while before >= 0 and self._disturbance_fits(self._looks[before].ts_s, index):
            if self._same_picture(before, index):
                return True
            before -= 1
        return False

    def _disturbance_fits(self, before_s: float, after: int) -> bool:
        return self._looks[after - 1].ts_s - before_s <= self._settings.flash_max_s

    def _same_picture(self, before: int, after: int) -> bool:
        if self._looks[before].is_flat or self._looks[after].is_flat:
            return False
        return self._distance(before, after) < self._settings.cut_threshold / 2

    def _distance(self, before: int, after: int) -> float:
        return structure_distance(self._looks[before].structure, self._looks[after].structure)
