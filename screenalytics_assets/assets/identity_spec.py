"""What ``identities`` and ``recluster`` have in common: what is published about people, and how ids stay stable."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from resources.storage.artifacts import Artifact
from resources.storage.crop_file import read_crops
from screenalytics_assets.artifact import ArtifactSpec, Config, Describe, Outputs
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.detection.alignment import decode_reduced_gray
from screenalytics_assets.core.documents.identities import Identities, LastIdentityNumber, TrackIds
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.stable_ids import EarlierIdentities, combined, identity_boxes
from screenalytics_assets.core.identity.track_templates import pool_tracks
from screenalytics_assets.core.tracking.still_pictures import is_picture, still_tracks
from screenalytics_assets.run_context import Run


def identity_spec(
    name: str,
    *,
    tracks: str,
    faces: str,
    document: str,
    group_tracks: Callable[[Run, EpisodeTracks], Identities],
    code_version: str,
    group: str,
    description: str,
    also_reads: tuple[str, ...],
    config: Config,
    describe: Describe,
) -> ArtifactSpec:
    """The declaration of identities.

    Args:
        name: Of the artifact.
        tracks: The artifact whose tracks are grouped.
        faces: The artifact with their faces.
        document: The file with the identities document.
        group_tracks: Gives the identities document.
        code_version: See `ArtifactSpec`.
        group: See `ArtifactSpec`.
        description: See `ArtifactSpec`.
        also_reads: Inputs besides the tracks and the faces.
        config: See `ArtifactSpec`.
        describe: See `ArtifactSpec`.
    """

    def compute(run: Run, outputs: Outputs) -> None:
        table, face_table = run.inputs[tracks].table("tracks.parquet"), run.inputs[faces].table("faces.parquet")
        pictures = frozenset[str]() if run.keys.clustering.count_pictures else _pictures(run, table)
        of_people = np.array([track not in pictures for track in face_table["track_id"].to_pylist()], bool)
        people_faces, face_vectors = face_table.filter(pa.array(of_people)), run.inputs[faces].array("faces.npy")
        track_ids, vectors = pool_tracks(people_faces, face_vectors[of_people])
        found = group_tracks(run, EpisodeTracks(table, face_table, track_ids, vectors, pictures))
        output = outputs[name]
        output.write_document(document, found)
        output.write_table("identity_boxes", identity_boxes(run.key, found.tracks_of, table))
        output.write_array("tracks.npy", vectors)
        output.write_document("track_ids.json", TrackIds(track_ids=tuple(track_ids)))

    return ArtifactSpec(
        name,
        code_version=code_version,
        group=group,
        kinds={"scikitlearn", "json"},
        description=description,
        reads=("episode_video", "detections", "face_crops", *also_reads, tracks, faces),
        reads_previous=True,
        config=config,
        compute=compute,
        describe=describe,
    )


def _pictures(run: Run, tracks: pa.Table) -> frozenset[str]:
    """The tracks that show a picture of a face."""
    video = run.inputs["episode_video"].document("video.json", VideoProbe)
    detections = run.inputs["detections"].table("detections.parquet", ["detection_id", "ts_s", "landmarks"])
    still = still_tracks(tracks, detections, (video.width, video.height))
    wanted = {detection_id for track in still.values() for detection_id in track.detection_ids}
    stored = read_crops(run.inputs["face_crops"].path("face_crops.parquet"), wanted)
    crops = {detection_id: decode_reduced_gray(jpeg) for detection_id, jpeg in stored}
    return frozenset(track_id for track_id, track in still.items() if is_picture(track, crops))


def earlier_identities(artifact: Artifact, document: str, boxes: str = "identity_boxes.parquet") -> EarlierIdentities:
    """Which ids are taken, and where in the picture their identities are."""
    return EarlierIdentities(
        artifact.table(boxes), artifact.document(document, LastIdentityNumber).last_identity_number
    )


def previous_identities(run: Run, document: str, boxes: str = "identity_boxes.parquet") -> EarlierIdentities | None:
    """The same of what the run's own artifact published before; None, with a warning, if that cannot be read."""
    own = run.previous()
    if own is None or not own.manifest.has(boxes):
        return None
    try:
        return earlier_identities(own, document, boxes)
    except ArtifactError as error:
        run.log.warning(f"ids that only the previous {run.spec.name} of {run.key} have start again: {error}")
        return None


def with_previous(
    run: Run, earlier: EarlierIdentities, document: str, boxes: str = "identity_boxes.parquet"
) -> EarlierIdentities:
    """Earlier identities, and in addition those that the run's own artifact published before."""
    own = previous_identities(run, document, boxes)
    return combined(earlier, own) if own else earlier
