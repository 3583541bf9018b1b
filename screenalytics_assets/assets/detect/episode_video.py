"""Duration, frame rate, size, rotation, codec and checksum of the episode's video: what a player would show, and when.

Everything is read from the packets and the first picture, so that a truncated file or one without pictures is refused
here, before anything is computed.
"""

from collections.abc import Mapping
from dataclasses import replace
from logging import Logger
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg

from resources.storage.artifacts import Artifact
from resources.storage.store import ArtifactStore
from resources.storage.videos import VideoFile
from resources.video.decoder import probe_video
from resources.videos import VideoLibraryResource
from screenalytics_assets.artifact import ArtifactSpec, Outputs, add_warning, materialize
from screenalytics_assets.core.common.episode_ids import parse_ep_id
from screenalytics_assets.core.common.intervals import intervals_of
from screenalytics_assets.core.config.layers import Resolved
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.video.damage import missing_warning
from screenalytics_assets.run_context import Resources, Run

TAKEN_FROM = "taken_from"
"""Among the metrics of a video from the inbox: which file it was."""
DATA_VERSION_TAG = "dagster/data_version"


def identify_video(run: Run) -> VideoFile:
    """Name and checksum of the video."""
    return run.resources.videos.identify(run.key)


def config(run: Run) -> dict[str, Any]:
    """Which video it is."""
    video = run.once(identify_video)
    return {"sha256": video.sha256, "file": video.name}


def compute(run: Run, outputs: Outputs) -> None:
    """Read the timestamps of the video."""
    probe = probe_video(run.resources.videos.find(run.key), sha256=run.once(identify_video).sha256)
    _publish(outputs, probe)


def _publish(outputs: Outputs, probe: VideoProbe) -> None:
    outputs["episode_video"].write_document("video.json", probe)
    add_warning(outputs["episode_video"], missing_warning(intervals_of(probe.missing)))


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Duration, frame rate, size and codec."""
    return artifact.document("video.json", VideoProbe).to_dict()


SPEC = ArtifactSpec(
    "episode_video",
    code_version="4",
    group="detect",
    kinds={"mp4"},
    description=__doc__,
    config=config,
    compute=compute,
    describe=describe,
    resources=frozenset({"videos"}),
)


def record_video(
    ep_id: str,
    source: Path,
    videos: VideoLibraryResource,
    store: ArtifactStore,
    resolved: Resolved,
    log: Logger,
    *,
    taken_from: str,
) -> dg.AssetMaterialization:
    """Add a new video to the library and publish its facts, as a run of ``episode_video`` would.

    ``taken_from`` is noted among its metrics as `TAKEN_FROM`.

    Raises:
        VideoError: The file is not a complete video, or the episode has another one.
    """
    parse_ep_id(ep_id)
    probe = probe_video(source)
    name = Path(videos.add(ep_id, source, replace=False)).name

    def compute_from_source(_run: Run, outputs: Outputs) -> None:
        _publish(outputs, probe)
        outputs["episode_video"].metrics[TAKEN_FROM] = taken_from

    spec = replace(SPEC, config=lambda _run: {"sha256": probe.sha256, "file": name}, compute=compute_from_source)
    run = Run(spec, ep_id, store, cast("Resources", SimpleNamespace(videos=videos)), log)
    (result,) = materialize(run, resolved)
    version = result.data_version.value if result.data_version else ""
    return dg.AssetMaterialization(
        "episode_video", partition=ep_id, metadata=result.metadata, tags={DATA_VERSION_TAG: version}
    )
