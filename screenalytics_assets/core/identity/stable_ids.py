"""Ids of identities that survive when the identities are computed again.

An identity has no name of its own: which tracks it consists of, and their numbers, change with the stride, a threshold
or a better model. What stays is where the person is in the picture and when. So each publication keeps a box for about
every half second of each identity, and the next one gives the ids of the earlier to those that are there again.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import boxes_of, column_of, table_of
from screenalytics_assets.core.common.geometry import paired_iou
from screenalytics_assets.core.common.schemas import IDENTITY_BOXES

SAMPLE_S = 0.5
"""Time for which one box is kept."""
SAME_FACE_IOU = 0.5
"""Overlap from which two boxes of one moment are one face: the usual match of the detection benchmarks."""


class Publication(NamedTuple):
    """Earlier identities of the same episode.

    Attributes:
        boxes: Rows of the identity boxes table.
        last_number: Highest number that an identity of this episode ever had.
    """

    boxes: pa.Table
    last_number: int


class _Track(NamedTuple):
    ts_s: NDArray[np.float64]
    boxes: NDArray[np.float32]


def identity_id(number: int) -> str:
    """The id with a number, from 1."""
    return f"ident_{number:03d}"


def stable_ids(groups: Sequence[Sequence[str]], tracks: pa.Table, earlier: Publication | None) -> tuple[list[str], int]:
    """The id of each group of tracks: that of the earlier identity with which it shares most, or else a new one.

    Each earlier id goes to one group at most; the pair that shares most is served first. New ids have numbers that no
    identity of the episode ever had, in the order of the groups, so that the id of one that vanished never means
    somebody else. The same groups get the same ids again.

    Args:
        groups: Track ids of each identity.
        tracks: Rows of the tracks table.
        earlier: What was published before, if anything.

    Returns:
        An id for each group, and the highest number ever used.
    """
    found: dict[int, str] = {}
    last_number = 0
    if earlier is not None:
        last_number = earlier.last_number
        shared = _shared(groups, tracks, earlier.boxes)
        for _, known, group in sorted((-overlap, known, group) for (group, known), overlap in shared.items()):
            if group not in found and known not in found.values():
                found[group] = known
    for group in range(len(groups)):
        if group not in found:
            last_number += 1
            found[group] = identity_id(last_number)
    return [found[group] for group in range(len(groups))], last_number


def joined_publication(published: Publication, own: Publication) -> Publication:
    """What was published of an episode in two places; what the first one says of an id counts."""
    taken = pa.array(published.boxes["identity_id"].unique().to_pylist(), pa.string())
    further = own.boxes.filter(pc.invert(pc.is_in(own.boxes["identity_id"], value_set=taken)))
    return Publication(
        pa.concat_tables([published.boxes, further]).combine_chunks(), max(published.last_number, own.last_number)
    )


def identity_boxes(ep_id: str, tracks_of: Mapping[str, Sequence[str]], tracks: pa.Table) -> pa.Table:
    """What the next publication recognises these identities by: the middle box of each half second of each track.

    Args:
        ep_id: The episode.
        tracks_of: Track ids of each identity.
        tracks: Rows of the tracks table.

    Returns:
        Rows of the identity boxes table, in the order of time within each identity.
    """
    seen = _tracks(tracks)
    names: list[str] = []
    samples = [_Track(np.empty(0), np.empty((0, 4), np.float32))]
    for name, track_ids in sorted(tracks_of.items()):
        own = [_sampled(seen[track_id]) for track_id in sorted(track_ids)]
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


def _shared(groups: Sequence[Sequence[str]], tracks: pa.Table, boxes: pa.Table) -> dict[tuple[int, str], float]:
    """The overlaps (IoU) of the boxes of an earlier identity with the faces of a group, added up, where there are any.

    An identity that is there unchanged overlaps itself wholly, and therefore more than anybody else.
    """
    seen = _tracks(tracks)
    order = np.argsort(column_of(boxes, "ts_s"), kind="stable")
    ts_s, known = column_of(boxes, "ts_s")[order], column_of(boxes, "identity_id")[order]
    sampled = boxes_of(boxes["bbox"])[order]
    shared: dict[tuple[int, str], float] = {}
    for group, track_ids in enumerate(groups):
        for track in (seen[track_id] for track_id in track_ids):
            during = slice(*np.searchsorted(ts_s, [track.ts_s[0], np.nextafter(track.ts_s[-1], np.inf)]))
            overlaps = paired_iou(_boxes_at(track, ts_s[during]), sampled[during])
            for name, overlap in zip(known[during], overlaps.tolist(), strict=True):
                if overlap >= SAME_FACE_IOU:
                    shared[group, name] = shared.get((group, name), 0.0) + overlap
    return shared


def _boxes_at(track: _Track, ts_s: NDArray[np.float64]) -> NDArray[np.float32]:
    """Boxes between those of a track, (N, 4); another stride has its boxes at other times."""
    return np.column_stack([np.interp(ts_s, track.ts_s, side) for side in track.boxes.T]).astype(np.float32)


def _sampled(track: _Track) -> _Track:
    _, firsts, counts = np.unique(np.floor(track.ts_s / SAMPLE_S), return_index=True, return_counts=True)
    middles = firsts + counts // 2
    return _Track(track.ts_s[middles], track.boxes[middles])


def _tracks(tracks: pa.Table) -> dict[str, _Track]:
    column = tracks["boxes"].combine_chunks()
    entries = column.flatten()
    ts_s, boxes = entries.field("ts_s").to_numpy(), boxes_of(entries.field("bbox"))
    lengths = column.value_lengths().to_numpy()
    ends = np.cumsum(lengths)
    return {
        track_id: _Track(ts_s[start:end], boxes[start:end])
        for track_id, start, end in zip(tracks["track_id"].to_pylist(), ends - lengths, ends, strict=True)
    }
