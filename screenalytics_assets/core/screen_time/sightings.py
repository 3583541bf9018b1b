"""When the faces of tracks are in the picture."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import boxes_of, column_of
from screenalytics_assets.core.common.intervals import Intervals, merged
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S

HIDDEN_COVERAGE = 0.4
"""A face is hidden if another one covers at least this share of it: one minus the share that must be visible for a face
to count as on screen in the evaluation (`truth_matching.MIN_VISIBLE`)."""


class Sightings:
    """When the faces of each track are in the picture.

    An analysed frame stands for the time around it: from half way to the previous analysed frame to half way to the
    next, and to the ends of its shot at either side. A person who appears or disappears between two analysed frames is
    counted too long or too short by at most half a step, and the error is zero on average. No time reaches across a cut
    or past the end of the video.

    Args:
        tracks: Rows of the tracks table.
        analysed_frames: The frames that the detector analysed.
        shots: The shots of the episode.
    """

    def __init__(self, tracks: pa.Table, analysed_frames: pa.Table, shots: pa.Table) -> None:
        order = np.argsort(column_of(analysed_frames, "frame_idx"), kind="stable")
        self._shot = column_of(analysed_frames, "shot_idx")[order]
        self._shot_spans = np.column_stack([column_of(shots, "start_s"), column_of(shots, "end_s")])
        self._spans = _spans(column_of(analysed_frames, "ts_s")[order], self._shot, self._shot_spans)
        boxes = tracks["boxes"].combine_chunks()
        entries = boxes.flatten()
        frames = np.searchsorted(column_of(analysed_frames, "frame_idx")[order], entries.field("frame_idx").to_numpy())
        by_frame = np.argsort(frames, kind="stable")
        self._row_of = {track_id: row for row, track_id in enumerate(tracks["track_id"].to_pylist())}
        self._track = np.repeat(np.arange(tracks.num_rows), boxes.value_lengths().to_numpy())[by_frame]
        self._boxes = boxes_of(entries.field("bbox"))[by_frame].astype(np.float64)
        self._frames = frames[by_frame]

    @property
    def step_s(self) -> float:
        """The usual time from one analysed frame to the next; 0 without any."""
        return float(np.median(self._spans[:, 1] - self._spans[:, 0])) if len(self._spans) else 0.0

    def intervals(self, track_ids: Sequence[str], *, gap_s: float = 0.0, padding_s: float = 0.0) -> Intervals:
        """The time in which at least one of the tracks has a face.

        Args:
            track_ids: The tracks.
            gap_s: Within a shot, gaps up to this long are bridged, except for frames in which another face covers the
                position interpolated between the boxes before and after the gap.
            padding_s: Each interval is extended by this at both ends, within its shot.

        Returns:
            Merged intervals.
        """
        own = np.isin(self._track, [self._row_of[track_id] for track_id in track_ids])
        frames, first_rows = np.unique(self._frames[own], return_index=True)
        if gap_s and len(frames):
            bridged = self._bridged(frames, self._boxes[own][first_rows], ~own, gap_s)
            frames = np.union1d(frames, np.asarray(bridged, np.int64))
        shots, firsts = np.unique(self._shot[frames], return_index=True)
        padding = np.array([-padding_s, padding_s])
        found = [np.empty((0, 2))]
        for shot, rows in zip(shots, np.split(frames, firsts[1:]) if len(frames) else [], strict=True):
            inside = merged(self._spans[rows], gap_s=CLOCK_TOLERANCE_S) + padding
            found.append(np.clip(inside, *self._shot_spans[shot]))
        return merged(np.concatenate(found), gap_s=CLOCK_TOLERANCE_S)

    def _bridged(
        self, frames: NDArray[np.integer], boxes: NDArray[np.float64], others: NDArray[np.bool_], gap_s: float
    ) -> list[int]:
        unseen_s = self._spans[frames[1:], 0] - self._spans[frames[:-1], 1]
        same_shot = self._shot[frames[1:]] == self._shot[frames[:-1]]
        gaps = np.flatnonzero(same_shot & (np.diff(frames) > 1) & (unseen_s <= gap_s + CLOCK_TOLERANCE_S))
        other_frames, other_boxes = self._frames[others], self._boxes[others]
        found = []
        for gap in gaps:
            before, after = frames[gap], frames[gap + 1]
            for frame in range(before + 1, after):
                share = (frame - before) / (after - before)
                place = boxes[gap] + share * (boxes[gap + 1] - boxes[gap])
                rows = slice(*np.searchsorted(other_frames, [frame, frame + 1]))
                if not _is_hidden(place, other_boxes[rows]):
                    found.append(frame)
        return found


def _is_hidden(place: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    sides = np.clip(np.minimum(place[2:], others[:, 2:]) - np.maximum(place[:2], others[:, :2]), 0, None)
    return bool((sides.prod(1) >= HIDDEN_COVERAGE * (place[2:] - place[:2]).prod()).any())


def _spans(ts_s: NDArray[np.float64], shot: NDArray[np.integer], shot_spans: Intervals) -> Intervals:
    middles = (ts_s[1:] + ts_s[:-1]) / 2
    starts, ends = np.concatenate([[0.0], middles]), np.concatenate([middles, [0.0]])
    changes = shot[1:] != shot[:-1]
    first, last = np.concatenate([[True], changes]), np.concatenate([changes, [True]])
    return np.column_stack([np.where(first, shot_spans[shot, 0], starts), np.where(last, shot_spans[shot, 1], ends)])
