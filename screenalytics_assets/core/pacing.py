"""Which frames to look at: few where nothing changes, more where something does.

Two looks that show the same faces in the same places leave nothing to find between them. Where they differ, the frame
in the middle is looked at, and so on down to the stride, so that the moment at which somebody comes, goes or moves on
is known as exactly as if each frame of the stride had been looked at.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from screenalytics_assets.core.geometry import iou_matrix

SAME_PLACE_IOU = 0.5
"""Least overlap of a face's boxes in two looks that show it in the same place.

The customary limit at which two boxes mean one object (Everingham et al., PASCAL VOC, 2010), and far above the least
overlap with which the tracker links them.
"""

MAX_FACE_CHANGE = 0.1
"""Largest mean difference, 0 to 1, of the pictures of a face in two looks that need no look in between.

On the group photograph that InsightFace ships, in one light, pictures of two different people differ by 0.123 to 0.173,
and those of one face with its box displaced by 6 % of its width by 0.053 to 0.071, by 10 % by 0.084 to 0.105. A false
alarm costs a look, and nothing else.
"""

PATCH_PX = 16
"""Side of the gray picture of each face that two looks are compared by."""


class Position(Protocol):
    """A frame and where it stands in its shot."""

    @property
    def position(self) -> int:
        """Number of the frame in its shot, from 0."""

    @property
    def is_last(self) -> bool:
        """Whether the next frame is in another shot."""

    @property
    def is_usable(self) -> bool:
        """Whether the frame can be looked at."""


class Scene(NamedTuple):
    """What a look shows, as far as looks are compared.

    Attributes:
        boxes_px: (N, 4) float32, the faces.
        patches: (N, 16, 16) uint8, their gray pictures.
    """

    boxes_px: NDArray[np.float32]
    patches: NDArray[np.uint8]


FrameT = TypeVar("FrameT", bound=Position)
LookT = TypeVar("LookT")


def is_unchanged(before: Scene, after: Scene) -> bool:
    """Whether each face of either look has a face of the other in the same place that looks the same."""
    if len(before.boxes_px) != len(after.boxes_px):
        return False
    overlap = iou_matrix(before.boxes_px, after.boxes_px)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    change = np.abs(before.patches[rows].astype(np.int16) - after.patches[columns]).mean((1, 2)) / 255
    return bool((overlap[rows, columns] >= SAME_PLACE_IOU).all() and (change <= MAX_FACE_CHANGE).all())


def paced_looks(
    frames: Iterable[FrameT],
    look: Callable[[FrameT], LookT],
    scene_of: Callable[[LookT], Scene],
    *,
    stride: int,
    rest: int,
) -> Iterator[LookT]:
    """Look at the first and last frame of each shot, between them at each ``rest``-th, and closer where looks differ.

    An unusable frame is passed over for the next one. Frames are kept until the next look, not longer.

    Args:
        frames: All frames in the order of display.
        look: Looks at a frame.
        scene_of: What a look shows.
        stride: Looks are never closer than this many frames, but at the end of a shot.
        rest: Looks are never farther apart than this many frames.

    Yields:
        The looks, in the order of the frames.
    """
    waiting: list[FrameT] = []
    last: LookT | None = None
    due = False
    for frame in frames:
        if frame.position == 0:
            waiting, last = [], None
        waiting.append(frame)
        due = due or last is None or frame.is_last or len(waiting) >= rest
        if not due or not frame.is_usable:
            continue
        due = False
        found = look(frame)
        if last is not None:
            yield from _between(waiting[:-1], last, found, look, scene_of, stride)
        yield found
        waiting, last = [], found


def _between(
    frames: list[FrameT],
    before: LookT,
    after: LookT,
    look: Callable[[FrameT], LookT],
    scene_of: Callable[[LookT], Scene],
    stride: int,
) -> Iterator[LookT]:
    """Looks at frames between two looks; ``frames[0]`` follows the first of them, the second follows the last."""
    if is_unchanged(scene_of(before), scene_of(after)):
        return
    steps = range(stride - 1, len(frames), stride)
    usable = [step for step in steps if frames[step].is_usable]
    if not usable:
        return
    middle = usable[(len(usable) - 1) // 2]
    found = look(frames[middle])
    yield from _between(frames[:middle], before, found, look, scene_of, stride)
    yield found
    yield from _between(frames[middle + 1 :], found, after, look, scene_of, stride)
