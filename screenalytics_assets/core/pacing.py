"""Which frames to look at: few where nothing changes, all of the stride where something does.

Two looks that show the same faces in the same places leave nothing to find between them, unless the picture shows
something there that neither of them has, or somebody has just gone or is about to come, who may be there with a box
too weak to count by itself. Where that is so each frame of the stride is looked at, so that the moment at which
somebody comes, goes or moves on is known as exactly as if it had been done everywhere.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from screenalytics_assets.core.geometry import iou_matrix
from screenalytics_assets.core.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.shot_frames import ShotFrame
from screenalytics_assets.core.weak_faces import MAX_GAP_S, MIN_IOU

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

MAX_GLIMPSE = 64
"""Gray levels by which a part of the small picture may differ from both looks around it, unless it is to be looked at.

A quarter of the scale: less than what somebody who crosses the picture changes against most backgrounds, more than what
talking heads do. A part is 1/64 of the width: a face small enough to be refused covers one or two.
"""

A = TypeVar("A")
B = TypeVar("B")


class InOrder(Protocol):
    """The builtin ``map``, or one whose calls overlap; the results come in the order of the items."""

    def __call__(self, function: Callable[[A], B], items: Iterable[A], /) -> Iterator[B]:
        """The function's result for each item; items are taken as results are asked for, or a few ahead."""


class Scene(NamedTuple):
    """What a look shows, as far as looks are compared.

    Attributes:
        boxes_px: (N, 4) float32, the faces.
        strong: (N,) whether a box is a face by its own score.
        patches: (N, 16, 16) uint8, their gray pictures.
    """

    boxes_px: NDArray[np.float32]
    strong: NDArray[np.bool_]
    patches: NDArray[np.uint8]


class Seen(Protocol):
    """A look."""

    @property
    def ts_s(self) -> float:
        """Time of its frame in seconds."""

    @property
    def scene(self) -> Scene:
        """What it shows."""


LookT = TypeVar("LookT", bound=Seen)
LookAt = Callable[[ShotFrame, bool], LookT]
"""Looks at a frame, closely or not."""


class Span(NamedTuple):
    """The way from one look to the next.

    Attributes:
        begin: The frame of the one; None if the other is the first of its shot.
        between: The frames of the stride between them.
        end: The frame of the other.
        closely: Whether the other is a close one.
    """

    begin: ShotFrame | None
    between: list[ShotFrame]
    end: ShotFrame
    closely: bool


def scene_of(picture_bgr: NDArray[np.uint8], boxes_px: NDArray[np.float32], strong: NDArray[np.bool_]) -> Scene:
    """What a look shows.

    Args:
        picture_bgr: (H, W, 3).
        boxes_px: (N, 4) x1 y1 x2 y2, inside the picture.
        strong: (N,) whether a box is a face by its own score.
    """
    patches = np.zeros((len(boxes_px), PATCH_PX, PATCH_PX), np.uint8)
    for patch, (left, top, right, bottom) in zip(patches, boxes_px.round().astype(int).tolist(), strict=True):
        face = picture_bgr[top : max(bottom, top + 1), left : max(right, left + 1)]
        if face.size:
            small = cv2.resize(face, (PATCH_PX, PATCH_PX), interpolation=cv2.INTER_AREA)
            patch[:] = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    return Scene(boxes_px, strong, patches)


def is_unchanged(before: Scene, after: Scene, *, gap_s: float) -> bool:
    """Whether each box of either look has one of the other in the same place that looks the same.

    One of the two must be a face by its own score: a box that is none in either may be one between them. Both must be
    where the looks are so far apart that a weak box would not count as going on.
    """
    overlap = iou_matrix(before.boxes_px, after.boxes_px)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    change = np.abs(before.patches[rows].astype(np.int16) - after.patches[columns]).mean((1, 2)) / 255
    same = (overlap[rows, columns] >= SAME_PLACE_IOU) & (change <= MAX_FACE_CHANGE)
    strong = (before.strong[rows], after.strong[columns])
    known = np.logical_or(*strong) if gap_s <= MAX_GAP_S else np.logical_and(*strong)
    return bool(len(before.boxes_px) == len(after.boxes_px) and (same & known).all())


