"""Which frames to look at: few where nothing changes, all of the stride where something does.

Two looks that show the same faces in the same places leave nothing to find between them, unless the picture shows
something there that neither of them has, or somebody has just gone or is about to come, who may be there with a box
too weak to count by itself. Where that is so the way between them is halved, and its halves are judged in turn, until
they are short; there each frame of the stride is looked at, so that the moment at which somebody comes, goes or moves
on is known as exactly as if it had been done everywhere. Between two of these of which
one alone has a box, too weak to be sure of, every frame is looked at: such a face is found in some frames and not in
others, and by the stride alone it would be chance whether it is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from screenalytics_assets.core.common.geometry import iou_matrix
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.detection.hysteresis import MAX_GAP_S, MIN_IOU
from screenalytics_assets.core.video.shot_stream import ShotFrame

SAME_PLACE_IOU = 0.5
"""Least overlap of a face's boxes in two looks that show it in the same place.

The customary limit at which two boxes mean one object (Everingham et al., PASCAL VOC, 2010), and far above the least
overlap with which the tracker links them.
"""

MAX_FACE_CHANGE = 0.3
"""Largest difference by ``picture_change`` of the pictures of a face in two looks that need no look in between.

On the group photograph that InsightFace ships pictures of two different people differ by 0.40 to 0.58, and those of one
face with its box displaced by 3 % of its width by 0.10 to 0.16, by 6 % by 0.18 to 0.28, by 10 % by 0.28 to 0.39; with
half or 1.4 times the light by less than 0.08. A false alarm costs a look, and nothing else.
"""

CONTRAST_FLOOR = 1.0
"""Gray levels: what rounding and codecs leave of a picture without contrast."""

SHORT_S = 0.5
"""A way of this length or less between two looks is not halved: its strides are few, and a head turns in that time."""

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


class Passed(NamedTuple):
    """A frame on the way, and whether it is one of the stride."""

    frame: ShotFrame
    on_stride: bool


class Span(NamedTuple):
    """The way from one look to the next.

    Attributes:
        begin: The frame of the one; None if the other is the first of its shot.
        between: The frames between them.
        end: The frame of the other.
        closely: Whether the other is a close one.
    """

    begin: ShotFrame | None
    between: list[Passed]
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
    change = picture_change(before.patches[rows], after.patches[columns])
    same = (overlap[rows, columns] >= SAME_PLACE_IOU) & (change <= MAX_FACE_CHANGE)
    strong = (before.strong[rows], after.strong[columns])
    known = np.logical_or(*strong) if gap_s <= MAX_GAP_S else np.logical_and(*strong)
    return bool(len(before.boxes_px) == len(after.boxes_px) and (same & known).all())


def picture_change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How little pictures have in common, whatever their brightness and contrast.

    Half the mean difference of the two, each around its own mean and in units of its own mean deviation: 0 for the same
    picture, at most 1, and 0.71 for unrelated ones with values of a normal distribution.

    Args:
        before: (N, H, W) gray.
        after: (N, H, W), one for each.

    Returns:
        (N,).
    """
    return np.asarray(np.abs(_normalised(before) - _normalised(after)).mean((1, 2)) / 2)


