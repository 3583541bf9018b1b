"""The episode's video, looked at but not decoded."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.store import ArtifactStore
from resources.storage.video_decoder import probe_video
from resources.videos import VideoLibraryResource
from screenalytics_assets.artifact import Stage, StageContext, run_stage, translate_errors
from screenalytics_assets.core.config.layers import Resolved
from screenalytics_assets.core.video.probe import VideoProbe
from screenalytics_assets.partitions import EPISODES


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Duration, frame rate, size and codec."""
    return dict(artifact.json("video.json"))


TAKEN_FROM = "taken_from"
"""Among the metrics of a video that was dropped: which file it was."""
DATA_VERSION_TAG = "dagster/data_version"
STAGE = Stage("episode_video", "1", inputs=(), outputs={"episode_video": describe})


@dataclass(frozen=True)
class _Outside:
    """Where a video is recorded outside of a run."""

    partition_key: str
    log: Any


def record_video(
    ep_id: str,
    source: Path,
    videos: VideoLibraryResource,
    store: ArtifactStore,
    resolved: Resolved,
    log: Any,  # noqa: ANN401 - Dagster's log manager
    *,
    taken_from: str,
) -> dg.AssetMaterialization:
    """Take a new video into the library and publish its facts, as a run of ``episode_video`` would.

    ``taken_from`` is noted among its metrics as `TAKEN_FROM`.

    Raises:
        VideoError: The file is no complete video, or the episode has another one.
    """
    probe = probe_video(source)
    name = Path(videos.add(ep_id, source, replace=False)).name
    (result,) = _published(
        _Outside(ep_id, log),
        store,
        resolved,
        name,
        probe.sha256,
        lambda: probe,
        force=False,
        metrics={TAKEN_FROM: taken_from},
    )
    version = result.data_version.value if result.data_version else ""
    return dg.AssetMaterialization(
        "episode_video", partition=ep_id, metadata=result.metadata, tags={DATA_VERSION_TAG: version}
    )


def _published(
    context: StageContext,
    store: ArtifactStore,
    resolved: Resolved,
    name: str,
    digest: str,
    probe: Callable[[], VideoProbe],
    *,
    force: bool,
    metrics: Mapping[str, Any] | None = None,
) -> Iterator[dg.MaterializeResult[Any]]:
    def compute(_inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        outputs["episode_video"].write_json("video.json", probe().to_dict())
        return {"episode_video": metrics or {}}

    config = {"sha256": digest, "file": name}
    yield from run_stage(context, STAGE, store, resolved, config=config, force=force, compute=compute)


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
    with translate_errors():
        video = videos.identify(context.partition_key)
        resolved = settings.load().resolved
    yield from _published(
        context,
        artifacts.store(),
        resolved,
        video.name,
        video.sha256,
        lambda: probe_video(videos.find(context.partition_key), sha256=video.sha256),
        force=settings.force,
    )
