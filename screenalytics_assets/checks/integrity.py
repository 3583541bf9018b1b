"""What must hold in every episode: accounting, references, schemas, vectors, boxes, cuts."""

from collections.abc import Mapping, Sequence
from typing import Any

from resources.storage.artifacts import Artifact
from resources.storage.store import ArtifactStore
from screenalytics_assets.artifact import require_artifact
from screenalytics_assets.checks.episode_check import integrity_check
from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.layout import crops_dir
from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.identity.identities import cannot_link_constraints
from screenalytics_assets.core.quality import integrity as core


def _detections(store: ArtifactStore, ep_id: str) -> Sequence[str]:
    """Schema, unique ids, boxes inside the frame, scores in range, every face on an analysed frame."""
    artifact = require_artifact(store, "detections", ep_id)
    detections = artifact.table("detections.parquet")
    frames = artifact.table("analysed_frames.parquet")
    breaches = [
        *core.schema_breaches("detections", detections, schemas.DETECTIONS),
        *core.schema_breaches("analysed_frames", frames, schemas.ANALYSED_FRAMES),
        *core.schema_breaches("shots", artifact.table("shots.parquet"), schemas.SHOTS),
    ]
    if breaches:
        return breaches
    return [
        *core.unique_breaches("detections", detections["detection_id"].to_pylist()),
        *core.box_breaches("detections", detections),
        *core.landmark_breaches("detections", detections),
        *core.range_breaches("detections", detections, ("confidence", "quality_score")),
        *core.reference_breaches(
            "detections",
            map(str, detections["frame_idx"].to_pylist()),
            map(str, frames["frame_idx"].to_pylist()),
        ),
    ]


def _face_crops(store: ArtifactStore, ep_id: str) -> Sequence[str]:
    """Each detection has one crop or was counted as blank, and each crop belongs to a detection."""
    artifact = require_artifact(store, "face_crops", ep_id)
    detections = require_artifact(store, "detections", ep_id).table("detections.parquet", ["detection_id"])
    crops = artifact.table("face_crops.parquet", ["detection_id"])["detection_id"].to_pylist()
    blank = artifact.manifest.metrics["blank_crops"]
    uncounted = detections.num_rows - len(crops) - blank
    return [
        *core.unique_breaches("face_crops", crops),
        *core.reference_breaches("face_crops", crops, detections["detection_id"].to_pylist()),
        *([f"face_crops: {uncounted} detections have no crop and are not counted as blank"] if uncounted else []),
    ]


def _tracks(store: ArtifactStore, ep_id: str) -> Sequence[str]:
    """Each detection is in one track or untracked with a reason, no track reaches across a cut, one vector a row."""
    return track_breaches(store, ep_id, "tracks")


def track_breaches(store: ArtifactStore, ep_id: str, asset: str) -> list[str]:
    """What is wrong with the tracks that an asset publishes."""
    artifact = require_artifact(store, asset, ep_id)
    source = require_artifact(store, "detections", ep_id)
    tracks, untracked = artifact.table("tracks.parquet"), artifact.table("untracked.parquet")
    gate = artifact.table("gate.parquet")
    breaches = [
        *core.schema_breaches("tracks", tracks, schemas.TRACKS),
        *core.schema_breaches("untracked", untracked, schemas.UNTRACKED),
        *core.schema_breaches("gate", gate, schemas.SPLIT_EMBEDDINGS),
        *core.vector_breaches(artifact.array("gate.npy"), gate.num_rows, name="gate.npy"),
    ]
    if breaches:
        return breaches
    boxes = tracks["boxes"].combine_chunks()
    members = boxes.flatten().field("detection_id").to_pylist()
    detections = source.table("detections.parquet", ["detection_id"])["detection_id"].to_pylist()
    miscounted = int((boxes.value_lengths().to_numpy() != tracks["num_detections"].to_numpy()).sum())
    return [
        *core.unique_breaches("tracks", tracks["track_id"].to_pylist()),
        *core.partition_breaches("tracks", detections, members, untracked["detection_id"].to_pylist()),
        *core.unique_breaches("gate", gate["detection_id"].to_pylist()),
        *core.reference_breaches("gate", gate["detection_id"].to_pylist(), members),
        *core.shot_breaches(tracks, source.table("shots.parquet")),
        *([f"tracks: num_detections is wrong in {miscounted} tracks"] if miscounted else []),
    ]


