"""What is in the published files, for people who read them with other programs.

The columns and types of tables are in `core/common/schemas.py`; here is what they mean. A test compares both, and the
documents, with a processed episode.
"""

from collections.abc import Mapping
from types import MappingProxyType

import pyarrow as pa

from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.video.probe import VideoProbe
from screenalytics_assets.docs_generator.docstrings import attribute_text

ASSET_FILES: Mapping[str, tuple[str, ...]] = {
    "episode_video": ("video.json",),
    "detections": ("shots.parquet", "analysed_frames.parquet", "detections.parquet", "refused.parquet"),
    "face_crops": ("face_crops.parquet",),
    "tracks": ("tracks.parquet", "untracked.parquet", "gate.parquet", "gate.npy"),
    "faces": ("faces.parquet", "faces.npy", "crops_debug.parquet", "crops"),
    "identities": ("identities.json", "identity_boxes.parquet", "tracks.npy", "track_ids.json"),
    "episode_vectors": ("episode_vectors.json",),
    "track_metrics": ("track_metrics.json",),
    "split_tracks": ("tracks.parquet", "untracked.parquet", "gate.parquet", "gate.npy", "cuts.parquet"),
    "reembed": ("faces.parquet", "faces.npy", "crops_debug.parquet", "crops"),
    "recluster": ("clusters.json", "identity_boxes.parquet", "tracks.npy", "track_ids.json"),
    "corrections": ("corrections.json",),
    "group_clusters": ("identities.json", "grouping.json", "people_boxes.parquet"),
    "cleanup_report": ("cleanup_report.json",),
    "screen_time": ("screen_time.json", "screen_time.csv"),
}
"""The files of each asset of an episode whose form is declared here, in the order of the graph."""

TABLES: Mapping[str, tuple[pa.Schema, str]] = {
    "shots.parquet": (schemas.SHOTS, "a shot, from one cut to the next"),
    "analysed_frames.parquet": (schemas.ANALYSED_FRAMES, "a frame in which faces were looked for"),
    "detections.parquet": (schemas.DETECTIONS, "a face in a frame"),
    "refused.parquet": (schemas.CROPS_DEBUG, "a box of the detector that is no face: `degenerate_box`"),
    "face_crops.parquet": (schemas.FACE_CROPS, "the crop of a detection; blank ones are counted and not stored"),
    "tracks.parquet": (schemas.TRACKS, "one face followed through a shot"),
    "untracked.parquet": (schemas.UNTRACKED, "a detection that is in no track, with the reason"),
    "gate.parquet": (schemas.GATE, "a detection that the appearance gate embedded; row i is row i of `gate.npy`"),
    "faces.parquet": (schemas.FACES, "an accepted face; row i is row i of `faces.npy`"),
    "crops_debug.parquet": (schemas.CROPS_DEBUG, "a candidate that was rejected, with what was measured"),
    "identity_boxes.parquet": (schemas.IDENTITY_BOXES, "where an identity was seen; its id is recognised by it later"),
    "people_boxes.parquet": (schemas.IDENTITY_BOXES, "the same for the named identities of the cleanup"),
    "cuts.parquet": (schemas.CUTS, "a place where the cleanup divided a track"),
}
"""The schema of each table, and what a row is."""

COLUMNS: Mapping[str, str] = {
    "ep_id": "the episode",
    "shot_idx": "number of the shot, from 0",
    "start_frame": "first source frame, from 0",
    "end_frame": "last source frame",
    "start_s": "where it begins, in seconds of the container's timestamps",
    "end_s": "where it ends",
    "frame_idx": "source frame, from 0",
    "ts_s": "seconds of the container's timestamps",
    "detection_id": "the detection",
    "bbox": "x1, y1, x2, y2, of the frame, 0 to 1, clamped to it",
    "landmarks": "x, y of left eye, right eye, nose, left and right corner of the mouth as seen, of the frame",
    "confidence": "score of the detector, 0 to 1",
    "face_px": "shorter side of the box, in pixels",
    "sharpness": "Laplacian variance inside the face, on the aligned crop",
    "yaw": "turn to the side in degrees; null where the landmarks allow no pose",
    "pitch": "nod in degrees; null as yaw",
    "roll": "tilt in degrees; null as yaw",
    "inside_fraction": "part of the aligned 112 px crop that is inside the frame",
    "quality_score": "0.4 confidence + 0.3 size + 0.2 blur + 0.1 pose, each 0 to 1",
    "track_id": "the track; null where there is none yet",
    "status": "`refused` for a box of the detector, `rejected` for a crop",
    "reason": "why; see below",
    "jpeg": "the upright crop, `thumb_size` pixels wide and high; its centre 112 px are embedded",
    "num_detections": "number of boxes",
    "mean_confidence": "mean score of the detections",
    "split_reason": "`hard`, `streak` or `iou` where it begins at a split by the gate, otherwise null",
    "boxes": "the detections of the track in order of time",
    "model_digest": "SHA-256 of the embedder that made the vector",
    "face_id": "the face",
    "quality_rank": "1 is the best of its track",
    "crop_path": "the JPEG file below the data root; null without `save_crops`",
    "identity_id": "the identity",
    "new_track_id": "the track that goes on from there",
}
"""What a column means, wherever it occurs."""

