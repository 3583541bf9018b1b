"""Ground truth of an episode: who is where in every frame, and where the cuts are."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from screenalytics_assets.core.common.errors import TruthError
from screenalytics_assets.core.config.ranges import MAX_COUNT, MAX_SIDE_PX, problem_words

OPEN = -1
"""Index of the person of a face about which the truth does not say whose it is."""


class TruthFace(TypedDict):
    """One face of one frame in a truth file.

    `bbox` is x1, y1, x2, y2 in pixels of the frame; `visible` is the share of the face, 0 to 1, that is inside the
    frame and not covered. `person` is null where it was left open who it is: such a face is neither required nor
    false, like one of which too little is visible.
    """

    person: str | None
    bbox: list[float]
    visible: float


class TruthDocument(TypedDict):
    """A truth file: `shots` are [first, past the last] frame, `truth` has one list of faces per frame."""

    fps: float
    width: int
    height: int
    frames: int
    seed: NotRequired[int]
    shots: list[list[int]]
    truth: list[list[TruthFace]]


@dataclass(frozen=True)
class Truth:
    """A checked truth file, its faces in flat arrays ordered by frame.

    Attributes:
        fps: Frames a second.
        width: Frame width in pixels.
        height: Frame height in pixels.
        frames: Number of frames.
        shots: (S, 2) int64, first frame and the frame past the last; together they cover every frame.
        people: Names in alphabetical order.
        person_idx: (N,) int64, index into `people` of each face, or `OPEN`.
        boxes_px: (N, 4) float64, x1 y1 x2 y2 in pixels; may reach outside the frame.
        visible: (N,) float64, 0 to 1; 0 for an open face, so that it is not required.
        frame_offsets: (frames + 1,) int64; the faces of frame f are rows
            `frame_offsets[f]:frame_offsets[f + 1]`.
    """

    fps: float
    width: int
    height: int
    frames: int
    shots: NDArray[np.int64]
    people: tuple[str, ...]
    person_idx: NDArray[np.int64]
    boxes_px: NDArray[np.float64]
    visible: NDArray[np.float64]
    frame_offsets: NDArray[np.int64]

    @property
    def cuts(self) -> NDArray[np.int64]:
        """First frame of every shot but the first, (S - 1,) int64."""
        return self.shots[1:, 0]


_Side = Annotated[int, Field(ge=1, le=MAX_SIDE_PX)]
_Frame = Annotated[int, Field(ge=0, le=MAX_COUNT)]
# Boxes may reach outside the frame, those of detectors by less than its size.
_Coordinate = Annotated[FiniteFloat, Field(ge=-10 * MAX_SIDE_PX, le=10 * MAX_SIDE_PX)]


class _Face(BaseModel):
    person: Annotated[str, Field(min_length=1)] | None
    bbox: tuple[_Coordinate, _Coordinate, _Coordinate, _Coordinate]
    visible: Annotated[float, Field(ge=0, le=1)]


class _Document(BaseModel):
    fps: Annotated[FiniteFloat, Field(gt=0, le=1000)]
    width: _Side
    height: _Side
    frames: Annotated[int, Field(ge=1, le=MAX_COUNT)]
    shots: Annotated[list[tuple[_Frame, _Frame]], Field(min_length=1)]
    truth: list[list[_Face]]


def parse_truth(data: Mapping[str, object]) -> Truth:
    """Check a truth document and convert it to arrays.

    Args:
        data: The parsed JSON, in the form of `TruthDocument`; other keys are ignored.

    Returns:
        The truth, faces ordered by frame.

    Raises:
        TruthError: A key is missing or malformed, the shots do not cover the frames one after the other, or a box is
            empty. The message names the key, for example `truth[17][0].bbox`.
    """
    document = _validated(data)
    _check_shots(document)
    if len(document.truth) != document.frames:
        raise TruthError(
            f"truth: {len(document.truth)} lists of faces for frames = {document.frames}; "
            "give one list per frame, an empty one for a frame without faces"
        )
    for frame_idx, frame in enumerate(document.truth):
        for i, face in enumerate(frame):
            x1, y1, x2, y2 = face.bbox
            if x1 >= x2 or y1 >= y2:
                raise TruthError(
                    f"truth[{frame_idx}][{i}].bbox: {list(face.bbox)} is empty; expected x1 < x2 and y1 < y2"
                )
    faces = [face for frame in document.truth for face in frame]
    people = tuple(sorted({face.person for face in faces if face.person is not None}))
    index: dict[str | None, int] = {None: OPEN}
    index |= {person: i for i, person in enumerate(people)}
    return Truth(
        fps=document.fps,
        width=document.width,
        height=document.height,
        frames=document.frames,
        shots=np.array(document.shots, np.int64),
        people=people,
        person_idx=np.array([index[face.person] for face in faces], np.int64),
        boxes_px=np.array([face.bbox for face in faces], np.float64).reshape(-1, 4),
        visible=np.array([0.0 if face.person is None else face.visible for face in faces], np.float64),
        frame_offsets=np.cumsum([0, *(len(frame) for frame in document.truth)], dtype=np.int64),
    )


def _validated(data: Mapping[str, object]) -> _Document:
    try:
        return _Document.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        found = "" if first["type"] == "missing" else f", found {first['input']!r:.80}"
        more = f" ({error.error_count() - 1} more problems)" if error.error_count() > 1 else ""
        raise TruthError(
            f"{key.lstrip('.') or 'truth file'}: {problem_words(_Document, first)}{found}{more}"
        ) from error


def _check_shots(document: _Document) -> None:
    for i, (start, end) in enumerate(document.shots):
        if start >= end:
            raise TruthError(f"shots[{i}]: [{start}, {end}] is empty; expected first < past the last frame")
    for i, (before, after) in enumerate(pairwise(document.shots), start=1):
        if before[1] != after[0]:
            raise TruthError(f"shots[{i}]: starts at {after[0]}, but shots[{i - 1}] ends at {before[1]}")
    first, last = document.shots[0][0], document.shots[-1][1]
    if (first, last) != (0, document.frames):
        raise TruthError(f"shots: cover frames {first} to {last}; expected 0 to frames = {document.frames}")
