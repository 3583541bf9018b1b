"""Ids of identities that stay the same when the identities are computed again.

The tracks of an identity, and their numbers, change with the stride, a threshold or a better model. Where a person is
in the picture at what time does not. So a box for about every half second of each identity is published, and the next
run gives an identity that is found in the same places the same id.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from screenalytics_assets.core.common.arrow import boxes_of, column_of, table_of
from screenalytics_assets.core.common.geometry import paired_iou
from screenalytics_assets.core.common.schemas import IDENTITY_BOXES
from screenalytics_assets.core.tracking.track_table import TrackBoxes, boxes_by_track

SAMPLE_S = 0.5
"""One box is kept for each such stretch of time."""
SAME_FACE_IOU = 0.5
"""IoU from which two boxes at the same time are one face: the usual match criterion of detection benchmarks."""


class EarlierIdentities(NamedTuple):
    """The identities of the same episode that were published before.

    Attributes:
        boxes: Rows of the identity boxes table.
        last_number: Highest number that an identity of this episode ever had.
    """

    boxes: pa.Table
    last_number: int


def identity_id(number: int) -> str:
    """The id with a number, from 1."""
    return f"ident_{number:03d}"


def stable_ids(
    groups: Sequence[Sequence[str]], tracks: pa.Table, earlier: EarlierIdentities | None
) -> tuple[list[str], int]:
    """The id of each group of tracks: that of the earlier identity that it overlaps most, or else a new one.

    Each earlier id goes to at most one group; the pair with the largest overlap is assigned first. New ids have numbers
    that no identity of the episode ever had, in the order of the groups, so that the id of an identity that is gone is
    never used for another person. The same groups get the same ids again.

    Args:
        groups: Track ids of each identity.
        tracks: Rows of the tracks table.
        earlier: What was published before, if anything.

    Returns:
        An id for each group, and the highest number ever used.
    """
    id_of: dict[int, str] = {}
    last_number = 0
    if earlier is not None:
        last_number = earlier.last_number
        overlaps = _overlaps(groups, tracks, earlier.boxes)
        for _, known, group in sorted((-overlap, known, group) for (group, known), overlap in overlaps.items()):
            if group not in id_of and known not in id_of.values():
                id_of[group] = known
    for group in range(len(groups)):
        if group not in id_of:
            last_number += 1
            id_of[group] = identity_id(last_number)
    return [id_of[group] for group in range(len(groups))], last_number


def combined(first: EarlierIdentities, second: EarlierIdentities) -> EarlierIdentities:
    """The identities that two assets published of one episode; the first wins where both have an id."""
    taken = pa.array(first.boxes["identity_id"].unique().to_pylist(), pa.string())
    further = second.boxes.filter(pc.invert(pc.is_in(second.boxes["identity_id"], value_set=taken)))
    return EarlierIdentities(
        pa.concat_tables([first.boxes, further]).combine_chunks(), max(first.last_number, second.last_number)
    )


def identity_boxes(ep_id: str, tracks_of: Mapping[str, Sequence[str]], tracks: pa.Table) -> pa.Table:
    """The boxes by which the next run recognises these identities: the middle one of each half second of each track.

    Args:
        ep_id: The episode.
        tracks_of: Track ids of each identity.
        tracks: Rows of the tracks table.

    Returns:
        Rows of the identity boxes table, by track and time within each identity.
    """
    by_id = boxes_by_track(tracks)
    names: list[str] = []
    samples = [TrackBoxes(np.empty(0), np.empty((0, 4), np.float32))]
    for name, track_ids in sorted(tracks_of.items()):
        own = [_sampled(by_id[track_id]) for track_id in sorted(track_ids)]
        samples += sorted(own, key=lambda track: float(track.ts_s[0]))
        names += [name] * sum(len(track.ts_s) for track in own)
    return table_of(
        IDENTITY_BOXES,
        {
            "ep_id": [ep_id] * len(names),
            "identity_id": names,
            "ts_s": np.concatenate([track.ts_s for track in samples]),
            "bbox": np.concatenate([track.boxes for track in samples]),
        },
    )


def _overlaps(groups: Sequence[Sequence[str]], tracks: pa.Table, boxes: pa.Table) -> dict[tuple[int, str], float]:
    """The summed IoU of the boxes of each earlier identity with each group, where it is above 0.

    An unchanged identity overlaps itself completely, and therefore more than any other.
    """
    by_id = boxes_by_track(tracks)
    order = np.argsort(column_of(boxes, "ts_s"), kind="stable")
    ts_s, known = column_of(boxes, "ts_s")[order], column_of(boxes, "identity_id")[order]
    sampled = boxes_of(boxes["bbox"])[order]
    found: dict[tuple[int, str], float] = {}
    for group, track_ids in enumerate(groups):
        for track in (by_id[track_id] for track_id in track_ids):
            during = slice(*np.searchsorted(ts_s, [track.ts_s[0], np.nextafter(track.ts_s[-1], np.inf)]))
            overlaps = paired_iou(track.at(ts_s[during]), sampled[during])
            for name, overlap in zip(known[during], overlaps.tolist(), strict=True):
                if overlap >= SAME_FACE_IOU:
                    found[group, name] = found.get((group, name), 0.0) + overlap
    return found


def _sampled(track: TrackBoxes) -> TrackBoxes:
    _, firsts, counts = np.unique(np.floor(track.ts_s / SAMPLE_S), return_index=True, return_counts=True)
    middles = firsts + counts // 2
    return TrackBoxes(track.ts_s[middles], track.boxes[middles])
