"""What ``identities`` and ``recluster`` have in common: what is published about people, and how ids stay stable."""

from collections.abc import Callable

from resources.storage.artifacts import Artifact
from screenalytics_assets.artifact import ArtifactSpec, Config, Describe, Outputs
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.documents.identities import Identities, LastIdentityNumber, TrackIds
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.stable_ids import EarlierIdentities, combined, identity_boxes
from screenalytics_assets.core.identity.track_templates import pool_tracks
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
        track_ids, vectors = pool_tracks(face_table, run.inputs[faces].array("faces.npy"))
        found = group_tracks(run, EpisodeTracks(table, face_table, track_ids, vectors))
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
        reads=(*also_reads, tracks, faces),
        reads_previous=True,
        config=config,
        compute=compute,
        describe=describe,
    )


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