def _normalised(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    around = pictures - pictures.mean((1, 2), keepdims=True, dtype=np.float32)
    return np.asarray(around / (np.abs(around).mean((1, 2), keepdims=True) + CONTRAST_FLOOR), np.float32)


def has_more(look: Scene, other: Scene) -> bool:
    """Whether a look has a box where the other has none, not even one that it could have come from."""
    overlap = iou_matrix(look.boxes_px, other.boxes_px)
    return bool((overlap.max(axis=1, initial=0.0) < MIN_IOU).any())


def has_doubtful(look: Scene, other: Scene) -> bool:
    """Whether a look has a box too weak to be a face by itself, and the other none that it could be."""
    overlap = iou_matrix(look.boxes_px[~look.strong], other.boxes_px)
    return bool((overlap.max(axis=1, initial=0.0) < MIN_IOU).any())


def sample_adaptively(
    frames: Iterable[ShotFrame],
    look: LookAt[LookT],
    *,
    stride: int,
    rest: int,
    halvings: int,
    close_look_interval_s: float,
    in_order: InOrder,
) -> Iterator[LookT]:
    """Look at the first and last frame of each shot, between them at each ``rest``-th, and where needed at more.

    An unusable frame is passed over for the next one. Frames are kept for a few spans, not longer.

    Args:
        frames: All frames in the order of display.
        look: Looks at a frame.
        stride: Looks are never closer than this many frames, but at the end of a shot and where a face is doubtful.
        rest: Looks are never farther apart than this many frames; a multiple of the stride.
        halvings: How often a way in which something changes is halved before all of its stride is looked at.
        close_look_interval_s: The first look of each shot is a close one, and then one each so often.
        in_order: Applies a function to each of a stream.

    Yields:
        The looks, in the order of the frames.
    """

    def reach(span: Span) -> tuple[Span, LookT]:
        return span, look(span.end, span.closely)

    def looks_on(span: Span, after: LookT, following: Scene | None, ways: Sequence[_Division]) -> Iterator[LookT]:
        if ways and span.between and ways[0].is_needed(span, [seen.scene for seen in recent], after.scene, following):
            *pieces, last = ways[0].pieces(span)
            ends = [*in_order(reach, pieces), (last, after)]
            scenes = [*(end.scene for _, end in ends[1:]), following]
            for (piece, end), after_it in zip(ends, scenes, strict=True):
                yield from looks_on(piece, end, after_it, ways[1:])
        else:
            recent.append(after)
            yield after

    recent: list[LookT] = []
    ways = [_Division(_is_restless, _halves)] * halvings
    ways += [_Division(_is_restless, _strides), _Division(_is_unsure, _frames)]
    for (span, after), following in _with_next(in_order(reach, _spans(frames, stride, rest, close_look_interval_s))):
        is_in_shot = following is not None and following[0].begin is not None
        recent = [] if span.begin is None else _since(recent, recent[-1].ts_s - MAX_GAP_S)
        yield from looks_on(span, after, following[1].scene if following is not None and is_in_shot else None, ways)


class _Division(NamedTuple):
    """When a way is divided, and how: its pieces, the last of which ends where it ended."""

    is_needed: Callable[[Span, list[Scene], Scene, Scene | None], bool]
    pieces: Callable[[Span], list[Span]]


def _since(looks: list[LookT], ts_s: float) -> list[LookT]:
    return [seen for seen in looks if seen.ts_s >= ts_s - CLOCK_TOLERANCE_S]


def _halves(span: Span) -> list[Span]:
    steps = [i for i, passed in enumerate(span.between) if passed.on_stride]
    return _split(span, steps[len(steps) // 2 :][:1])


def _strides(span: Span) -> list[Span]:
    return _split(span, [i for i, passed in enumerate(span.between) if passed.on_stride])


def _frames(span: Span) -> list[Span]:
    return _split(span, list(range(len(span.between))))


def _split(span: Span, positions: list[int]) -> list[Span]:
    pieces = []
    begin, start = span.begin, 0
    for position in positions:
        frame = span.between[position].frame
        pieces.append(Span(begin, span.between[start:position], frame, closely=False))
        begin, start = frame, position + 1
    return [*pieces, span._replace(begin=begin, between=span.between[start:])]


def _is_restless(span: Span, recent: list[Scene], after: Scene, following: Scene | None) -> bool:
    """Whether something changes on the way, or has just changed or is about to."""
    if span.begin is None:
        return False
    before = recent[-1]
    gone = any(has_more(earlier, before) for earlier in recent[:-1])
    comes = following is not None and has_more(following, after)
    gap_s = span.end.frame.ts_s - span.begin.frame.ts_s
    return gone or comes or not is_unchanged(before, after, gap_s=gap_s) or _has_glimpse(span)


def _is_unsure(span: Span, recent: list[Scene], after: Scene, _following: Scene | None) -> bool:
    """Whether there is a box too weak to be a face in one look, and none in its place in the other."""
    return span.begin is not None and (has_doubtful(recent[-1], after) or has_doubtful(after, recent[-1]))


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
    between: list[Passed] = []
    due = True
    next_close_s = -np.inf
    # Frames that the decoder leaves out count too, so that looks are as many with them as without.
    next_look = next_step = 0
    for shot_frame in frames:
        frame = shot_frame.frame
        if shot_frame.position == 0:
            begin, between, next_close_s = None, [], -np.inf
        closely = frame.ts_s >= next_close_s - CLOCK_TOLERANCE_S
        on_stride = frame.index >= next_step
        due = due or begin is None or shot_frame.is_last or frame.index >= next_look or (closely and on_stride)
        if frame.is_corrupt:
            continue
        if due:
            next_close_s = frame.ts_s + close_look_interval_s if closely else next_close_s
            yield Span(begin, between, shot_frame, closely)
            next_look = _after(frame.index if begin is None else next_look, rest, frame.index)
            next_step = _after(frame.index if begin is None else next_step, stride, frame.index)
            begin, between, due = shot_frame, [], False
        else:
            between.append(Passed(shot_frame, on_stride))
            next_step = _after(next_step, stride, frame.index) if on_stride else next_step


def _after(planned: int, step: int, index: int) -> int:
    """The frame to look at next: a step from where this look was planned, or from the look if it came early or late."""
    return (planned if planned <= index < planned + step else index) + step


def _has_glimpse(span: Span) -> bool:
    """Whether a part of a frame on the way differs from both looks."""
    if span.begin is None:
        return False
    small = np.stack([passed.frame.small_bgr for passed in span.between]).astype(np.int16)
    ends = [np.abs(small - frame.small_bgr).mean(-1) for frame in (span.begin, span.end)]
    return bool(np.minimum(*ends).max() > MAX_GLIMPSE)
