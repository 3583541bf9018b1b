"""The page that people read about an episode."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from resources.artifact_store import Artifact, ArtifactStoreResource, StagedArtifact
from resources.crop_file import read_crops
from resources.settings import SettingsResource
from screenalytics_assets.partitions import EPISODES
from screenalytics_assets.reports.cast import cast_of, cast_timeline
from screenalytics_assets.reports.episode import render_episode
from screenalytics_assets.stage import Stage, run_stage, user_errors


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Where the page is."""
    (page,) = artifact.manifest.files
    return {"report": dg.MetadataValue.path(artifact.location("index.html")), "bytes": page.bytes}


STAGE = Stage(
    "episode_report",
    "1",
    inputs=("episode_video", "detections", "face_crops", "tracks", "faces", "identities", "track_metrics"),
    outputs={"episode_report": describe},
)


@dg.asset(
    partitions_def=EPISODES,
    group_name="episode",
    kinds={"html"},
    deps=["track_metrics"],
    code_version=STAGE.code_version,
)
def episode_report(
    context: dg.AssetExecutionContext, settings: SettingsResource, artifacts: ArtifactStoreResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """One HTML file: who was found, when each is seen, and the figures of the episode."""
    with user_errors():
        resolved = settings.load().resolved

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        document = inputs["identities"].json("identities.json")
        cast = cast_of(document, inputs["tracks"].table("tracks.parquet"), inputs["faces"].table("faces.parquet"))
        shown = {face for member in cast for face in member.best_faces}
        page = render_episode(
            context.partition_key,
            video=inputs["episode_video"].json("video.json"),
            metrics=inputs["track_metrics"].json("track_metrics.json"),
            identities=document,
            cast=cast,
            crops=dict(read_crops(inputs["face_crops"].path("face_crops.parquet"), shown)),
            timeline_png=cast_timeline(cast, inputs["detections"].table("shots.parquet")),
        )
        outputs["episode_report"].path("index.html").write_text(page, encoding="utf-8")
        return {}

    yield from run_stage(context, STAGE, artifacts.store(), resolved, config={}, force=settings.force, compute=compute)
