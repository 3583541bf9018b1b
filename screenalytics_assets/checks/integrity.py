"""Integrity of every episode: accounting, references, schemas, vectors, boxes, cuts."""

from collections.abc import Collection, Sequence

from resources.storage.artifacts import Artifact
from screenalytics_assets.checks.episode_check import Published, integrity_check
from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.common.layout import crops_dir
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.core.identity.identities import cannot_link_constraints
from screenalytics_assets.core.quality import integrity as core


def _detections(published: Published) -> Sequence[str]:
    """Schema, unique ids, boxes inside the frame, scores in range, every face on an analysed frame."""
    artifact = published["detections"]
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


def _face_crops(published: Published) -> Sequence[str]:
    """Each detection has one crop or was counted as blank, and each crop belongs to a detection."""
    artifact = published["face_crops"]
    detections = published["detections"].table("detections.parquet", ["detection_id"])
    crops = artifact.table("face_crops.parquet", ["detection_id"])["detection_id"].to_pylist()
    blank = artifact.manifest.metrics["blank_crops"]
    uncounted = detections.num_rows - len(crops) - blank
    return [
        *core.unique_breaches("face_crops", crops),
        *core.reference_breaches("face_crops", crops, detections["detection_id"].to_pylist()),
        *([f"face_crops: {uncounted} detections have no crop and are not counted as blank"] if uncounted else []),
    ]


def _tracks(published: Published) -> Sequence[str]:
    """Each detection is in one track or untracked with a reason, no track crosses a cut, one vector per row."""
    return track_breaches(published, "tracks")


def track_breaches(published: Published, asset: str) -> list[str]:
    """What is wrong with the tracks that an asset publishes."""
    artifact = published[asset]
    source = published["detections"]
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


def _faces(published: Published) -> Sequence[str]:
    """Row i is vector i, vectors have length 1, faces belong to tracks and detections, crop files exist."""
    return face_breaches(published, "faces", tracks_of="tracks")


def face_breaches(published: Published, asset: str, *, tracks_of: str) -> list[str]:
    """What is wrong with the faces that an asset publishes, which belong to the tracks of another one."""
    artifact = published[asset]
    faces, rejected = artifact.table("faces.parquet"), artifact.table("crops_debug.parquet")
    breaches = [
        *core.schema_breaches("faces", faces, schemas.FACES),
        *core.schema_breaches("crops_debug", rejected, schemas.CROPS_DEBUG),
        *core.vector_breaches(artifact.array("faces.npy"), faces.num_rows),
    ]
    if breaches:
        return breaches
    tracks = published[tracks_of].table("tracks.parquet", ["track_id"])
    detections = published["detections"].table("detections.parquet", ["detection_id"])
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


def _identities(published: Published) -> Sequence[str]:
    """Each track is in one identity or unassigned with a reason; tracks seen together are never one person."""
    return [
        *identity_breaches(published, "identities", "identities.json", tracks_of="tracks", faces_of="faces"),
        *vector_breaches(published["identities"]),
    ]


def identity_breaches(
    published: Published,
    asset: str,
    document_name: str,
    *,
    tracks_of: str,
    faces_of: str,
    boxes_name: str = "identity_boxes",
    label: str = "identities",
    exempt: Collection[tuple[str, str]] = (),
) -> list[str]:
    """What is wrong with the identities that an asset publishes.

    Args:
        published: The episode.
        asset: The asset.
        document_name: Its file with the identities.
        tracks_of: The asset whose tracks they are about.
        faces_of: The asset whose faces they are about.
        boxes_name: Its table of boxes.
        label: What messages call them.
        exempt: Pairs of tracks that may be one person although they are seen together.
    """
    artifact = published[asset]
    document = artifact.document(document_name, Identities)
    tracks = published[tracks_of].table("tracks.parquet", ["track_id", "boxes"])
    faces = published[faces_of].table("faces.parquet", ["face_id"])
    boxes = artifact.table(f"{boxes_name}.parquet")
    cannot_link = cannot_link_constraints(tracks, document.settings, [*(document.same_face or ()), *exempt])
    ids = [identity.identity_id for identity in document.identities]
    found = (identity.representative_face_id for identity in document.identities)
    representatives = [face for face in found if face is not None]
    return [
        *core.partition_breaches(label, tracks["track_id"].to_pylist(), *core.identity_track_ids(document)),
        *core.reason_breaches(document),
        *core.unique_breaches(label, ids),
        *core.cannot_link_breaches(document, cannot_link),
        *core.schema_breaches(boxes_name, boxes, schemas.IDENTITY_BOXES),
        *core.partition_breaches(boxes_name, ids, set(boxes["identity_id"].to_pylist())),
        *core.reference_breaches(label, representatives, faces["face_id"].to_pylist()),
    ]


def vector_breaches(artifact: Artifact) -> list[str]:
    """What is wrong with the vectors of the tracks."""
    return core.vector_breaches(
        artifact.array("tracks.npy"), len(artifact.document("track_ids.json", TrackIds).track_ids)
    )


INTEGRITY_CHECKS = [
    integrity_check("detections", _detections),
    integrity_check("face_crops", _face_crops),
    integrity_check("tracks", _tracks),
    integrity_check("faces", _faces),
    integrity_check("identities", _identities),
]