REASONS: Mapping[str, str] = {
    "low_confidence": "below `min_confidence`; in `untracked`, no track took it and it is too weak to begin one",
    "too_small": "below `min_face_size`",
    "cut_off": "below `min_inside_fraction`",
    "blurry": "below `min_sharpness`",
    "pose_yaw": "beyond `max_yaw_angle`",
    "pose_pitch": "beyond `max_pitch_angle`",
    "low_quality": "below `min_quality_score`",
    "blank": "the crop shows nothing",
    "degenerate_box": "a box with a side below `min_box_px`, or without a face that can be aligned",
    "volume_cap": "left out for `max_crops_per_episode`",
    "no_accepted_face": "a track none of whose faces is good enough (unassigned)",
    "low_identity_similarity": "an outlier: less similar to its identity than `min_identity_sim`",
    "small_cluster": "an outlier: an identity of fewer tracks than `min_cluster_size`",
    "seen_together": "a track that is seen together with the identity that it would go to",
    "ignored": "a correction says that it is nobody",
}
"""Why a box, a face or a track is left out."""

_STATS = {
    "stats.clusters": "number of identities",
    "stats.tracks": "number of tracks",
    "stats.singleton_count": "identities with one track",
    "stats.singleton_fraction": "their share of the identities",
    "stats.largest_cluster_size": "tracks of the identity that has most",
    "stats.largest_cluster_fraction": "their share of the tracks",
    "stats.outlier_count": "tracks or clusters that fit nowhere",
    "stats.low_cohesion_count": "identities whose tracks resemble each other little",
    "stats.cannot_link_pairs": "pairs of tracks that are seen together",
    "stats.blocked_merges": "merges that this prevented",
}
_IDENTITIES = {
    "ep_id": "the episode",
    "config.*": "the keys that it was made with",
    **_STATS,
    "last_identity_number": "the highest number that was ever given; no id is given twice",
    "identities[].identity_id": "`ident_001`; the same person keeps it when it is computed again",
    "identities[].track_ids": "the tracks",
    "identities[].outlier": "whether it is one that fits nowhere else",
    "identities[].low_cohesion": "whether its tracks resemble each other little",
    "identities[].cohesion_score": "mean cosine similarity of its tracks",
    "identities[].min_identity_sim": "least mean similarity of one of its tracks to the rest",
    "identities[].reason?": "why it is an outlier",
    "identities[].num_faces": "accepted faces",
    "identities[].representative_face_id": "its best face",
    "unassigned[].track_id": "a track in no identity",
    "unassigned[].reason": "why",
}
_CLEANUP_METRICS = (
    "tracks_per_minute",
    "short_track_fraction",
    "id_switch_rate",
    "singleton_fraction",
    "largest_cluster_fraction",
)

DOCUMENTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "video.json": {name: attribute_text(VideoProbe, name) for name in VideoProbe.__dataclass_fields__},
        "identities.json": {
            **_IDENTITIES,
            "stats.named?": "identities with a name; only in `cleaned/`, as what follows",
            "identities[].person_id?": "the person of the facebank, or null",
            "identities[].name?": "what the person is called, or null",
            "identities[].name_similarity?": "mean similarity to the person's photos, or null",
            "identities[].name_margin?": "lead over the second best person, or null",
            "identities[].named_by?": "`facebank`, `correction`, or null",
        },
        "clusters.json": _IDENTITIES,
        "track_ids.json": {"track_ids": "the tracks of the rows of `tracks.npy`"},
        "episode_vectors.json": {
            "ep_id": "the episode",
            "show": "its show",
            "model_digest": "SHA-256 of the embedder",
            "tracks": "number of tracks in the database",
        },
        "track_metrics.json": {
            "ep_id": "the episode",
            "detect_track_metrics.duration_s": "duration of the video",
            "detect_track_metrics.shots": "number of shots",
            "detect_track_metrics.detections": "number of detections",
            "detect_track_metrics.untracked_detections": "those in no track",
            "detect_track_metrics.tracks": "number of tracks",
            "detect_track_metrics.tracks_per_minute": "tracks per minute of video",
            "detect_track_metrics.short_track_fraction": "share of tracks under 1 s",
            "detect_track_metrics.mean_track_s": "mean duration of a track",
            "detect_track_metrics.splits.*": "tracks that begin at a split, by reason",
            "detect_track_metrics.rebirths": "tracks that begin after a gap where another one ended",
            "detect_track_metrics.id_switch_rate": "(splits + rebirths) / tracks",
            "crop_stats.total_crops": "detections with a crop, blank ones included",
            "crop_stats.blank_crops": "crops that showed nothing; not stored",
            "crop_stats.blank_fraction": "their share",
            "crop_stats.faces": "accepted faces",
            "crop_stats.quality_mean": "mean quality_score of the accepted faces",
            "crop_stats.rejection_rate": "share of tracked detections that the quality gate turned down",
            "crop_stats.rejected.*": "number of crops by reason",
            "crop_stats.blank_crops_written": "embedded faces whose stored crop shows nothing; must be 0",
            "crop_stats.max_faces_per_track": "faces of the track that has most",
            "crop_stats.max_crops_per_track": "the key",
            "crop_stats.vector_dimension": "numbers in a vector",
            "crop_stats.vector_norm_error": "largest distance of a vector's length from 1",
            **{name.replace("stats.", "cluster_metrics."): text for name, text in _STATS.items()},
        },
        "corrections.json": {
            "ep_id": "the episode",
            "corrections.*": "the entries of `corrections/{ep_id}.yaml`, in their order",
        },
        "grouping.json": {
            "ep_id": "the episode",
            "facebank": "version of the facebank, null without one",
            "limits.similarity": "`name_similarity`",
            "limits.tight": "`tight_thresh`",
            "limits.margin": "`name_margin`",
            "centroids": "clusters that were compared",
            "within_episode": "clusters merged within the episode",
            "across_episodes": "clusters named by the facebank",
            "decisions[].*": "one for each cluster: decision, clusters, identity, person, figures",
            "corrections.*": "what became of each correction",
            "exempt": "tracks that are seen together and one person by the word of people",
        },
        "cleanup_report.json": {
            "ep_id": "the episode",
            "actions_completed": "phases that were on",
            "runtime_sec": "seconds of computing of the phases",
            "tracks_before": "tracks",
            "tracks_after": "tracks",
            "faces_before": "accepted faces",
            "faces_after": "accepted faces",
            "clusters_before": "identities",
            "clusters_after": "identities",
            **{
                f"metrics_{when}.{name}": "as in `track_metrics.json`"
                for when in ("before", "after")
                for name in _CLEANUP_METRICS
            },
            **{
                f"improvement.{name}.{part}": text
                for name in _CLEANUP_METRICS
                for part, text in (
                    ("baseline", "what after is compared with"),
                    ("change", "after less baseline"),
                    ("target", "up to there, more is not worse"),
                    ("verdict", "`better`, `same` or `worse`"),
                )
            },
            "splits.*": "tracks that were divided, by reason, and in total",
            "grouping.centroids": "clusters that were compared",
            "grouping.within_episode": "clusters merged within the episode",
            "grouping.across_episodes": "clusters named by the facebank",
        },
        "screen_time.json": {
            "ep_id": "the episode",
            "config.*": "the keys that it was made with",
            "duration_s": "duration of the video",
            "people[].person_id": "the person, or the identity of who has no name",
            "people[].identity_ids": "identities of the person",
            "people[].name": "what the person is called, or null",
            "people[].visual_s": "seconds on screen",
            "people[].share": "of the episode, 0 to 1",
            "people[].first_s": "first appearance",
            "people[].last_s": "end of the last appearance",
            "people[].longest_s": "longest stretch",
            "people[].intervals": "`[[start_s, end_s], ...]`, merged, in order",
            "people[].tracks": "number of tracks",
            "people[].faces": "accepted faces",
            "people[].confidence": "share of the time that remains without weakly linked tracks",
            "people[].weak_link_s": "seconds that rest on weakly linked tracks alone",
            "people[].bridged_s": "seconds in which nobody saw the face: bridged gaps and padding",
            "totals.union_s": "seconds with at least one person",
            "totals.sum_s": "seconds of all people together",
            "totals.overlap_s": "seconds with two or more",
            "totals.unassigned_s": "seconds with a face of nobody",
            "together[].people": "two people",
            "together[].seconds": "how long both are on screen",
        },
    }
)
"""The fields of each JSON document: ``a.b`` is within an object, ``a[].b`` within each entry of a list, ``a.*`` all
below; a question mark stands at what may be left out."""

ARRAYS: Mapping[str, str] = {
    "faces.npy": "a vector for each row of `faces.parquet`",
    "gate.npy": "a vector for each row of `gate.parquet`",
    "tracks.npy": "a vector for each track of `track_ids.json`",
}
"""NumPy files: float32, 512 columns, rows of length 1."""

OTHER_FILES: Mapping[str, str] = {
    "crops": "a JPEG file of each embedded face, `{track_id}/frame_000042.jpg`; left out with `save_crops=false`",
    "screen_time.csv": "the people of `screen_time.json`, a line each",
}
"""What has no schema."""
