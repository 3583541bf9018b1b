"""One face twice in the picture: in a mirror image, a copy beside the picture, or the same window of a call twice."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import boxes_of
from screenalytics_assets.core.identity.cannot_link import TrackPair
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks

MIN_SIMILARITY = 0.65
"""Minimum cosine similarity of the vectors of two tracks that show one face.

Measured with the ``open`` pack on a sitcom, a film and a rendered episode beside a copy or mirror image of themselves:
0.68 to 1.00 for a face and its copy, at most 0.40 for other pairs. Look-alikes come closer, hence a limit nearer to the
copies.
"""

MAX_DEVIATION = 0.2
"""How much the boxes of a face and its copy may differ from one movement, as a share of the box.

The centre of a detected box is off by some 5 % of the box. The difference of two of them is below 2.15 standard
deviations in nine of ten frames, that is 0.15; this leaves a third more.
"""

_PERCENTILE = 90
Track = tuple[NDArray[np.int64], NDArray[np.float32]]
"""(N,) frames, ascending, and (N, 4) boxes of a track."""


def same_face_pairs(tracks: EpisodeTracks, pairs: Sequence[TrackPair]) -> list[TrackPair]:
    """Those pairs of tracks whose vectors are nearly equal and whose boxes move as one, or as mirror images.

    Two people who look alike do not move alike. A face in a real mirror is seen from another side; such a pair is found
    only if the vectors are nearly equal all the same.

    Args:
        tracks: The tracks of the episode.
        pairs: Tracks with faces in the same frames.
    """
    with_vectors = [pair for pair in pairs if len(tracks.rows_of(pair)) == 2]
    similar = [
        (first, second)
        for first, second in with_vectors
        if float(tracks.vector_of(first) @ tracks.vector_of(second)) >= MIN_SIMILARITY
    ]
    places = _places(tracks, {track_id for pair in similar for track_id in pair})
    return [(first, second) for first, second in similar if _moves_as_one(places[first], places[second])]


def _places(tracks: EpisodeTracks, track_ids: set[str]) -> Mapping[str, Track]:
    found: dict[str, Track] = {}
    for track_id, boxes in zip(tracks.table["track_id"].to_pylist(), tracks.table["boxes"], strict=True):
        if track_id in track_ids:
            found[track_id] = boxes.values.field("frame_idx").to_numpy(), boxes_of(boxes.values.field("bbox"))
    return found


def _moves_as_one(first: Track, second: Track) -> bool:
    _, in_first, in_second = np.intersect1d(first[0], second[0], return_indices=True)
    if not len(in_first):
        return False
    one, other = first[1][in_first].astype(np.float64), second[1][in_second].astype(np.float64)
    sizes = one[:, 2:] - one[:, :2], other[:, 2:] - other[:, :2]
    scale = np.median(sizes[1] / sizes[0], axis=0)
    centres = (one[:, :2] + one[:, 2:]) / 2 * scale, (other[:, :2] + other[:, 2:]) / 2
    return any(_deviation(centres[1] - centres[0] * sign, sizes[1]) <= MAX_DEVIATION for sign in ((1, 1), (-1, 1)))


def _deviation(offsets: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    """How far offsets of boxes are from their median in nine of ten frames, as a share of the boxes' size."""
    relative = (offsets - np.median(offsets, axis=0)) / sizes
    return float(np.percentile(np.hypot(relative[:, 0], relative[:, 1]), _PERCENTILE))
