"""The meaning of every published file, column and field.

The columns and types of tables are declared in `core/common/schemas.py`. A test compares both, and the documents, with
a processed episode.
"""

from collections.abc import Mapping

import pyarrow as pa

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.documents.cleanup_report import CleanupReport
from screenalytics_assets.core.documents.damage import Damage
from screenalytics_assets.core.documents.episode_vectors import EpisodeVectors
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.core.documents.identities import TRACK_REASONS, Identities, TrackIds
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.documents.track_metrics import TrackMetrics
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.people.corrections.corrections import Corrections
from screenalytics_assets.docs_generator.docstrings import document_fields

ASSET_FILES: Mapping[str, tuple[str, ...]] = {
    "episode_video": ("video.json",),
    "detections": ("shots.parquet", "analysed_frames.parquet", "detections.parquet", "refused.parquet", "damage.json"),
    "face_crops": ("face_crops.parquet",),
    "tracks": ("tracks.parquet", "untracked.parquet", "gate.parquet", "gate.npy"),
    "faces": ("faces.parquet", "faces.npy", "crops_debug.parquet", "crops"),
    "identities": ("identities.json", "identity_boxes.parquet", "tracks.npy", "track_ids.json"),
    "episode_vectors": ("episode_vectors.json",),
    "track_metrics": ("track_metrics.json",),
    "split_tracks": ("tracks.parquet", "untracked.parquet", "gate.parquet", "gate.npy", "cuts.parquet"),
    "reembed": (
        "faces.parquet",
        "faces.npy",
        "poor_faces.parquet",
        "poor_faces.npy",
        "crops_debug.parquet",
        "crops",
    ),
    "recluster": ("clusters.json", "identity_boxes.parquet", "tracks.npy", "track_ids.json"),
    "corrections": ("corrections.json",),
    "group_clusters": ("identities.json", "grouping.json", "people_boxes.parquet"),
    "cleanup_report": ("cleanup_report.json",),
    "screen_time": ("screen_time.json", "screen_time.csv"),
}
"""The files of each asset of an episode, in the order of the graph."""

TABLES: Mapping[str, tuple[pa.Schema, str]] = {
    "shots.parquet": (schemas.SHOTS, "a shot, from one cut to the next"),
    "analysed_frames.parquet": (schemas.ANALYSED_FRAMES, "an analysed frame"),
    "detections.parquet": (schemas.DETECTIONS, "a face in a frame"),
    "refused.parquet": (
        schemas.CROPS_DEBUG,
        "a box of the detector that is no detection: `degenerate_box` or `not_a_face`",
    ),
    "face_crops.parquet": (schemas.FACE_CROPS, "the crop of a detection; blank crops are counted but not stored"),
    "tracks.parquet": (schemas.TRACKS, "one face followed through a shot"),
    "untracked.parquet": (schemas.UNTRACKED, "a detection that is in no track, with the reason"),
    "gate.parquet": (
        schemas.SPLIT_EMBEDDINGS,
        "a detection embedded by the appearance split; row i is row i of `gate.npy`",
    ),
    "faces.parquet": (schemas.FACES, "an accepted face; row i is row i of `faces.npy`"),
    "poor_faces.parquet": (
        schemas.FACES,
        "one of the best faces of a track without an accepted one; row i is row i of `poor_faces.npy`",
    ),
    "crops_debug.parquet": (schemas.CROPS_DEBUG, "a rejected candidate, with its measures"),
    "identity_boxes.parquet": (schemas.IDENTITY_BOXES, "where an identity was seen; later runs recognise it by this"),
    "people_boxes.parquet": (schemas.IDENTITY_BOXES, "the same for the named identities of the cleanup"),
    "cuts.parquet": (schemas.CUTS, "a place where the cleanup split a track"),
}
"""The schema of each table, and what a row is."""