def _faces(store: ArtifactStore, ep_id: str) -> Sequence[str]:
    """Row i is vector i, vectors have length 1, faces belong to tracks and detections, crop files exist."""
    return face_breaches(store, ep_id, "faces", tracks_of="tracks")


def face_breaches(store: ArtifactStore, ep_id: str, asset: str, *, tracks_of: str) -> list[str]:
    """What is wrong with the faces that an asset publishes, which are about the tracks of another one."""
    artifact = require_artifact(store, asset, ep_id)
    faces, rejected = artifact.table("faces.parquet"), artifact.table("crops_debug.parquet")
    breaches = [
        *core.schema_breaches("faces", faces, schemas.FACES),
        *core.schema_breaches("crops_debug", rejected, schemas.CROPS_DEBUG),
        *core.vector_breaches(artifact.array("faces.npy"), faces.num_rows),
    ]
    if breaches:
        return breaches
    tracks = require_artifact(store, tracks_of, ep_id).table("tracks.parquet", ["track_id"])
    detections = require_artifact(store, "detections", ep_id).table("detections.parquet", ["detection_id"])
    crops = [path for path in faces["crop_path"].to_pylist() if path is not None]
    return [
        *core.unique_breaches("faces", faces["face_id"].to_pylist()),
        *core.reference_breaches("faces", faces["track_id"].to_pylist(), tracks["track_id"].to_pylist()),
        *core.reference_breaches("faces", faces["detection_id"].to_pylist(), detections["detection_id"].to_pylist()),
        *core.reference_breaches("faces", crops, crops and _crop_files(artifact)),
        *core.rank_breaches(faces),
        *core.box_breaches("faces", faces),
    ]


def _crop_files(artifact: Artifact) -> set[str]:
    """The crop files of an episode, of the original faces and of these."""
    ep_id = artifact.manifest.ep_id
    folders = {crops_dir(ep_id), crops_dir(ep_id, artifact.manifest.asset)}
    return set().union(*map(artifact.files_below, folders))


def _identities(store: ArtifactStore, ep_id: str) -> Sequence[str]:
    """Each track is in one identity or unassigned with a reason; who is seen together is not one person."""
    artifact = require_artifact(store, "identities", ep_id)
    return identity_breaches(
        store, ep_id, artifact, artifact.json("identities.json"), tracks_of="tracks", faces_of="faces"
    )


def identity_breaches(
    store: ArtifactStore,
    ep_id: str,
    artifact: Artifact,
    document: Mapping[str, Any],
    *,
    tracks_of: str,
    faces_of: str,
) -> list[str]:
    """What is wrong with the identities of an artifact, which are about the tracks and faces of others."""
    tracks = require_artifact(store, tracks_of, ep_id).table("tracks.parquet", ["track_id", "boxes"])
    faces = require_artifact(store, faces_of, ep_id).table("faces.parquet", ["face_id"])
    boxes = artifact.table("identity_boxes.parquet")
    ids = [identity["identity_id"] for identity in document["identities"]]
    representatives = [identity["representative_face_id"] for identity in document["identities"]]
    vectors = artifact.array("tracks.npy")
    return [
        *core.partition_breaches("identities", tracks["track_id"].to_pylist(), *core.identity_track_ids(document)),
        *core.reason_breaches(document),
        *core.unique_breaches("identities", ids),
        *core.together_breaches(
            document, cannot_link_constraints(tracks, ClusteringSettings.model_validate(document["config"]))
        ),
        *core.schema_breaches("identity_boxes", boxes, schemas.IDENTITY_BOXES),
        *core.partition_breaches("identity_boxes", ids, set(boxes["identity_id"].to_pylist())),
        *core.reference_breaches("identities", representatives, faces["face_id"].to_pylist()),
        *core.vector_breaches(vectors, len(artifact.json("track_ids.json")["track_ids"])),
    ]


INTEGRITY_CHECKS = [
    integrity_check("detections", _detections),
    integrity_check("face_crops", _face_crops),
    integrity_check("tracks", _tracks),
    integrity_check("faces", _faces),
    integrity_check("identities", _identities),
]
