"""From tracks to the faces that are embedded, with a reason for each candidate that is not."""

from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.arrow import column_of, table_of
from screenalytics_assets.core.common.layout import crop_path
from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.embedding.crop_sampling import cap_episode, quality_ranks, sample_track
from screenalytics_assets.core.embedding.quality_filter import (
    ACCEPTED,
    StricterLimits,
    rejection_reasons,
    stricter_reasons,
)
from screenalytics_assets.core.tracking.track_table import detection_ids_of

VOLUME_CAP = "volume_cap"
"""Reason of a sampled face beyond the limit of the episode."""


class Selection(NamedTuple):
    """Faces to embed and rejected candidates, in the declared schemas."""

    faces: pa.Table
    rejected: pa.Table


def select_faces(
    tracks: pa.Table,
    detections: pa.Table,
    cropped_ids: pa.ChunkedArray,
    settings: FacesSettings,
    *,
    min_confidence: float,
    model_digest: str,
    embedded: Collection[str] = (),
    stricter: StricterLimits | None = None,
    asset: str = "faces",
) -> Selection:
    """Filter the detections of each track by quality, then sample the accepted ones.

    Args:
        tracks: The tracks of an episode.
        detections: Its detections.
        cropped_ids: Ids of the detections that have a stored crop.
        settings: The limits of the filter and of the sampling.
        min_confidence: Minimum detector score of an embedded face.
        model_digest: Digest of the embedder.
        embedded: Ids of the detections that were embedded for the appearance split. Where a track has accepted ones
            among them, its faces are chosen from these.
        stricter: Stricter limits for tracks with enough good faces.
        asset: The asset that publishes the faces, for the paths of their crops.
    """
    candidates, track_of_row = tracked_detections(tracks, detections)
    has_crop = pc.is_in(candidates["detection_id"], value_set=cropped_ids).to_numpy()
    filter_reasons = rejection_reasons(candidates, has_crop, settings, min_confidence=min_confidence)
    eligible = _embedded_if_any(filter_reasons == ACCEPTED, candidates["detection_id"], track_of_row, embedded)
    if stricter is not None:
        filter_reasons[eligible] = stricter_reasons(
            filter_reasons[eligible], candidates.filter(pa.array(eligible)), track_of_row[eligible], stricter
        )
        eligible &= filter_reasons == ACCEPTED
    quality = column_of(candidates, "quality_score")
    chosen = _sample(track_of_row, column_of(candidates, "ts_s"), quality, eligible, settings)
    kept = cap_episode(track_of_row[chosen], quality[chosen], limit=settings.max_crops_per_episode)
    reasons = filter_reasons.astype(object)
    reasons[chosen[~kept]] = VOLUME_CAP
    return Selection(
        faces=faces_table(
            candidates, tracks, track_of_row, chosen[kept], model_digest, asset if settings.save_crops else None
        ),
        rejected=_rejected_table(candidates, tracks, track_of_row, reasons),
    )


def tracked_detections(tracks: pa.Table, detections: pa.Table) -> tuple[pa.Table, NDArray[np.int64]]:
    """The detections of all tracks, track by track in time, and the row of the track of each."""
    ids, lengths = detection_ids_of(tracks)
    rows = pc.index_in(ids, value_set=detections["detection_id"].combine_chunks())
    return detections.take(rows), np.repeat(np.arange(tracks.num_rows), lengths)


def _embedded_if_any(
    accepted: NDArray[np.bool_],
    detection_ids: pa.ChunkedArray,
    track_of_row: NDArray[np.int64],
    embedded: Collection[str],
) -> NDArray[np.bool_]:
    """(N,) the accepted detections; of tracks with accepted detections that are embedded, only these."""
    is_embedded = accepted & pc.is_in(detection_ids, value_set=pa.array(list(embedded), pa.string())).to_numpy()
    return np.where(np.isin(track_of_row, track_of_row[is_embedded]), is_embedded, accepted)


def _sample(
    track_of_row: NDArray[np.int64],
    ts_s: NDArray[np.float64],
    quality: NDArray[np.float32],
    accepted: NDArray[np.bool_],
    settings: FacesSettings,
) -> NDArray[np.int64]:
    """Rows of the sampled faces of all tracks, ascending."""
    rows = np.flatnonzero(accepted)
    groups = np.split(rows, np.flatnonzero(np.diff(track_of_row[rows])) + 1)
    chosen = [
        group[
            sample_track(
                ts_s[group],
                quality[group],
                limit=settings.max_crops_per_track,
                strategy=settings.sampling_strategy,
            )
        ]
        for group in groups
    ]
    return np.concatenate(chosen)


