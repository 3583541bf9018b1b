"""Third phase of the cleanup: who is who among the cleaned tracks."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.run_settings import RunSettings
from resources.settings import SettingsResource
from resources.storage.store import Artifact, ArtifactStore, StagedArtifact
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.identity.identities import apart, identify
from screenalytics_assets.core.identity.remap import carry_identities
from screenalytics_assets.core.identity.stable_ids import Publication, identity_boxes, joined_publication
from screenalytics_assets.core.identity.track_templates import pool_tracks
from screenalytics_assets.partitions import EPISODES


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """The figures of the clustering, before and now."""
    document = artifact.json("clusters.json")
    before = inputs["identities"].json("identities.json")["stats"]
    return {
        **document["stats"],
        "unassigned_tracks": len(document["unassigned"]),
        "clusters_before": before["clusters"],
        "singleton_fraction_before": before["singleton_fraction"],
        "largest_cluster_fraction_before": before["largest_cluster_fraction"],
    }


STAGE = Stage(
    "recluster",
    "2",
    inputs=("tracks", "faces", "identities", "split_tracks", "reembed"),
    outputs={"recluster": describe},
)


def earlier_clusters(store: ArtifactStore, identities: Artifact, log: dg.DagsterLogManager) -> Publication:
    """Who has which id: as in ``identities``, and beyond that as this phase published before."""
    published = Publication(
        identities.table("identity_boxes.parquet"), identities.json("identities.json")["last_identity_number"]
    )
    manifest = store.manifest("recluster", identities.manifest.ep_id)
    if manifest is None:
        return published
    if not store.is_intact(manifest):
        log.warning(f"the earlier clusters of {manifest.ep_id} are damaged: ids that only they have begin anew")
        return published
    own = store.artifact(manifest)
    return joined_publication(
        published,
        Publication(own.table("identity_boxes.parquet"), own.json("clusters.json")["last_identity_number"]),
    )


@dg.asset(
    partitions_def=EPISODES,
    group_name="cleanup",
    kinds={"scikitlearn", "json"},
    deps=["identities", "reembed"],
    code_version=STAGE.code_version,
)
def recluster(
    context: dg.AssetExecutionContext, settings: SettingsResource, artifacts: ArtifactStoreResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """The cleaned tracks grouped into people from scratch, with thresholds of the cleanup's own.

    Those are the embedder's unless set otherwise, so that a bad ``cluster_thresh`` of ``identities`` does not come
    back. Who is in ``identities`` has the same id here. Switched by ``actions``; switched off, each track stays with
    the identity that its detections were in.
    """
    with translate_errors():
        run = settings.load()
    enabled = "recluster" in run.resolved.settings.cleanup.actions
    clustering = run.resolved.settings.clustering.model_copy(
        update={
            "cluster_thresh": run.thresholds.recluster_thresh,
            "tight_thresh": run.thresholds.recluster_tight_thresh,
        }
    )

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        tracks = inputs["split_tracks"].table("tracks.parquet")
        faces = inputs["reembed"].table("faces.parquet")
        track_ids, vectors = pool_tracks(faces, inputs["reembed"].array("faces.npy"))
        if enabled:
            document = identify(
                context.partition_key,
                tracks,
                faces,
                track_ids,
                vectors,
                clustering,
                run.thresholds._replace(
                    cluster_thresh=run.thresholds.recluster_thresh, tight_thresh=run.thresholds.recluster_tight_thresh
                ),
                earlier=earlier_clusters(artifacts.store(), inputs["identities"], context.log),
            )
        else:
            document = _pass_through(inputs, run, track_ids, vectors)
        output = outputs["recluster"]
        output.write_json("clusters.json", document)
        tracks_of = {identity["identity_id"]: identity["track_ids"] for identity in document["identities"]}
        output.write_table("identity_boxes", identity_boxes(context.partition_key, tracks_of, tracks))
        output.write_array("tracks.npy", vectors)
        output.write_json("track_ids.json", {"track_ids": track_ids})
        return {}

    config = clustering.model_dump() if enabled else {"min_cohesion": clustering.min_cohesion}
    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        run.resolved,
        config={"enabled": enabled, **config},
        force=settings.force,
        compute=compute,
    )


def _pass_through(
    inputs: Mapping[str, Artifact], run: RunSettings, track_ids: list[str], vectors: NDArray[np.float32]
) -> dict[str, Any]:
    document: dict[str, Any] = inputs["identities"].json("identities.json")
    before: pa.Table = inputs["tracks"].table("tracks.parquet")
    after: pa.Table = inputs["split_tracks"].table("tracks.parquet")
    faces = inputs["reembed"].table("faces.parquet")
    if after.equals(before) and faces.equals(inputs["faces"].table("faces.parquet")):
        return document
    return carry_identities(
        document,
        before,
        after,
        faces,
        track_ids,
        vectors,
        seen_together=apart(after, run.resolved.settings.clustering),
        min_cohesion=run.thresholds.min_cohesion,
    )
