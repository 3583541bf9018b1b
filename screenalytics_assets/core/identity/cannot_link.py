"""Tracks that are seen together, and therefore are not one person."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import boxes_of
from screenalytics_assets.core.common.geometry import paired_iou

TrackPair = tuple[str, str]
"""Two track ids, the lower first."""


def cannot_link_pairs(
    tracks: pa.Table, *, min_frames: int, max_iou: float, exempt: Collection[TrackPair] = ()
) -> list[TrackPair]:
    """Pairs of tracks whose faces are in the picture at the same time, in different places.

    Two boxes on one face are no evidence of two people, so frames count only where the boxes overlap little, and a
    few frames at the border of two tracks do not count. The rule is wrong for mirrors, screens within the picture
    and twins played by one actor: exempt those pairs, or switch the rule off.

    Args:
        tracks: Rows of the tracks table.
        min_frames: Least number of frames in which both have a box.
        max_iou: Frames in which their boxes overlap by this much or more do not count.
        exempt: Pairs, in either order, that may be one person all the same.

    Returns:
        The pairs, sorted.
    """
    ids = tracks["track_id"].to_pylist()
    pairs, frames = np.unique(_meetings(tracks, max_iou), axis=0, return_counts=True)
    excused = {tuple(sorted(pair)) for pair in exempt}
    found = (tuple(sorted((ids[a], ids[b]))) for a, b in pairs[frames >= min_frames])
    return sorted(pair for pair in found if pair not in excused)


def _meetings(tracks: pa.Table, max_iou: float) -> NDArray[np.int64]:
    """(M, 2) rows of the tracks table, the lower first, once for each frame that counts."""
    column = tracks["boxes"].combine_chunks()
    entries = column.flatten()
    frame = entries.field("frame_idx").to_numpy()
    order = np.argsort(frame, kind="stable")
    frame = frame[order]
    track = np.repeat(np.arange(tracks.num_rows), column.value_lengths().to_numpy())[order]
    boxes = boxes_of(entries.field("bbox"))[order]
    found = [np.empty((0, 2), np.int64)]
    for offset in range(1, len(frame)):
        same_frame = np.flatnonzero(frame[offset:] == frame[:-offset])
        if not len(same_frame):
            break
        apart = same_frame[paired_iou(boxes[same_frame], boxes[same_frame + offset]) < max_iou]
        found.append(np.sort(np.column_stack([track[apart], track[apart + offset]]), axis=1))
    meetings = np.concatenate(found)
    return meetings[meetings[:, 0] != meetings[:, 1]]
