"""The faces that a detector finds in one frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FrameFaces:
    """The output of a detector for one frame, in pixels of that frame.

    Attributes:
        boxes_px: (N, 4) float32, x1 y1 x2 y2; may reach outside the frame.
        scores: (N,) float32, 0 to 1.
        landmarks_px: (N, 5, 2) float32, x y of left eye, right eye, nose, left and right mouth corner,
            left and right as seen in the picture.
    """

    boxes_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks_px: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def empty(cls) -> "FrameFaces":
        """No faces."""
        return cls(np.empty((0, 4), np.float32), np.empty((0,), np.float32), np.empty((0, 5, 2), np.float32))