def has_more(look: Scene, other: Scene) -> bool:
    """Whether a look has a box where the other has none, not even one that it could have come from."""
    overlap = iou_matrix(look.boxes_px, other.boxes_px)
    return bool((overlap.max(axis=1, initial=0.0) < MIN_IOU).any())


def paced_looks(
    frames: Iterable[ShotFrame],
    look: LookAt[LookT],
    *,
    stride: int,
    rest: int,
    close_look_interval_s: float,
    in_order: InOrder,
) -> Iterator[LookT]:
    """Look at the first and last frame of each shot, between them at each ``rest``-th, and where needed at the stride.

    An unusable frame is passed over for the next one. Frames are kept for a few spans, not longer.

    Args:
        frames: All frames in the order of display.
        look: Looks at a frame.
        stride: Looks are never closer than this many frames, but at the end of a shot.
        rest: Looks are never farther apart than this many frames; a multiple of the stride.
        close_look_interval_s: The first look of each shot is a close one, and then one each so often.
        in_order: Applies a function to each of a stream.

    Yields:
        The looks, in the order of the frames.
    """

    def reach(span: Span) -> tuple[Span, LookT]:
        return span, look(span.end, span.closely)

    def look_between(frame: ShotFrame) -> LookT:
        return look(frame, False)

    recent: list[LookT] = []
    reached = in_order(reach, _spans(frames, stride, rest, close_look_interval_s))
    for (span, after), following in _with_next(reached):
        if span.begin is None:
            recent = []
        recent = [seen for seen in recent if seen.ts_s >= recent[-1].ts_s - MAX_GAP_S - CLOCK_TOLERANCE_S]
        comes = following is not None and following[0].begin is not None and has_more(following[1].scene, after.scene)
        if comes or _is_restless(span, [seen.scene for seen in recent], after.scene):
            for found in in_order(look_between, span.between):
                recent.append(found)
                yield found
        recent.append(after)
        yield after


def _is_restless(span: Span, recent: list[Scene], after: Scene) -> bool:
    if span.begin is None or not span.between:
        return False
    before = recent[-1]
    gone = any(has_more(earlier, before) for earlier in recent[:-1])
    gap_s = span.end.frame.ts_s - span.begin.frame.ts_s
    return gone or not is_unchanged(before, after, gap_s=gap_s) or _has_glimpse(span.begin, span.between, span.end)


def _with_next(items: Iterable[A]) -> Iterator[tuple[A, A | None]]:
    waiting: list[A] = []
    for item in items:
        if waiting:
            yield waiting.pop(), item
        waiting.append(item)
    if waiting:
        yield waiting.pop(), None


def _spans(frames: Iterable[ShotFrame], stride: int, rest: int, close_look_interval_s: float) -> Iterator[Span]:
    begin: ShotFrame | None = None
    between: list[ShotFrame] = []
    due = True
    next_close_s = -np.inf
    # Frames that the decoder leaves out count too.
    last_look = last_step = 0
    for shot_frame in frames:
        frame = shot_frame.frame
        if shot_frame.position == 0:
            begin, between, next_close_s = None, [], -np.inf
        closely = frame.ts_s >= next_close_s - CLOCK_TOLERANCE_S
        on_stride = frame.index - last_step >= stride
        rested = frame.index - last_look >= rest
        due = due or begin is None or shot_frame.is_last or rested or (closely and on_stride)
        if frame.is_corrupt:
            continue
        if due:
            next_close_s = frame.ts_s + close_look_interval_s if closely else next_close_s
            yield Span(begin, between, shot_frame, closely)
            begin, between, due = shot_frame, [], False
            last_look = last_step = frame.index
        elif on_stride:
            between.append(shot_frame)
            last_step = frame.index


def _has_glimpse(before: ShotFrame, frames: list[ShotFrame], after: ShotFrame) -> bool:
    """Whether a part of a frame differs from both looks."""
    small = np.stack([frame.small_bgr for frame in frames]).astype(np.int16)
    ends = [np.abs(small - frame.small_bgr).mean(-1) for frame in (before, after)]
    return bool(np.minimum(*ends).max() > MAX_GLIMPSE)
