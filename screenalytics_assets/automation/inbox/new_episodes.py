"""The sensor on the inbox: a video that is complete becomes an episode."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from resources.storage.store import ArtifactStore
from resources.storage.videos import VIDEO_SUFFIXES
from resources.videos import VideoLibraryResource
from screenalytics_assets.assets.detect.episode_video import DATA_VERSION_TAG, TAKEN_FROM, record_video
from screenalytics_assets.automation.inbox.inbox import (
    Cursor,
    Inbox,
    InboxFile,
    InboxSettings,
    inbox_settings,
    open_inbox,
)
from screenalytics_assets.automation.retention.tombstones import times_retired
from screenalytics_assets.automation.seasons.season_config import run_config_of
from screenalytics_assets.core.common.episode_ids import parse_ep_id
from screenalytics_assets.core.common.errors import ScreenalyticsError, UnavailableError, VideoError
from screenalytics_assets.partitions import EPISODES_NAME, PARTITION_TAG, add_requests

SENSOR = "new_episodes"
TICK_BUDGET_S = 30.0
"""A tick takes in videos for about this long and leaves the others to the next: a daemon that is stopped loses one."""

Refused = Callable[[str, str], None]
"""Told once of each file that is no episode: its name in the inbox, and what is wrong with it."""


@dataclass
class Taken:
    """What one look into the inbox gave.

    Attributes:
        videos: The materialization of each new episode's video.
        known: Episodes whose video was there already.
        refused: File name and reason.
        postponed: File name and what stood in the way this time.
        files: Files that need no other look until they change.
    """

    videos: list[dg.AssetMaterialization] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    postponed: list[tuple[str, str]] = field(default_factory=list)
    files: list[InboxFile] = field(default_factory=list)

    def leave_refused(self) -> None:
        """Let the next tick refuse them again: one that launches runs shows no message."""
        names = {name for name, _ in self.refused}
        self.files = [file for file in self.files if file.name not in names]
        self.refused = []


class EpisodeIntake:
    """Takes complete files of the inbox in: the video into the library, its facts into the artifact store."""

    def __init__(
        self,
        inbox: Inbox,
        videos: VideoLibraryResource,
        artifacts: ArtifactStoreResource,
        registered: Sequence[str],
        log: Any,  # noqa: ANN401 - Dagster's log manager
    ) -> None:
        self._inbox = inbox
        self._videos = videos
        self._artifacts = artifacts
        self._registered = frozenset(registered)
        self._log = log

    def take(self, files: Sequence[InboxFile], budget_s: float) -> Taken:
        """Take in as many of the files as the time allows, at least one; a bad one never keeps the others back."""
        taken = Taken()
        deadline_s = time.monotonic() + budget_s
        for file in files:
            try:
                self._take(file, taken)
            except (OSError, UnavailableError, dg.RetryRequested) as error:
                taken.postponed.append((file.name, str(error.__cause__ or error)))
                continue
            except (ScreenalyticsError, dg.Failure) as error:
                taken.refused.append((file.name, str(error)))
            taken.files.append(file)
            if time.monotonic() > deadline_s:
                break
        return taken

    def _take(self, file: InboxFile, taken: Taken) -> None:
        suffix = Path(file.name).suffix.lower()
        if suffix not in VIDEO_SUFFIXES:
            raise VideoError(f"{file.name} is not a video: expected a name that ends with {', '.join(VIDEO_SUFFIXES)}")
        ep_id = file.stem
        parse_ep_id(ep_id)
        store = self._artifacts.store()
        recorded = store.manifest("episode_video", ep_id) if ep_id in self._registered else None
        source = f"{file.name} {file.stamp}"
        if recorded and recorded.metrics.get(TAKEN_FROM) == source and self._has_video(ep_id):
            taken.known.append(ep_id)
            return
        with self._inbox.local(file.name) as path:
            if recorded and self._has_video(ep_id) and self._videos.holds(ep_id, path):
                taken.known.append(ep_id)
                return
            settings = SettingsResource().resolved()
            video = record_video(ep_id, path, self._videos, store, settings, self._log, taken_from=source)
        taken.videos.append(video)

    def _has_video(self, ep_id: str) -> bool:
        try:
            self._videos.locate(ep_id)
        except VideoError:
            return False
        return True


def build_new_episode_sensor(job_name: str, on_refused: Refused | None = None) -> dg.SensorDefinition:
    """The sensor that registers what is dropped into the inbox.

    Args:
        job_name: What a new episode runs when ``autorun`` is set.
        on_refused: Told once of each file that is no episode, for example to send an alert.
    """

    @dg.sensor(
        name=SENSOR,
        job_name=job_name,
        minimum_interval_seconds=inbox_settings().interval_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Videos in the inbox that are complete become episodes; what is no episode is told once.",
    )
    def new_episodes(
        context: dg.SensorEvaluationContext, videos: VideoLibraryResource, artifacts: ArtifactStoreResource
    ) -> dg.SensorResult:
        settings = inbox_settings()
        inbox = open_inbox(settings)
        files = inbox.files()
        now_s = time.time()
        cursor = Cursor.parse(context.cursor).observe(files, now_s)
        registered = context.instance.get_dynamic_partitions(EPISODES_NAME)
        intake = EpisodeIntake(inbox, videos, artifacts, registered, context.log)
        taken = intake.take(cursor.settled(files, now_s, settings.settle_s), TICK_BUDGET_S)
        if settings.autorun and taken.videos:
            taken.leave_refused()
        for name, reason in taken.refused:
            context.log.error(f"{name} is no episode: {reason}")
            if on_refused:
                on_refused(name, reason)
        return _result(taken, cursor.without(taken.files), settings, registered, artifacts.store())

    return new_episodes


def _result(
    taken: Taken, cursor: Cursor, settings: InboxSettings, registered: Sequence[str], store: ArtifactStore
) -> dg.SensorResult:
    new = {str(video.partition) for video in taken.videos} - set(registered)
    requests = [_run_of(video, store) for video in taken.videos] if settings.autorun else []
    return dg.SensorResult(
        run_requests=requests or None,
        skip_reason=None if requests else dg.SkipReason(_message(taken, cursor)),
        dynamic_partitions_requests=add_requests(new) or None,
        asset_events=taken.videos,
        cursor=cursor.model_dump_json(),
    )


def _run_of(video: dg.AssetMaterialization, store: ArtifactStore) -> dg.RunRequest:
    ep_id = str(video.partition)
    version = (video.tags or {})[DATA_VERSION_TAG][:12]
    # The same video again is the same run, unless the episode was retired in between.
    run_key = f"{ep_id} {version} {times_retired(store, ep_id)}"
    # With the tag Dagster does not look for a partition that this very tick adds.
    tags = {PARTITION_TAG: ep_id}
    return dg.RunRequest(run_key=run_key, partition_key=ep_id, run_config=run_config_of(ep_id), tags=tags)


def _message(taken: Taken, cursor: Cursor) -> str:
    said = [
        f"new: {', '.join(str(video.partition) for video in taken.videos)}" if taken.videos else "nothing new",
        *(f"refused {name}: {reason}" for name, reason in taken.refused),
        *(f"trying {name} again: {reason}" for name, reason in taken.postponed),
    ]
    if cursor.waiting:
        said.append(f"waiting until unchanged: {', '.join(sorted(cursor.waiting)[:10])}")
    return "; ".join([*said, f"{len(cursor.done)} files known"])
