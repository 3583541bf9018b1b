"""The cleaned tracks grouped into people from scratch, with separate thresholds.

By default they are the embedder's, so that a bad ``cluster_thresh`` of ``identities`` is not repeated.
People of ``identities`` have the same id here. Switched by ``actions``; if switched off, each track stays in the
identity of its detections.
"""

from collections.abc import Mapping
from typing import Any

from resources.storage.artifacts import Artifact
from screenalytics_assets.assets.identity_spec import earlier_identities, identity_spec, with_previous
from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import identify, seen_together
from screenalytics_assets.core.identity.remap import remap_identities
from screenalytics_assets.run_context import Run


def _is_enabled(run: Run) -> bool:
    return "recluster" in run.keys.cleanup.actions


def _clustering(run: Run) -> ClusteringSettings:
    limits = run.thresholds
    own = {"cluster_thresh": limits.recluster_thresh, "tight_thresh": limits.recluster_tight_thresh}
    return run.keys.clustering.model_copy(update=own)


def config(run: Run) -> dict[str, Any]:
    """Whether the phase is on, and the keys of clustering that it reads."""
    if not _is_enabled(run):
        return {
            "enabled": False,
            "min_cohesion": run.thresholds.min_cohesion,
            "count_pictures": run.keys.clustering.count_pictures,
        }
    return {"enabled": True, **_clustering(run).model_dump()}


def group_tracks(run: Run, tracks: EpisodeTracks) -> Identities:
    """Cluster the tracks, or leave them with the identities that they were in."""
    if not _is_enabled(run):
        return _pass_through(run, tracks)
    limits = run.thresholds._replace(
        cluster_thresh=run.thresholds.recluster_thresh, tight_thresh=run.thresholds.recluster_tight_thresh
    )
    earlier = with_previous(run, earlier_identities(run.inputs["identities"], "identities.json"), "clusters.json")
    return identify(run.key, tracks, _clustering(run), limits, earlier=earlier)


def _pass_through(run: Run, tracks: EpisodeTracks) -> Identities:
    document = run.inputs["identities"].document("identities.json", Identities)
    before, faces = run.inputs["tracks"].table("tracks.parquet"), run.inputs["faces"].table("faces.parquet")
    if tracks.table.equals(before) and tracks.faces.equals(faces):
        return document
    cannot_link, same_face = seen_together(tracks, run.keys.clustering)
    return remap_identities(
        document,
        before,
        tracks,
        cannot_link=cannot_link,
        same_face=same_face,
        min_cohesion=run.thresholds.min_cohesion,
    )


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """The figures of the clustering, before and now."""
    clusters = artifact.document("clusters.json", Identities)
    before = inputs["identities"].document("identities.json", Identities).stats
    return {
        **clusters.stats.to_dict(),
        "unassigned_tracks": len(clusters.unassigned),
        "clusters_before": before.clusters,
        "singleton_fraction_before": before.singleton_fraction,
        "largest_cluster_fraction_before": before.largest_cluster_fraction,
    }


SPEC = identity_spec(
    "recluster",
    tracks="split_tracks",
    faces="reembed",
    document="clusters.json",
    code_version="4",
    group="cleanup",
    description=__doc__,
    also_reads=("tracks", "faces", "identities"),
    config=config,
    group_tracks=group_tracks,
    describe=describe,
)
