"""The people of the episode: corrections applied, clusters of one person merged, names given by the facebank.

A person's similarity is the mean over the photos and over the identity's tracks; it must reach ``name_similarity`` and
lead the second best person by ``name_margin``. People who are not in the facebank have no name; two identities that
are seen together are never one person. A track that is still alone, or has no accepted face, joins the person whom it
shows with at least ``join_probability``. ``grouping.json`` holds every decision with its figures. Switched by
``actions``; if switched off, only the corrections are applied.
"""

from collections.abc import Mapping
from typing import Any

from resources.storage.artifacts import Artifact
from screenalytics_assets.artifact import ArtifactSpec, Outputs, add_warning
from screenalytics_assets.assets.cast import draw_cast, read_cast
from screenalytics_assets.assets.identity_spec import earlier_identities, with_previous
from screenalytics_assets.core.common.episode_ids import show_of
from screenalytics_assets.core.common.errors import FacebankError
from screenalytics_assets.core.documents.facebank import PublishedFacebank
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import same_face_warning
from screenalytics_assets.core.identity.stable_ids import identity_boxes
from screenalytics_assets.core.identity.track_evidence import PoorFaces, track_evidence
from screenalytics_assets.core.people.corrections.correction_evidence import PresentEvidence
from screenalytics_assets.core.people.corrections.corrections import Corrections, Evidence
from screenalytics_assets.core.people.lone_tracks import Joining
from screenalytics_assets.core.people.naming import Facebank
from screenalytics_assets.core.people.resolve_people import resolve_people
from screenalytics_assets.metadata import picture, table
from screenalytics_assets.run_context import Run

_DECISIONS_SHOWN = 50


def _is_enabled(run: Run) -> bool:
    return "group_clusters" in run.keys.cleanup.actions


def read_facebank(run: Run) -> Artifact | None:
    """The facebank that names are taken from, if the show has one."""
    return run.published("facebank", show_of(run.key)) if _is_enabled(run) else None


def config(run: Run) -> dict[str, Any]:
    """Whether the phase is on, the version of the facebank, and the limits."""
    facebank, statistics = run.once(read_facebank), run.pack.embedder.entry.similarity_statistics
    return {
        "enabled": _is_enabled(run),
        "facebank": facebank.document("facebank.json", PublishedFacebank).version if facebank else None,
        "name_similarity": run.thresholds.name_similarity,
        "name_margin": run.thresholds.name_margin,
        "join_probability": run.keys.cleanup.join_probability,
        "similarity_statistics": statistics._asdict() if statistics else None,
        **run.keys.clustering.model_dump(exclude={"cluster_thresh", "min_identity_sim", "min_cluster_size"}),
    }


def compute(run: Run, outputs: Outputs) -> None:
    """Resolve the people."""
    clusters, facebank = run.inputs["recluster"], run.once(read_facebank)
    track_ids = clusters.document("track_ids.json", TrackIds).track_ids
    tracks = EpisodeTracks(
        run.inputs["split_tracks"].table("tracks.parquet"),
        run.inputs["reembed"].table("faces.parquet"),
        track_ids,
        clusters.vectors("tracks.npy", len(track_ids)),
    )
    people = resolve_people(
        clusters.document("clusters.json", Identities),
        tracks,
        enrolled_photos(facebank, run.pack.embedder.file.sha256) if facebank else None,
        run.inputs["corrections"].document("corrections.json", Corrections),
        run.keys.clustering,
        run.thresholds,
        present=PresentEvidence(
            Evidence(
                video=run.inputs["episode_video"].document("video.json", VideoProbe).sha256,
                model=run.pack.embedder.file.sha256,
            ),
            run.thresholds.name_similarity,
        ),
        automatic=_is_enabled(run),
        joining=_joining(run, tracks) if _is_enabled(run) else None,
        earlier=with_previous(
            run, earlier_identities(clusters, "clusters.json"), "identities.json", "people_boxes.parquet"
        ),
    )
    output = outputs["group_clusters"]
    add_warning(output, same_face_warning(people.identities, tracks.table))
    output.write_document("identities.json", people.identities)
    output.write_document("grouping.json", people.grouping)
    output.write_table("people_boxes", identity_boxes(run.key, people.identities.tracks_of, tracks.table))


def _joining(run: Run, tracks: EpisodeTracks) -> Joining | None:
    """What tracks that are alone are joined by; None if the embedder declares no statistics of its similarities."""
    statistics = run.pack.embedder.entry.similarity_statistics
    if statistics is None:
        return None
    faces, columns = run.inputs["reembed"], ["detection_id", "sharpness", "yaw"]
    poor = PoorFaces(faces.table("poor_faces.parquet"), faces.array("poor_faces.npy"))
    evidence = track_evidence(tracks, poor, run.inputs["detections"].table("detections.parquet", columns))
    return Joining(evidence, statistics, run.keys.cleanup.join_probability)


def enrolled_photos(facebank: Artifact, embedder: str) -> Facebank:
    """The photos that names are compared with.

    Raises:
        FacebankError: Their vectors were made by another embedder.
        ArtifactError: The facebank was published by a version that kept its vectors only in the database.
    """
    document = facebank.document("facebank.json", PublishedFacebank)
    if document.model_digest != embedder:
        raise FacebankError(
            f"the facebank of {document.show} was made by the embedder {document.model_digest[:12]}, this run uses "
            f"{embedder[:12]}: vectors of two models cannot be compared. Run `screenalytics facebank {document.show}` "
            "with the model of this run, or this run with the model of the facebank"
        )
    people = [photo.person_id for photo in document.accepted]
    return Facebank(people, facebank.vectors("facebank.npy", len(document.accepted)), document.names, document.version)


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """The names and the reasons for them, a table of the people, their best crops, and the fate of each correction."""
    document = artifact.document("identities.json", Identities)
    grouping = artifact.document("grouping.json", Grouping)
    cast = read_cast(document, inputs["split_tracks"], inputs["reembed"])
    outcomes = [{**outcome.to_dict(), "remarks": "; ".join(outcome.remarks)} for outcome in grouping.corrections]
    decisions = [entry.to_dict() for entry in grouping.decisions if entry.decision not in ("named", "not_compared")]
    return {
        **document.stats.to_dict(),
        "same_face_pairs": len(document.same_face or ()),
        "centroids": grouping.centroids,
        "within_episode": grouping.within_episode,
        "across_episodes": grouping.across_episodes,
        "joined_tracks": sum(join.decision == "joined" for join in grouping.joins),
        "corrections": len(outcomes),
        "corrections_in_doubt": sum(outcome.is_doubtful for outcome in grouping.corrections),
        "people": table([{"name": member.name or "", **member.row()} for member in cast]),
        "decisions": decisions[:_DECISIONS_SHOWN],
        "contact_sheet": picture(draw_cast(cast, inputs["face_crops"]), "the best crops of each person"),
    } | ({"correction_list": table(outcomes)} if outcomes else {})


SPEC = ArtifactSpec(
    "group_clusters",
    code_version="6",
    group="cleanup",
    kinds={"numpy", "json"},
    description=__doc__,
    reads=("episode_video", "detections", "face_crops", "split_tracks", "reembed", "recluster", "corrections"),
    reads_across=("facebank",),
    reads_previous=True,
    config=config,
    compute=compute,
    describe=describe,
)