COLUMNS: Mapping[str, str] = {
    "ep_id": "the episode",
    "shot_idx": "number of the shot, from 0",
    "start_frame": "first source frame, from 0",
    "end_frame": "last source frame",
    "start_s": "start, in seconds of the container's timestamps",
    "end_s": "end, in seconds",
    "frame_idx": "source frame, from 0",
    "ts_s": "seconds of the container's timestamps",
    "detection_id": "the detection",
    "bbox": "x1, y1, x2, y2, as fractions of the frame, 0 to 1, clamped",
    "landmarks": "x, y of left eye, right eye, nose, left and right mouth corner as seen, as fractions of the frame",
    "confidence": "score of the detector, 0 to 1",
    "face_px": "shorter side of the box, in pixels",
    "sharpness": "Laplacian variance inside the face, on the aligned crop",
    "yaw": "rotation to the side in degrees; null if the landmarks allow no pose",
    "pitch": "nod in degrees; null like yaw",
    "roll": "tilt in degrees; null like yaw",
    "inside_fraction": "fraction of the aligned 112 px crop that is inside the frame",
    "quality_score": "0.4 confidence + 0.3 size + 0.2 blur + 0.1 pose, each 0 to 1",
    "track_id": "the track; null if there is none yet",
    "status": "`refused` for a box of the detector, `rejected` for a crop",
    "reason": "why; see below",
    "jpeg": "the upright crop, `thumb_size` pixels wide and high; its centre 112 px are embedded",
    "num_detections": "number of boxes",
    "mean_confidence": "mean score of the detections",
    "split_reason": "`hard`, `streak` or `iou` if it begins at an appearance split, otherwise null",
    "boxes": "the detections of the track, in order of time",
    "model_digest": "SHA-256 of the embedder that made the vector",
    "face_id": "the face",
    "quality_rank": "1 is the best face of its track",
    "crop_path": "path of the JPEG file below the data root; null without `save_crops`",
    "identity_id": "the identity",
    "new_track_id": "the track that continues from there",
}
"""The meaning of each column, in every table."""

REASONS: Mapping[str, str] = {
    "low_confidence": "below `min_confidence`; in `untracked`: matched by no track, and too weak to start one",
    "too_small": "below `min_face_size`",
    "cut_off": "below `min_inside_fraction`",
    "blurry": "below `min_sharpness`",
    "pose_yaw": "beyond `max_yaw_angle`",
    "pose_pitch": "beyond `max_pitch_angle`",
    "low_quality": "below `min_quality_score`",
    "blank": "the crop shows nothing",
    "not_a_face": "the verifier finds no face in the box",
    "degenerate_box": "a side of the box is below `min_box_px`, or the face cannot be aligned",
    "volume_cap": "over `max_crops_per_episode`",
    "seen_together": "a track seen together with the identity that it would be assigned to",
    **{reason: f"a track that is unassigned, or an outlier: {text}" for reason, text in TRACK_REASONS.items()},
}
"""Why a box, a face or a track was rejected."""

_ONLY_NAMED = {"stats.named?"} | {
    f"identities[].{name}?"
    for name in (
        "person_id",
        "name",
        "name_similarity",
        "name_margin",
        "named_by",
        "confirmed_track_ids",
        "joined_tracks",
    )
}
"""Keys of identities that exist only after the people were resolved."""

DOCUMENTS: Mapping[str, Mapping[str, str]] = {
    "video.json": document_fields(VideoProbe),
    "identities.json": document_fields(Identities),
    "clusters.json": {key: text for key, text in document_fields(Identities).items() if key not in _ONLY_NAMED},
    "damage.json": document_fields(Damage),
    "track_ids.json": document_fields(TrackIds),
    "episode_vectors.json": document_fields(EpisodeVectors),
    # The clusters have no names yet.
    "track_metrics.json": {key: text for key, text in document_fields(TrackMetrics).items() if not key.endswith("?")},
    "corrections.json": document_fields(Corrections),
    "grouping.json": document_fields(Grouping),
    "cleanup_report.json": document_fields(CleanupReport),
    "screen_time.json": document_fields(ScreenTime),
}
"""The fields of each JSON document: ``a.b`` is a field of an object, ``a[].b`` a field of each list entry, ``a.*``
everything below. Fields with a question mark are optional."""

ARRAYS: Mapping[str, str] = {
    "faces.npy": "a vector for each row of `faces.parquet`",
    "poor_faces.npy": "a vector for each row of `poor_faces.parquet`",
    "gate.npy": "a vector for each row of `gate.parquet`",
    "tracks.npy": "a vector for each track of `track_ids.json`",
}
"""NumPy files: float32, 512 columns, rows of length 1."""

OTHER_FILES: Mapping[str, str] = {
    "crops": "a JPEG file for each embedded face, `{track_id}/frame_000042.jpg`; none with `save_crops=false`",
    "screen_time.csv": "the people of `screen_time.json`, one line each",
}
"""Files without a schema."""