def faces_table(
    candidates: pa.Table,
    tracks: pa.Table,
    track_of_row: NDArray[np.int64],
    rows: NDArray[np.int64],
    model_digest: str,
    crops_of_asset: str | None,
) -> pa.Table:
    """Rows of the faces table.

    Args:
        candidates: Detections.
        tracks: Rows of the tracks table.
        track_of_row: (N,) position of the track of each candidate, ascending.
        rows: The candidates that become faces, ascending.
        model_digest: Digest of the embedder.
        crops_of_asset: The asset that publishes their crops as files, for the paths; None if there are no such files.
    """
    faces = candidates.take(rows)
    track_ids = tracks["track_id"].take(track_of_row[rows])
    places = zip(faces["ep_id"].to_pylist(), track_ids.to_pylist(), faces["frame_idx"].to_pylist(), strict=True)
    copied = ("ep_id", "detection_id", "frame_idx", "ts_s", "bbox", "landmarks", "quality_score")
    return table_of(
        schemas.FACES,
        {
            **{name: faces[name] for name in copied},
            "face_id": [f"face-{i + 1:05d}" for i in range(len(rows))],
            "track_id": track_ids,
            "quality_rank": quality_ranks(track_of_row[rows], column_of(faces, "quality_score")),
            "crop_path": [crop_path(*place, crops_of_asset) if crops_of_asset else None for place in places],
            "model_digest": [model_digest] * len(rows),
        },
    )


def _rejected_table(
    candidates: pa.Table, tracks: pa.Table, track_of_row: NDArray[np.int64], reasons: NDArray[np.object_]
) -> pa.Table:
    rows = np.flatnonzero(reasons != ACCEPTED)
    rejected = candidates.take(rows)
    copied = set(schemas.CROPS_DEBUG.names) & set(rejected.schema.names)
    return table_of(
        schemas.CROPS_DEBUG,
        {
            **{name: rejected[name] for name in copied},
            "track_id": tracks["track_id"].take(track_of_row[rows]),
            "status": ["rejected"] * len(rows),
            "reason": reasons[rows].tolist(),
        },
    )


def volume_warning(faces: pa.Table, rejected: pa.Table, settings: FacesSettings) -> str | None:
    """A warning about faces beyond ``max_crops_per_episode``, with values that avoid it; None if there are none.

    Args:
        faces: The faces that are embedded.
        rejected: The rejected candidates, with their reasons.
        settings: The limits.
    """
    dropped = rejected.filter(pc.equal(rejected["reason"], VOLUME_CAP))
    if not dropped.num_rows:
        return None
    kept_tracks, cut_tracks = faces["track_id"].to_pylist(), dropped["track_id"].to_pylist()
    sampled = Counter(kept_tracks + cut_tracks)
    best = pc.max(dropped["quality_score"]).as_py()
    without = len(sampled) - len(set(kept_tracks))
    fitting = fitting_crops_per_track(sampled.values(), settings.max_crops_per_episode)
    return (
        f"[VOLUME] {dropped.num_rows} of {sampled.total()} sampled faces, of {len(set(cut_tracks))} of {len(sampled)} "
        f"tracks, are not embedded, the worst first (quality up to {best:.2f}): max_crops_per_episode is "
        f"{settings.max_crops_per_episode}. "
        + (f"{without} tracks are left without a face. " if without else "")
        + f"To embed all of them set max_crops_per_episode={sampled.total()}"
        + (f"; to take fewer of each track set max_crops_per_track={fitting}" if fitting else "")
    )


def fitting_crops_per_track(sampled: Collection[int], limit: int) -> int:
    """The largest number of faces per track that keeps an episode within ``limit``; 0 if one per track is too many.

    Args:
        sampled: Number of sampled faces of each track.
        limit: Maximum number of faces of the episode.
    """
    fitting = 0
    while fitting < max(sampled, default=0) and sum(min(count, fitting + 1) for count in sampled) <= limit:
        fitting += 1
    return fitting
