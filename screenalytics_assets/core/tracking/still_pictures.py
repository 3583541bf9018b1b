"""Faces that are pictures: a photo in a graphic, a poster, a drawing, a frozen frame.

A picture that the camera does not move over stays the same at the same place of the frame. A living face does not,
even at rest: eyes, mouth and head move within seconds. So the crops of a track are put back to where they were in the
frame, and compared there. Faces that move, and pictures that do, are left alone: from inside its aligned crop, a photo
that is moved looks like a calm person.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import landmarks_of
from screenalytics_assets.core.common.schemas import CLOCK_TOLERANCE_S
from screenalytics_assets.core.detection.alignment import ARCFACE_PX, REDUCTION, estimate_similarity
from screenalytics_assets.core.tracking.near_duplicates import unit_contrast
from screenalytics_assets.core.tracking.track_table import detection_ids_of

MIN_PICTURE_S = 2.5
"""Least time from the first to the last detection of a picture: a calm person may look like a picture for less."""

MAX_CHANGE = 0.08
"""Most that a part of a picture changes, from `_largest_change`.

Living faces of 14 to 230 pixels in four clips (a stage, a film, a close-up and a party), also at a third of the size
and encoded by x264 with CRF 30 and 36, changed by 0.305 or more within any two seconds and by 0.505 within three.
Single frames of these clips, encoded with CRF 36, with landmarks that are off by 3 % of the distance of the eyes:
at most 0.021 with grain. The limit is the geometric mean of that and 0.305. Of those that lost a third of their light
or drifted by 3 % of the face, some changed more, up to 0.116. The correlation of the whole face separates the two less:
a mouth is a small part of a head that is held still.
"""

MAX_DRIFT = 0.25
"""How far the landmarks of a picture may be from their usual place, as a share of their spread (root mean square
distance from their centre). Detectors place the landmarks of small faces that badly; a face that is further away has
moved, and its crops are not read."""

_SHARE = 0.1
"""Share of the crops that may differ: somebody passes before the picture, or it is faded in."""

_MAX_CROPS = 32
"""Crops of a track that are compared, spread evenly over its time."""

_MIN_CROPS = 3
_PARTS = 4
"""A face has this many parts along each side: a mouth or an eye fills one or two of them."""

_FACE_PX = ARCFACE_PX // REDUCTION


class StillTrack(NamedTuple):
    """A track whose face stays in its place, so that it may be a picture.

    Attributes:
        detection_ids: Some of its detections, in time.
        landmarks_px: (N, 5, 2) float64, theirs, in pixels of the frame.
    """

    detection_ids: Sequence[str]
    landmarks_px: NDArray[np.float64]


def still_tracks(tracks: pa.Table, detections: pa.Table, frame_size_px: tuple[int, int]) -> dict[str, StillTrack]:
    """The tracks whose face stays in its place for `MIN_PICTURE_S` or longer, by id.

    Args:
        tracks: Rows of the tracks table.
        detections: The detections of the episode.
        frame_size_px: Width and height.
    """
    ids, lengths = detection_ids_of(tracks)
    rows = pc.index_in(ids, value_set=detections["detection_id"].combine_chunks()).to_numpy().astype(np.int64)
    landmarks_px = landmarks_of(detections["landmarks"]).astype(np.float64) * frame_size_px
    ts_s = detections["ts_s"].to_numpy()
    found = {}
    ends = np.cumsum(lengths)
    for track_id, start, end in zip(tracks["track_id"].to_pylist(), ends - lengths, ends, strict=True):
        own = rows[start:end]
        if ts_s[own[-1]] - ts_s[own[0]] < MIN_PICTURE_S - CLOCK_TOLERANCE_S:
            continue
        times_s = np.linspace(ts_s[own[0]], ts_s[own[-1]], _MAX_CROPS)
        chosen = own[np.unique(np.searchsorted(ts_s[own], times_s))]
        if _is_in_place(landmarks_px[chosen]):
            ids_chosen = detections["detection_id"].take(chosen).to_pylist()
            found[track_id] = StillTrack(ids_chosen, landmarks_px[chosen])
    return found


def is_picture(track: StillTrack, reduced_crops: Mapping[str, NDArray[np.uint8]]) -> bool:
    """Whether nothing moves in the face of a track.

    Args:
        track: From `still_tracks`.
        reduced_crops: The (S, S) gray crops of its detections, from `decode_reduced_gray`, as far as they have one.
    """
    rows = [row for row, detection_id in enumerate(track.detection_ids) if detection_id in reduced_crops]
    if len(rows) < _MIN_CROPS:
        return False
    to_face = _to_reduced(np.median(track.landmarks_px[rows], axis=0), margin_px=0)
    faces = np.stack(
        [_put_back(reduced_crops[track.detection_ids[row]], track.landmarks_px[row], to_face) for row in rows]
    )
    return bool(np.quantile(_largest_change(faces), 1 - _SHARE) <= MAX_CHANGE)


def _largest_change(faces: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much each face differs from what is usually seen, in the part of it that differs most.

    The mean square difference over a part, in units of the variance of the face, so that brightness and contrast do
    not matter: 0 for the same picture, 2 for unrelated ones.

    Args:
        faces: (N, 28, 28), all of the same place.

    Returns:
        (N,); 2 if there is nothing to see.
    """
    usual = unit_contrast(np.median(faces, axis=0)[None])
    if not usual.any():
        return np.full(len(faces), 2.0)
    squares = np.square(unit_contrast(faces) - usual) * _FACE_PX**2
    part_px = _FACE_PX // _PARTS
    parts = squares.reshape(len(faces), _PARTS, part_px, _PARTS, part_px).mean(axis=(2, 4), dtype=np.float64)
    return np.asarray(parts.max(axis=(1, 2)))


def _is_in_place(landmarks_px: NDArray[np.float64]) -> bool:
    usual = np.median(landmarks_px, axis=0)
    spread_px = np.sqrt(np.square(usual - usual.mean(axis=0)).sum(axis=-1).mean())
    drift_px = np.hypot(*(landmarks_px - usual).mean(axis=1).T)
    return bool(np.quantile(drift_px, 1 - _SHARE) <= MAX_DRIFT * spread_px)


def _put_back(
    reduced_crop: NDArray[np.uint8], landmarks_px: NDArray[np.float64], to_face: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(28, 28) what a crop shows of the place in the frame where the face of the track usually is."""
    margin_px = (len(reduced_crop) - _FACE_PX) // 2
    to_crop = _to_reduced(landmarks_px, margin_px=margin_px)
    matrix = to_face @ np.linalg.inv(to_crop)
    size = (_FACE_PX, _FACE_PX)
    put = cv2.warpAffine(reduced_crop, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(put, np.float32)


def _to_reduced(landmarks_px: NDArray[np.float64], *, margin_px: int) -> NDArray[np.float64]:
    """(3, 3) from pixels of the frame to pixels of a reduced crop."""
    matrix = estimate_similarity(landmarks_px, size_px=_FACE_PX, margin_px=margin_px)
    # The centre of a reduced pixel is that of the pixels that it averages.
    matrix[:, 2] -= (1 - 1 / REDUCTION) / 2
    return np.vstack([matrix, [0, 0, 1]])
