"""The inbox sensor: a complete video becomes an episode."""

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
from resources.system.error_translation import translated
from resources.videos import VideoLibraryResource
from screenalytics_assets.assets.detect.episode_video import DATA_VERSION_TAG, TAKEN_FROM, record_video
from screenalytics_assets.automation.inbox.inbox import (
    Cursor,
    Inbox,
    InboxFile,
    InboxSettings,
    inbox_settings,
    open_inbox,
    reading_interval_s,
)
from screenalytics_assets.automation.retention.tombstones import times_retired
from screenalytics_assets.automation.seasons.season_config import run_config_of, usable_seasons
from screenalytics_assets.core.common.episode_ids import parse_ep_id
from screenalytics_assets.core.common.errors import ConfigurationError, VideoError
from screenalytics_assets.failures import errors_of_tick
from screenalytics_assets.partitions import EPISODES_NAME, PARTITION_TAG, add_requests

SENSOR = "new_episodes"
TICK_BUDGET_S = 30.0
"""A tick processes videos for about this long and leaves the rest to the next; a stopped daemon loses one tick."""

Refused = Callable[[str, str], None]
"""Called once for each file that is not an episode, with its name in the inbox and the reason."""


@dataclass
class Intake:
    """The files that one tick has processed.

    Attributes:
        videos: The materialization of each new episode's video.
        known: Episodes whose video was recorded before.
        refused: File name and reason.
        postponed: File name and the error of this attempt.
        files: Files that are not examined again until they change.
        problems: Mistakes in configuration files that did not keep the tick from working.
    """

    videos: list[dg.AssetMaterialization] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    postponed: list[tuple[str, str]] = field(default_factory=list)
    files: list[InboxFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def leave_refused(self) -> None:
        """Leave refused files to the next tick: a tick that launches runs shows no message."""
        names = {name for name, _ in self.refused}
        self.files = [file for file in self.files if file.name not in names]
        self.refused = []


class EpisodeIntake:
    """Adds complete files of the inbox: the video to the library, its properties to the artifact store."""

    def __init__(
        self,
        inbox: Inbox,
        videos: VideoLibraryResource,
        artifacts: ArtifactStoreResource,
        registered: Sequence[str],
        log: Any,  # noqa: ANN401 - Dagster's log manager
        *,
        autorun: bool = False,
    ) -> None:
        self._inbox = inbox
        self._videos = videos
        self._artifacts = artifacts
        self._registered = frozenset(registered)
        self._log = log
        self._autorun = autorun

    def take(self, files: Sequence[InboxFile], budget_s: float) -> Intake:
        """Add as many files as the time allows, at least one; a bad file does not hold up the others.

        Only what is the fault of a file refuses it, until it changes. Anything else postpones it to the next tick.
        """
        taken = Intake()
        deadline_s = time.monotonic() + budget_s
        for file in files:
            try:
                self._take(file, taken)
            except Exception as error:  # noqa: BLE001 - a library fails in new ways on a damaged file: that file's fault
                of_step = isinstance(error, dg.Failure | dg.RetryRequested)
                cause = error.__cause__ if of_step and error.__cause__ else error
                known = translated(cause, file.name)
                if known is None and not isinstance(cause, OSError):
                    self._log.exception(f"{file.name} cannot be read")
                    taken.refused.append((file.name, f"reading it failed with {type(cause).__name__}: {cause}"))
                elif isinstance(known, VideoError) or isinstance(cause, UnicodeError):
                    taken.refused.append((file.name, str(known)))
                else:  # a full disk, a network drive, a mistake in the configuration
                    taken.postponed.append((file.name, str(known or cause)))
                    continue
            taken.files.append(file)
            if time.monotonic() > deadline_s:
                break
        return taken

    def _take(self, file: InboxFile, taken: Intake) -> None:
        suffix = Path(file.name).suffix.lower()
        if suffix not in VIDEO_SUFFIXES:
            raise VideoError(f"{file.name} is not a video: expected a name that ends with {', '.join(VIDEO_SUFFIXES)}")
        ep_id = file.stem
        try:
            parse_ep_id(ep_id)
        except ConfigurationError as error:
            raise VideoError(str(error)) from error
        if self._autorun:
            run_config_of(ep_id)  # its run has to be possible
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
        on_refused: Called once for each file that is not an episode, for example to send an alert.
    """

    @dg.sensor(
        name=SENSOR,
        job_name=job_name,
        minimum_interval_seconds=reading_interval_s(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Complete videos in the inbox become episodes; a file that is not an episode is reported once.",
    )
    @errors_of_tick()
    def new_episodes(
        context: dg.SensorEvaluationContext, videos: VideoLibraryResource, artifacts: ArtifactStoreResource
    ) -> dg.SensorResult:
        settings = inbox_settings()
        inbox = open_inbox(settings)
        files = inbox.files()
        now_s = time.time()
        cursor = Cursor.parse(context.cursor).observe(files, now_s)
        registered = context.instance.get_dynamic_partitions(EPISODES_NAME)
        intake = EpisodeIntake(inbox, videos, artifacts, registered, context.log, autorun=settings.autorun)
        taken = intake.take(cursor.settled(files, now_s, settings.settle_s), TICK_BUDGET_S)
        if settings.autorun and taken.videos:
            taken.leave_refused()
        for name, reason in taken.refused:
            context.log.error(f"{name} is not an episode: {reason}")
            if on_refused:
                on_refused(name, reason)
        _, problem = usable_seasons()
        if problem:
            context.log.error(problem)
            taken.problems.append(problem)
        return _result(taken, cursor.with_done(taken.files), settings, registered, artifacts.store())

    return new_episodes


def _result(
    taken: Intake, cursor: Cursor, settings: InboxSettings, registered: Sequence[str], store: ArtifactStore
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
    # The same video gets the same run key, unless the episode was retired in between.
    run_key = f"{ep_id} {version} {times_retired(store, ep_id)}"
    # With this tag, Dagster does not require the partition, which the same tick adds, to exist already.
    tags = {PARTITION_TAG: ep_id}
    return dg.RunRequest(run_key=run_key, partition_key=ep_id, run_config=run_config_of(ep_id), tags=tags)


def _message(taken: Intake, cursor: Cursor) -> str:
    sentences = [
        *taken.problems,
        f"new: {', '.join(str(video.partition) for video in taken.videos)}" if taken.videos else "nothing new",
        *(f"refused {name}: {reason}" for name, reason in taken.refused),
        *(f"trying {name} again: {reason}" for name, reason in taken.postponed),
    ]
    if cursor.waiting:
        sentences.append(f"waiting until unchanged: {', '.join(sorted(cursor.waiting)[:10])}")
    return "; ".join([*sentences, f"{len(cursor.done)} files known"])
