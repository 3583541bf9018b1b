"""The faces that a detector finds in one frame."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _no_boxes() -> NDArray[np.float32]:
    return np.empty((0, 4), np.float32)


@dataclass(frozen=True)
class FrameFaces:
    """The output of a detector for one frame, in pixels of that frame.

    Attributes:
        boxes_px: (N, 4) float32, x1 y1 x2 y2; may reach outside the frame.
        scores: (N,) float32, 0 to 1.
        landmarks_px: (N, 5, 2) float32, x y of left eye, right eye, nose, left and right mouth corner,
            left and right as seen in the picture.
        refused_px: (M, 4) float32, boxes that a verifier took for no face.
    """

    boxes_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks_px: NDArray[np.float32]
    refused_px: NDArray[np.float32] = field(default_factory=_no_boxes)

    def __len__(self) -> int:
        return len(self.scores)

    def chosen(self, rows: ArrayLike) -> "FrameFaces":
        """The faces of some rows, in their order: indices or a mask."""
        chosen = np.asarray(rows)
        return replace(
            self,
            boxes_px=self.boxes_px[chosen],
            scores=self.scores[chosen],
            landmarks_px=self.landmarks_px[chosen],
        )

    @classmethod
    def empty(cls) -> "FrameFaces":
        """No faces."""
        return cls(_no_boxes(), np.empty((0,), np.float32), np.empty((0, 5, 2), np.float32))

    @classmethod
    def joined(cls, parts: Sequence["FrameFaces"]) -> "FrameFaces":
        """The faces of several passes over one frame; at least one pass."""
        return cls(
            np.concatenate([part.boxes_px for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.landmarks_px for part in parts]),
            np.concatenate([part.refused_px for part in parts]),
        )
