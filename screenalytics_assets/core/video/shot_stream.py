"""The frames of a video, each with its shot."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.config.detection_keys import DetectionSettings
from screenalytics_assets.core.video.shot_detection import SMALL_HEIGHT, SMALL_WIDTH, ShotDetector


class Frame(Protocol):
    """A decoded frame of the source; its pictures can be made in any thread."""

    @property
    def index(self) -> int:
        """Position in the source, from 0."""

    @property
    def ts_s(self) -> float:
        """Presentation time in seconds from the start of the file."""

    @property
    def is_corrupt(self) -> bool:
        """Whether the decoder had to conceal damage."""

    def bgr(self) -> NDArray[np.uint8]:
        """(H, W, 3), upright."""

    def small_bgr(self, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width, 3), for shot detection."""


class ShotFrame(NamedTuple):
    """A frame and its position in its shot.

    Attributes:
        frame: The frame.
        small_bgr: (36, 64, 3) uint8, the whole picture downscaled.
        shot_idx: The shot.
        position: Number of the frame in its shot, from 0.
        is_last: Whether the next frame is in another shot.
    """

    frame: Frame
    small_bgr: NDArray[np.uint8]
    shot_idx: int
    position: int
    is_last: bool


def frames_with_shots(
    frames: Iterable[Frame], settings: DetectionSettings, missing: Sequence[tuple[float, float]] = ()
) -> Iterator[ShotFrame]:
    """Each frame with its shot, as soon as it is decided whether the next frame starts a new one.

    Args:
        frames: The frames.
        settings: When a picture starts a shot.
        missing: Start and end of the intervals without pictures; the first frame after each starts a shot.
    """
    detector = ShotDetector(settings)
    gaps = deque(missing)
    waiting: deque[tuple[Frame, NDArray[np.uint8]]] = deque()
    decided: deque[bool] = deque()
    shot_idx, position = -1, 0
    for frame in frames:
        if gaps and frame.ts_s >= gaps[0][1] - CLOCK_TOLERANCE_S:
            # A new shot, whatever the pictures look like.
            decided.extend(detector.flush())
        while gaps and frame.ts_s >= gaps[0][1] - CLOCK_TOLERANCE_S:
            gaps.popleft()
        small_bgr = frame.small_bgr(SMALL_WIDTH, SMALL_HEIGHT)
        waiting.append((frame, small_bgr))
        decided.extend(detector.push(small_bgr, frame.ts_s))
        while len(decided) > 1:
            shot_idx, position = (shot_idx + 1, 0) if decided.popleft() else (shot_idx, position + 1)
            yield ShotFrame(*waiting.popleft(), shot_idx, position, is_last=decided[0])
    decided.extend(detector.flush())
    while decided:
        shot_idx, position = (shot_idx + 1, 0) if decided.popleft() else (shot_idx, position + 1)
        yield ShotFrame(*waiting.popleft(), shot_idx, position, is_last=not decided or decided[0])
