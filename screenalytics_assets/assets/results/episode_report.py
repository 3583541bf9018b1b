"""The page that people read about an episode."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.acceptance_limits import load_acceptance
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.crop_file import read_crops
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.common.layout import SHEET
from screenalytics_assets.core.config.keys import digest_of
from screenalytics_assets.metadata import picture
from screenalytics_assets.partitions import EPISODES
from screenalytics_assets.reports.pictures.cast import cast_of, cast_sheet
from screenalytics_assets.reports.provenance import used_digest

REPORTED_ASSETS = (
    "detections",
    "tracks",
    "faces",
    "identities",
    "split_tracks",
    "reembed",
    "recluster",
    "group_clusters",
    "screen_time",
)
"""The assets whose configuration and models the report tells."""


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Where the page is, its size, and the best crops of each person."""
    sheet = artifact.path(SHEET).read_bytes()
    return {
        "report": dg.MetadataValue.path(artifact.location("index.html")),
        "bytes": artifact.path("index.html").stat().st_size,
        "contact_sheet": picture(sheet, "the best crops of each person"),
    }


def sheet_of(inputs: Mapping[str, Artifact]) -> bytes:
    """The best crops of each person, for the terminal to point to."""
    cast = cast_of(
        inputs["group_clusters"].json("identities.json"),
        inputs["split_tracks"].table("tracks.parquet"),
        inputs["reembed"].table("faces.parquet"),
    )
    shown = {face for member in cast for face in member.best_faces}
    return cast_sheet(cast, dict(read_crops(inputs["face_crops"].path("face_crops.parquet"), shown)))


STAGE = Stage(
    "episode_report",
    "3",
    inputs=(
        "episode_video",
        "detections",
        "face_crops",
        "track_metrics",
        "corrections",
        "split_tracks",
        "reembed",
        "recluster",
        "group_clusters",
        "screen_time",
        "cleanup_report",
    ),
    outputs={"episode_report": describe},
)


@dg.asset(
    partitions_def=EPISODES,
    group_name="episode",
    kinds={"html"},
    deps=["track_metrics", "screen_time", "cleanup_report"],
    code_version=STAGE.code_version,
)
def episode_report(
    context: dg.AssetExecutionContext, settings: SettingsResource, artifacts: ArtifactStoreResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """One HTML file that opens anywhere: who is on screen and when, what to look at first, the figures, the making.

    It shows the people as the cleanup and the facebank leave them. Made from published artifacts; no video is opened.
    """
    with translate_errors():
        run = settings.load()
        store = artifacts.store()
        acceptance = load_acceptance()
    clustering = run.resolved.settings.clustering
    # The embedder's own limits, so that a bad one of the configuration shows.
    declared = run.pack.thresholds
    limits = (
        declared["tight_thresh"] or run.thresholds.recluster_tight_thresh,
        declared["cluster_thresh"] or run.thresholds.recluster_thresh,
    )
    manifests = {
        name: found for name in REPORTED_ASSETS if (found := store.manifest(name, context.partition_key)) is not None
    }

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        # Templates, pictures and statistics, which only the page needs.
        from screenalytics_assets.core.people.review_candidates import MergeLimits
        from screenalytics_assets.reports.episode import EpisodePage
        from screenalytics_assets.reports.review import Review

        review = Review(context.partition_key, inputs, clustering, MergeLimits(*limits))
        page = EpisodePage(context.partition_key, inputs, review, manifests, run.pack, acceptance).render()
        outputs["episode_report"].path("index.html").write_text(page, encoding="utf-8")
        outputs["episode_report"].path(SHEET).write_bytes(sheet_of(inputs))
        likely = {"likely_merges": review.merges(), "likely_splits": review.splits()}
        return {"episode_report": {name: sum(q.is_likely for q in found) for name, found in likely.items()}}

    yield from run_stage(
        context,
        STAGE,
        store,
        run.resolved,
        config={
            **{key: value for key, value in clustering.model_dump().items() if key.startswith("cannot_link_")},
            "doubt_limits": list(limits),
            "acceptance": digest_of(acceptance.model_dump(mode="json")),
            "used": used_digest(manifests),
        },
        force=settings.force,
        compute=compute,
    )
