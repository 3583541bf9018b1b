"""The episode's video, looked at but not decoded."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from resources.artifact_store import Artifact, ArtifactStoreResource, StagedArtifact
from resources.settings import SettingsResource
from resources.video import probe_video
from resources.video_library import VideoLibraryResource
from screenalytics_assets.partitions import EPISODES
from screenalytics_assets.stage import Stage, run_stage, user_errors


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Duration, frame rate, size and codec."""
    return dict(artifact.json("video.json"))


STAGE = Stage("episode_video", "1", inputs=(), outputs={"episode_video": describe})


@dg.asset(partitions_def=EPISODES, group_name="episode", kinds={"mp4"}, code_version=STAGE.code_version)
def episode_video(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    videos: VideoLibraryResource,
    artifacts: ArtifactStoreResource,
) -> Iterator[dg.MaterializeResult[Any]]:
    """Duration, frame rate, size, rotation, codec and checksum of the episode's video.

    Everything is read from the timestamps of the container, so that a file that ends early or has no picture
    is refused here, before anything is computed.
    """
    with user_errors():
        video = videos.identify(context.partition_key)
        resolved = settings.load().resolved

    def compute(_inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        probe = probe_video(videos.find(context.partition_key))
        outputs["episode_video"].write_json("video.json", probe.to_dict())
        return {}

    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        resolved,
        config={"sha256": video.sha256, "file": video.name},
        force=settings.force,
        compute=compute,
    )
