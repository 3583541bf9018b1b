"""The best faces of tracks none of whose faces was accepted: nothing is clustered by them, but they can be compared."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.embedding.crop_sampling import cap_episode, quality_ranks
from screenalytics_assets.core.embedding.face_selection import faces_table, tracked_detections


def select_poor_faces(
    tracks: pa.Table,
    faces: pa.Table,
    detections: pa.Table,
    cropped_ids: pa.ChunkedArray,
    settings: FacesSettings,
    *,
    min_confidence: float,
    model_digest: str,
) -> pa.Table:
    """Up to ``max_crops_per_track`` faces of each track without an accepted one, the best ones.

    They may be small or turned away. Faces that the detector was not sure of or that are cut off are left out, since
    they may be no faces, and so are blurred ones: without detail, faces of different people resemble each other.

    Args:
        tracks: The tracks of an episode.
        faces: Its accepted faces.
        detections: Its detections.
        cropped_ids: Ids of the detections that have a stored crop.
        settings: The limits of faces.
        min_confidence: Minimum detector score.
        model_digest: Digest of the embedder.

    Returns:
        Rows of the faces table.
    """
    without = tracks.filter(pc.invert(pc.is_in(tracks["track_id"], value_set=faces["track_id"].combine_chunks())))
    candidates, track_of_row = tracked_detections(without, detections)
    usable = (
        pc.is_in(candidates["detection_id"], value_set=cropped_ids).to_numpy()
        & (column_of(candidates, "confidence") >= min_confidence)
        & (column_of(candidates, "sharpness") >= settings.min_sharpness)
        & (column_of(candidates, "inside_fraction") >= settings.min_inside_fraction)
    )
    rows = np.flatnonzero(usable)
    ranks = quality_ranks(track_of_row[rows], column_of(candidates, "quality_score")[rows])
    chosen = rows[ranks <= settings.max_crops_per_track]
    left = max(0, settings.max_crops_per_episode - faces.num_rows)
    chosen = chosen[cap_episode(track_of_row[chosen], column_of(candidates, "quality_score")[chosen], limit=left)]
    return faces_table(candidates, without, track_of_row, chosen, model_digest, None)
