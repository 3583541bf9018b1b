"""Episodes without pictures: manifests and files as the graph would publish them, a few bytes each."""

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from logging import getLogger
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.execution.backfill import PartitionBackfill

from resources.settings import SettingsResource
from resources.storage.store import ArtifactStore
from resources.system.paths import data_root
from resources.videos import VideoLibraryResource
from screenalytics_assets.artifact import fingerprint
from screenalytics_assets.assets.specs import EPISODE_SPECS
from screenalytics_assets.automation.seasons.episodes import episode_assets
from screenalytics_assets.core.common.layout import video_dir
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.definitions import defs
from screenalytics_assets.partitions import EPISODES_NAME
from screenalytics_assets.run_context import Resources, Run

GRAPH = defs.resolve_asset_graph()
SPEC_OF = {name: spec for spec in EPISODE_SPECS for name in spec.outputs}
ASSETS = [key.to_user_string() for key in episode_assets(GRAPH)]


def write_video(path: Path, content: bytes = b"moving pictures") -> Path:
    """A file in the place of a video; its content is not a video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def probe_with(*, size_bytes: int, codec: str) -> VideoProbe:
    """Facts about a video of a second."""
    return VideoProbe(
        width=320,
        height=180,
        fps=25.0,
        start_s=0.0,
        duration_s=1.0,
        missing_s=0.0,
        missing=(),
        frame_count=25,
        is_variable_rate=False,
        is_joined=False,
        track=0,
        track_reason="the only one",
        pixel_aspect="1:1",
        rotation_deg=0,
        is_mirrored=False,
        is_interlaced=False,
        transfer="sdr",
        codec=codec,
        pixel_format="yuv420p",
        container="mp4",
        container_duration_s=None,
        has_audio=False,
        size_bytes=size_bytes,
        sha256="0" * 64,
    )


def publish(
    store: ArtifactStore,
    asset: str,
    ep_id: str,
    *,
    settings: SettingsResource | None = None,
    config: Mapping[str, Any] | None = None,
    content: str = "",
    code_version: str | None = None,
) -> str:
    """Publish one asset from what is published of its inputs, as a run would note it; returns its content digest.

    ``config`` and ``code_version`` are other values than those that a run with these settings would note.
    """
    spec = SPEC_OF[asset]
    spec = replace(spec, code_version=code_version or spec.code_version)
    resources = SimpleNamespace(settings=settings or SettingsResource(), videos=VideoLibraryResource())
    run = Run(spec, ep_id, store, cast("Resources", resources), getLogger(__name__))
    noted = {**spec.config(run), **(config or {})}
    digests = {name: found.content_digest for name in spec.reads if (found := store.manifest(name, ep_id)) is not None}
    with store.staging(asset, ep_id) as staged:
        if asset == "episode_video":
            video = VideoLibraryResource().find(ep_id)
            staged.write_document("video.json", probe_with(size_bytes=video.stat().st_size, codec=content or "h264"))
        else:
            staged.write_json(f"{asset}.json", {"content": content})
        artifact = store.publish(
            staged,
            fingerprint=fingerprint(spec, noted, digests, write_jsonl=run.keys.output.write_jsonl),
            code_version=spec.code_version,
            config=noted,
            inputs=digests,
            metrics={},
        )
    return artifact.manifest.content_digest


def publish_episode(
    store: ArtifactStore, ep_id: str, *, assets: Iterable[str] = ASSETS, settings: SettingsResource | None = None
) -> None:
    """Publish an episode with its video, all assets or those given."""
    write_video(data_root() / video_dir(ep_id) / "episode.mp4")
    for asset in assets:
        publish(store, asset, ep_id, settings=settings)


def register(instance: dg.DagsterInstance, *ep_ids: str) -> None:
    """Make episodes known to the instance."""
    instance.add_dynamic_partitions(EPISODES_NAME, list(ep_ids))


def report_checks(
    instance: dg.DagsterInstance,
    ep_id: str,
    *,
    failing: Mapping[str, dg.AssetCheckSeverity] | None = None,
    assets: Iterable[str] = ASSETS,
) -> None:
    """Report materializations of an episode and, after them, results of all checks."""
    for asset in assets:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=ep_id))
    for key in GRAPH.asset_check_keys:
        about = dg.AssetRecordsFilter(asset_key=key.asset_key, asset_partitions=[ep_id])
        (record,) = instance.fetch_materializations(about, limit=1).records
        severity = (failing or {}).get(key.name)
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=severity is None,
                severity=severity or dg.AssetCheckSeverity.ERROR,
                partition=ep_id,
                target_materialization_data=AssetCheckEvaluationTargetMaterializationData(
                    storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
                ),
            )
        )


def request_backfill(instance: dg.DagsterInstance, backfill_id: str, ep_ids: Sequence[str]) -> PartitionBackfill:
    """Request a backfill of all assets of some episodes, as the UI does."""
    with warnings.catch_warnings():
        # Dagster itself uses what it deprecates.
        warnings.filterwarnings("ignore", message="Function `AssetSelection.sources` is deprecated")
        backfill = PartitionBackfill.from_asset_partitions(
            backfill_id=backfill_id,
            asset_graph=GRAPH,
            partition_names=list(ep_ids),
            asset_selection=episode_assets(GRAPH),
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
    instance.add_backfill(backfill)
    return backfill
