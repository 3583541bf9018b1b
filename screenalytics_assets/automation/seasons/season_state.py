"""The state of each episode, read from the published manifests.

Dagster's own "materialized" outlives deleted files and retired episodes, so it is not used. An artifact is up to date
if a run would reuse it: its fingerprint is computed as in a run. The event log gives two things that only it knows: how
the latest run ended, and the results of the checks on the latest materialization.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from logging import getLogger
from types import SimpleNamespace
from typing import Literal, cast

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from resources.storage.manifest import Manifest
from resources.videos import VideoLibraryResource
from screenalytics_assets.artifact import fingerprint
from screenalytics_assets.assets.specs import EPISODE_SPECS
from screenalytics_assets.automation.seasons.episodes import episode_assets
from screenalytics_assets.automation.seasons.season_config import What
from screenalytics_assets.automation.unfinished_runs import UNFINISHED
from screenalytics_assets.core.common.episode_ids import parse_ep_id
from screenalytics_assets.core.common.errors import ArtifactError, CorrectionError, VideoError
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.dagster_private import AssetGraph, CheckStatus, latest_check_evaluation
from screenalytics_assets.partitions import PARTITION_TAG
from screenalytics_assets.run_context import Resources, Run

AssetState = Literal["ok", "stale", "missing"]
CheckState = Literal["passed", "warned", "failed", "not run"]
_SPEC_OF = {name: spec for spec in EPISODE_SPECS for name in spec.outputs}
# botocore keeps ten connections open.
_THREADS = 8


@dataclass(frozen=True)
class EpisodeState:
    """What there is of an episode.

    Attributes:
        ep_id: The episode.
        assets: State of each asset, upstream first.
        checks: Result of each check on what is published now.
        run: Status of the latest run, in lower case; None if there was none.
    """

    ep_id: str
    assets: Mapping[str, AssetState]
    checks: Mapping[str, CheckState]
    run: str | None

    @property
    def is_running(self) -> bool:
        """A run is queued or under way."""
        return self.run in {status.value.lower() for status in UNFINISHED}

    def matches(self, what: What) -> bool:
        """Whether the episode belongs to those that are to be run."""
        match what:
            case "missing" | "stale":
                return what in self.assets.values()
            case "failed":
                return self.run in ("failure", "canceled") or "failed" in self.checks.values()
            case "all":
                return True

    @property
    def state(self) -> str:
        """In one word, the worst first."""
        if self.is_running:
            return "running"
        return next((what for what in ("failed", "missing", "stale") if self.matches(what)), "ok")


class SeasonReader:
    """Reads the state of episodes, for one configuration."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        asset_graph: AssetGraph,
        artifacts: ArtifactStoreResource,
        videos: VideoLibraryResource,
        settings: SettingsResource,
    ) -> None:
        self._instance = instance
        self._graph = asset_graph
        self._store = artifacts.store()
        self._videos = videos
        self._resources = cast("Resources", SimpleNamespace(settings=settings, artifacts=artifacts, videos=videos))
        self._write_jsonl = settings.load().resolved.settings.output.write_jsonl
        self._assets = [key.to_user_string() for key in episode_assets(asset_graph)]

    def read(self, ep_ids: Sequence[str]) -> list[EpisodeState]:
        """The state of each of the episodes."""
        for ep_id in ep_ids:
            parse_ep_id(ep_id)
        runs, checks = self._runs(ep_ids), self._checks(ep_ids)
        # A bucket takes its time for each request.
        with ThreadPoolExecutor(_THREADS) as pool:
            assets = dict(zip(ep_ids, pool.map(self._asset_states, ep_ids), strict=True))
        return [self._episode(ep_id, assets[ep_id], checks.get(ep_id, {}), runs.get(ep_id)) for ep_id in ep_ids]

    def _episode(
        self,
        ep_id: str,
        assets: Mapping[str, AssetState],
        results: Mapping[dg.AssetCheckKey, CheckState],
        run: str | None,
    ) -> EpisodeState:
        checks: dict[str, CheckState] = {}
        for key in self._check_keys():
            published = assets[key.asset_key.to_user_string()] != "missing"
            checks[key.name] = results.get(key, "not run") if published else "not run"
        return EpisodeState(ep_id, assets, checks, run)

    def _asset_states(self, ep_id: str) -> dict[str, AssetState]:
        found = {asset: self._manifest(asset, ep_id) for asset in self._assets}
        manifests = {asset: manifest for asset, manifest in found.items() if manifest is not None}
        states: dict[str, AssetState] = {}
        for asset in self._assets:
            if asset not in manifests:
                states[asset] = "missing"
                continue
            spec = _SPEC_OF[asset]
            # The content of a stale input is not known before it is computed, so whatever follows from it is stale.
            inputs_are_ok = all(states[name] == "ok" for name in (*spec.reads, *spec.reads_manifests))
            states[asset] = "ok" if inputs_are_ok and self._is_current(manifests[asset], manifests) else "stale"
        return states

    def _manifest(self, asset: str, ep_id: str) -> Manifest | None:
        try:
            artifact = self._store.open(asset, ep_id)
        except ArtifactError:  # a file of it is lost or cut short
            return None
        return artifact.manifest if artifact else None

    def _is_current(self, manifest: Manifest, manifests: Mapping[str, Manifest]) -> bool:
        """Whether a run would reuse the artifact."""
        spec, ep_id = _SPEC_OF[manifest.asset], manifest.ep_id
        run = Run(spec, ep_id, self._store, self._resources, getLogger(__name__), known=manifests)
        # The SHA-256 of every video would take minutes a season: name and size have to do.
        if spec.name == "episode_video" and not self._is_recorded_video(manifest):
            return False
        try:
            config = manifest.config if spec.name == "episode_video" else spec.config(run)
        except (ArtifactError, CorrectionError):  # a run would stop here and say why
            return False
        digests = {name: manifests[name].content_digest for name in spec.reads}
        return manifest.fingerprint == fingerprint(spec, config, digests, write_jsonl=self._write_jsonl)

    def _is_recorded_video(self, manifest: Manifest) -> bool:
        """Whether the video has the name and size that were recorded."""
        try:
            name, size_bytes = self._videos.size_of(manifest.ep_id)
            recorded = self._store.artifact(manifest).document("video.json", VideoProbe)
        except (VideoError, ArtifactError):
            return False
        return name == manifest.config.get("file") and size_bytes == recorded.size_bytes

    def _check_keys(self) -> list[dg.AssetCheckKey]:
        return sorted(key for key in self._graph.asset_check_keys if key.asset_key.to_user_string() in self._assets)

    def _checks(self, ep_ids: Sequence[str]) -> dict[str, dict[dg.AssetCheckKey, CheckState]]:
        storage = self._instance.event_log_storage
        results: dict[str, dict[dg.AssetCheckKey, CheckState]] = {}
        wanted = set(ep_ids)
        for info in storage.get_asset_check_partition_info(self._check_keys()):
            # A result about an earlier materialization says nothing about this one.
            if info.partition_key in wanted and info.latest_materialization_storage_id and info.is_current:
                result = self._check_state(info.check_key, info.partition_key, info.latest_execution_status)
                results.setdefault(info.partition_key, {})[info.check_key] = result
        return results

    def _check_state(self, key: dg.AssetCheckKey, ep_id: str, status: CheckStatus) -> CheckState:
        if status is CheckStatus.SUCCEEDED:
            return "passed"
        if status is not CheckStatus.FAILED:
            return "not run"
        return "warned" if self._is_warning(key, ep_id) else "failed"

    def _is_warning(self, key: dg.AssetCheckKey, ep_id: str) -> bool:
        evaluation = latest_check_evaluation(self._instance, key, ep_id)
        return evaluation is not None and evaluation.severity is dg.AssetCheckSeverity.WARN

    def _runs(self, ep_ids: Sequence[str]) -> dict[str, str]:
        of_these = dg.RunsFilter(tags={PARTITION_TAG: list(ep_ids)})
        found = self._instance.get_run_partition_data(of_these) if ep_ids else []
        return {run.partition: run.status.value.lower() for run in found}
