"""The database as an index of the published artifacts, from which it can always be rebuilt."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from resources.storage.artifacts import Artifact
from resources.storage.store import ArtifactStore, require_artifact
from screenalytics_assets.core.common.digests import digest_of, sha256_of
from screenalytics_assets.core.common.episode_ids import show_of
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.documents.facebank import PublishedFacebank
from screenalytics_assets.core.documents.identities import Identities, TrackIds

if TYPE_CHECKING:
    from resources.database.vector_database import VectorDatabase

EPISODE_ARTIFACTS = ("split_tracks", "reembed", "recluster", "group_clusters")
"""What an episode's rows are made from."""


def index_facebank(database: "VectorDatabase", facebank: Artifact) -> bool:
    """Store a published facebank, unless the database has this version of it.

    Returns:
        Whether it was stored.

    Raises:
        DatabaseError: The database does not answer.
    """
    document = facebank.document("facebank.json", PublishedFacebank)
    stored = database.facebank(document.show)
    if stored is not None and stored.version == document.version:
        return False
    accepted = document.accepted
    database.replace_facebank(
        document.show,
        version=document.version,
        model_digest=document.model_digest,
        photo_ids=[photo.photo_id for photo in accepted],
        person_ids=[photo.person_id for photo in accepted],
        vectors=facebank.vectors("facebank.npy", len(document.accepted)),
        names=document.names,
    )
    return True


def index_episode(database: "VectorDatabase", artifacts: Mapping[str, Artifact], model_digest: str) -> bool:
    """Store the tracks and people of a finished episode, unless the database has this content.

    Args:
        database: The database.
        artifacts: `EPISODE_ARTIFACTS` of one episode, by name.
        model_digest: The embedder of an episode without faces.

    Returns:
        Whether it was stored.

    Raises:
        DatabaseError: The database does not answer.
    """
    ep_id = artifacts["group_clusters"].manifest.ep_id
    faces = artifacts["reembed"].table("faces.parquet", ["track_id", "detection_id", "quality_rank"])
    made_by = embedder_digest(artifacts["reembed"], model_digest)
    track_ids = artifacts["recluster"].document("track_ids.json", TrackIds)
    vectors = artifacts["recluster"].vectors("tracks.npy", len(track_ids.track_ids))
    tracks = searchable_tracks(
        track_ids,
        artifacts["split_tracks"].table("tracks.parquet"),
        faces,
        artifacts["group_clusters"].document("identities.json", Identities),
    )
    digest = digest_of([made_by, tracks.to_pylist(), sha256_of(vectors.tobytes())])
    if database.episode_digest(ep_id) == digest:
        return False
    database.replace_episode(
        ep_id, show=show_of(ep_id), content_digest=digest, model_digest=made_by, tracks=tracks, vectors=vectors
    )
    return True


def embedder_digest(faces: Artifact, without_faces: str) -> str:
    """The embedder of an episode's faces; ``without_faces`` if it has none."""
    found: list[str] = faces.table("faces.parquet", ["model_digest"])["model_digest"].unique().to_pylist()
    return found[0] if found else without_faces


def searchable_tracks(track_ids: TrackIds, tracks: pa.Table, faces: pa.Table, identities: Identities) -> pa.Table:
    """When each track is seen, the person and the best face, in the order of the ids."""
    identity_of = identities.identity_of
    people = [identity_of.get(track_id) for track_id in track_ids.track_ids]
    best = faces.filter(pc.equal(faces["quality_rank"], 1)).select(["track_id", "detection_id"])
    wanted = pa.array(track_ids.track_ids, pa.string())
    times, shown = (
        part.take(pc.index_in(wanted, value_set=part["track_id"].combine_chunks()))
        for part in (tracks.select(["track_id", "start_s", "end_s"]), best)
    )
    return pa.table(
        {
            **{name: times[name] for name in times.column_names},
            "detection_id": shown["detection_id"],
            "identity_id": pa.array([person and person.identity_id for person in people], pa.string()),
            "person_id": pa.array([person and person.person_id for person in people], pa.string()),
            "name": pa.array([person and person.name for person in people], pa.string()),
        }
    )


def _require_one_run(artifacts: Mapping[str, Artifact]) -> None:
    """Raise `ArtifactError` if an artifact was not made from the others: a run may have stopped between them."""
    for name, artifact in artifacts.items():
        for source, digest in artifact.manifest.inputs.items():
            if source in artifacts and artifacts[source].manifest.content_digest != digest:
                ep_id = artifact.manifest.ep_id
                raise ArtifactError(
                    f"{ep_id}: {name} was made from another {source} than the one that is published; "
                    f"run: screenalytics run --ep-id {ep_id}"
                )


def published_keys(store: ArtifactStore) -> tuple[list[str], list[str]]:
    """The shows with a facebank and the finished episodes.

    Raises:
        ArtifactError: There are none, so that the data root is probably not the right one.
    """
    shows, episodes = store.keys("facebank"), store.keys("group_clusters")
    if not shows and not episodes:
        raise ArtifactError(
            f"{store.location('')} has neither a facebank nor a finished episode: nothing was changed in the database. "
            "Name the data root with --data-root or SCREENALYTICS_DATA_ROOT"
        )
    return shows, episodes


def rebuild_index(
    database: "VectorDatabase", store: ArtifactStore, model_digest: str, report: Callable[[str], None]
) -> list[str]:
    """Make the database hold what is published, and nothing else.

    Args:
        database: Its tables are of this version.
        store: Where the artifacts are.
        model_digest: The embedder of episodes without faces.
        report: Takes a line for each show and episode.

    Returns:
        Why artifacts could not be read; the others are stored all the same.

    Raises:
        ArtifactError: Nothing is published.
    """
    shows, episodes = published_keys(store)
    problems = []
    for show in shows:
        try:
            stored = index_facebank(database, require_artifact(store, "facebank", show))
            report(f"facebank of {show}: {'stored' if stored else 'was there'}")
        except ArtifactError as error:
            problems.append(str(error))
    for number, ep_id in enumerate(episodes, start=1):
        try:
            artifacts = {name: require_artifact(store, name, ep_id) for name in EPISODE_ARTIFACTS}
            _require_one_run(artifacts)
            stored = index_episode(database, artifacts, model_digest)
            report(f"{number}/{len(episodes)} {ep_id}: {'stored' if stored else 'was there'}")
        except ArtifactError as error:
            problems.append(str(error))
    # What is stored is listed before what is published, now once more: a run may have published something in between.
    for show in sorted(set(database.stored_facebanks()) - set(store.keys("facebank"))):
        database.remove_facebank(show)
        report(f"facebank of {show}: removed, it is not published")
    for ep_id in sorted(set(database.stored_episodes()) - set(store.keys("group_clusters"))):
        database.remove_episode(ep_id)
        report(f"{ep_id}: removed, it is not published")
    return problems
