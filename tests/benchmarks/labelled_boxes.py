"""Faces that were labelled by hand on some frames of a clip, and how the detections agree with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.evaluation.truth import OPEN, Truth
from screenalytics_assets.core.evaluation.truth_matching import FALSE, match_to_truth

LABELS = ("face", "picture")
NEAREST_S = 0.1
"""A labelled frame that was not analysed is compared with the analysed frame nearest to it, this far away at most."""


class LabelledBox(BaseModel):
    """A box: a face, a picture of one, no face, or ``open`` where it is neither required nor false."""

    model_config = ConfigDict(extra="ignore")
    bbox: tuple[float, float, float, float]
    label: Literal["face", "picture", "no face", "open"]


class LabelledFrame(BaseModel):
    """A frame on which every face is labelled; what is found elsewhere on it is no face.

    Attributes:
        frame_idx: Number of the frame.
        ts_s: Its time.
        boxes: Normalised to 0-1, x1 y1 x2 y2.
    """

    frame_idx: int
    ts_s: float
    boxes: list[LabelledBox]


class BoxScores(NamedTuple):
    """Detections on the labelled frames; those on open boxes count nowhere.

    Attributes:
        frames: Labelled frames near which a frame was analysed.
        on_faces: Detections of a face.
        on_pictures: Detections of a picture of a face.
        on_nothing: Detections of no face, or a second one of a face.
        faces: Labelled faces on these frames.
    """

    frames: int
    on_faces: int
    on_pictures: int
    on_nothing: int
    faces: int

    @property
    def precision(self) -> float | None:
        """Share of the detections that are on faces; None without detections."""
        found = self.on_faces + self.on_pictures + self.on_nothing
        return self.on_faces / found if found else None

    @property
    def recall(self) -> float | None:
        """Share of the faces that were found; None without faces."""
        return self.on_faces / self.faces if self.faces else None


def read_boxes(path: Path) -> dict[str, list[LabelledFrame]]:
    """The labelled frames of each clip: ``{CLIP: [{"frame_idx", "ts_s", "boxes": [{"bbox", "label"}]}]}``."""
    return TypeAdapter(dict[str, list[LabelledFrame]]).validate_json(path.read_bytes())


def score_boxes(
    labelled: Sequence[LabelledFrame], analysed_frames: pa.Table, detections: pa.Table, size_px: tuple[int, int]
) -> BoxScores:
    """Match the detections of the labelled frames with their boxes, as `match_to_truth` does.

    Args:
        labelled: At least one frame, ascending.
        analysed_frames: frame_idx, ts_s; at least one.
        detections: frame_idx, bbox normalised to 0-1.
        size_px: Width and height of the video.
    """
    analysed_s = column_of(analysed_frames, "ts_s")
    nearest = [int(np.argmin(np.abs(analysed_s - frame.ts_s))) for frame in labelled]
    near = [i for i, frame in enumerate(labelled) if abs(analysed_s[nearest[i]] - frame.ts_s) <= NEAREST_S]
    truth = _truth([labelled[i] for i in near], size_px)
    # Frames are numbered by their place among the labelled ones.
    analysed_idx = column_of(analysed_frames, "frame_idx")[[nearest[i] for i in near]]
    compared = pa.concat_tables(
        [_on_frame(detections, int(frame_idx), place) for place, frame_idx in enumerate(analysed_idx)]
        or [detections.slice(0, 0)]
    )
    matching = match_to_truth(truth, np.arange(len(near), dtype=np.int32), compared)
    shown = matching.face_of_detection[matching.face_of_detection >= 0]
    counts = [int((truth.person_idx[shown] == label).sum()) for label in range(len(LABELS))]
    return BoxScores(
        frames=len(near),
        on_faces=counts[0],
        on_pictures=counts[1],
        on_nothing=int((matching.face_of_detection == FALSE).sum()),
        faces=int((truth.person_idx == LABELS.index("face")).sum()),
    )


def _on_frame(detections: pa.Table, frame_idx: int, place: int) -> pa.Table:
    rows = np.flatnonzero(column_of(detections, "frame_idx") == frame_idx)
    return pa.table({"frame_idx": np.full(len(rows), place, np.int32), "bbox": detections["bbox"].take(rows)})


def _truth(labelled: Sequence[LabelledFrame], size_px: tuple[int, int]) -> Truth:
    boxes = [[box for box in frame.boxes if box.label != "no face"] for frame in labelled]
    flat = [box for of_frame in boxes for box in of_frame]
    width, height = size_px
    person_idx: NDArray[np.int64] = np.array(
        [LABELS.index(box.label) if box.label in LABELS else OPEN for box in flat], np.int64
    )
    return Truth(
        fps=1.0,
        width=width,
        height=height,
        frames=len(labelled),
        shots=np.array([[0, len(labelled)]], np.int64),
        people=LABELS,
        person_idx=person_idx,
        boxes_px=np.array([box.bbox for box in flat], np.float64).reshape(-1, 4) * [width, height, width, height],
        visible=np.where(person_idx == OPEN, 0.0, 1.0),
        frame_offsets=np.cumsum([0, *(len(of_frame) for of_frame in boxes)], dtype=np.int64),
    )
