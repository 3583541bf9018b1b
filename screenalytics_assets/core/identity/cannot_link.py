"""Cannot-link pairs: tracks with faces in the same frames, which therefore are two people."""

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
    """Pairs of tracks that have a face each, in different places, in enough common frames.

    Two boxes on one face are no evidence of two people, so frames count only where the boxes overlap little, and a few
    frames are not enough. The rule is wrong for mirrors, for screens within the picture and for twins played by one
    actor: exempt such pairs, or switch the rule off.

    Args:
        tracks: Rows of the tracks table.
        min_frames: Minimum number of common frames.
        max_iou: Frames in which the boxes overlap by this much or more do not count.
        exempt: Pairs, in either order, that can be one person nevertheless.

    Returns:
        The pairs, sorted.
    """
    ids = tracks["track_id"].to_pylist()
    pairs, frames = np.unique(_common_frames(tracks, max_iou), axis=0, return_counts=True)
    exempt_pairs = {tuple(sorted(pair)) for pair in exempt}
    found = (tuple(sorted((ids[a], ids[b]))) for a, b in pairs[frames >= min_frames])
    return sorted(pair for pair in found if pair not in exempt_pairs)


def _common_frames(tracks: pa.Table, max_iou: float) -> NDArray[np.int64]:
    """(M, 2) pairs of rows of the tracks table, the lower first, once for each common frame that counts."""
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
        separate = same_frame[paired_iou(boxes[same_frame], boxes[same_frame + offset]) < max_iou]
        found.append(np.sort(np.column_stack([track[separate], track[separate + offset]]), axis=1))
    pairs = np.concatenate(found)
    return pairs[pairs[:, 0] != pairs[:, 1]]
