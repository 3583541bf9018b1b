"""What there is of each episode, read from the published manifests.

Dagster's own "materialized" is a claim about the store: it outlives deleted files and retired episodes. The event log
is asked for two things that only it knows: how the latest run ended, and what the checks of the latest
materialization gave.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from resources.configuration.run_settings import RunSettings
from resources.storage.artifacts import Manifest
from resources.storage.store import ArtifactStore
from resources.videos import VideoLibraryResource
from screenalytics_assets.automation.seasons.episodes import episode_assets
from screenalytics_assets.automation.seasons.season_config import What
from screenalytics_assets.core.common.episode_ids import parse_ep_id
from screenalytics_assets.core.common.errors import ArtifactError, VideoError
from screenalytics_assets.core.config.keys import flatten
from screenalytics_assets.dagster_private import AssetGraph, CheckStatus, latest_check_evaluation
from screenalytics_assets.partitions import PARTITION_TAG

AssetState = Literal["ok", "stale", "missing"]
CheckState = Literal["passed", "warned", "failed", "not run"]
# botocore keeps ten connections open.
_THREADS = 8
_UNFINISHED = frozenset(
    {
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    }
)


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
        return self.run in {status.value.lower() for status in _UNFINISHED}

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
        store: ArtifactStore,
        videos: VideoLibraryResource,
        run: RunSettings,
    ) -> None:
        self._instance = instance
        self._graph = asset_graph
        self._store = store
        self._videos = videos
        self._assets = [key.to_user_string() for key in episode_assets(asset_graph)]
        sections = run.resolved.settings.model_dump(mode="json")
        self._config = {key: value for values in sections.values() for key, value in flatten(values).items()}
        self._config |= {"detector": run.pack.detector.file.sha256, "embedder": run.pack.embedder.file.sha256}

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
        manifests = {asset: self._manifest(asset, ep_id) for asset in self._assets}
        states: dict[str, AssetState] = {}
        for asset, manifest in manifests.items():
            if manifest is None:
                states[asset] = "missing"
                continue
            # What an input will be is not known before it is made again, so that it makes stale what follows.
            inputs_are_these = all(
                states.get(name) == "ok" and (made := manifests.get(name)) and made.content_digest == digest
                for name, digest in manifest.inputs.items()
            )
            states[asset] = "ok" if inputs_are_these and self._is_current(manifest) else "stale"
        return states

    def _manifest(self, asset: str, ep_id: str) -> Manifest | None:
        try:
            artifact = self._store.open(asset, ep_id)
        except ArtifactError:  # a file of it is lost or cut short
            return None
        return artifact.manifest if artifact else None

    def _is_current(self, manifest: Manifest) -> bool:
        if manifest.code_version != self._graph.get(dg.AssetKey.from_user_string(manifest.asset)).code_version:
            return False
        if manifest.asset == "episode_video" and not self._is_recorded_video(manifest):
            return False
        # Each key that a stage notes has the same name everywhere; what is no key here is not a matter of settings.
        return all(self._config.get(key, value) == value for key, value in flatten(manifest.config).items())

    def _is_recorded_video(self, manifest: Manifest) -> bool:
        """Whether the video has the name and size that were recorded; its checksum would take minutes a season."""
        try:
            name, size_bytes = self._videos.size_of(manifest.ep_id)
        except VideoError:
            return False
        recorded = self._store.artifact(manifest).json("video.json")
        return name == manifest.config.get("file") and size_bytes == recorded["size_bytes"]

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
