"""Retiring an episode: all its data is deleted, and the deletion is verified."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import dagster as dg

from resources.database.access import database_exists, open_database
from resources.storage.store import ArtifactStore
from screenalytics_assets.automation.inbox.inbox import Inbox
from screenalytics_assets.automation.retention.tombstones import Retirement, write_tombstone
from screenalytics_assets.automation.unfinished_runs import unfinished_runs
from screenalytics_assets.core.common.episode_ids import parse_ep_id
from screenalytics_assets.core.common.errors import ArtifactError, ConfigurationError
from screenalytics_assets.core.common.layout import corrections_path
from screenalytics_assets.partitions import EPISODES_NAME, PARTITION_TAG


class EpisodeStore(NamedTuple):
    """A place that holds data of an episode.

    Attributes:
        name: Its name in the record, for example ``vectors``.
        find: Lists what it holds of an episode; must be empty after `purge`.
        purge: Deletes all of it.
    """

    name: str
    find: Callable[[str], Sequence[str]]
    purge: Callable[[str], None]


def files_store(artifacts: ArtifactStore) -> EpisodeStore:
    """The episode's folders: its video, artifacts, crops, reports, exports, and what was being written.

    Also its corrections: they name tracks of the episode, and would be applied to a new episode with the same id.
    """

    def find(ep_id: str) -> list[str]:
        place = corrections_path(ep_id)
        corrections = [] if artifacts.read(place) is None else [artifacts.location(place)]
        return [*artifacts.files_of(ep_id), *corrections]

    def purge(ep_id: str) -> None:
        artifacts.remove_files_of(ep_id)
        artifacts.remove(corrections_path(ep_id))

    return EpisodeStore("files", find, purge)


def vectors_store() -> EpisodeStore:
    """The vectors of the episode's tracks; a database that was never created is not started.

    Both functions raise `DatabaseError` if the database cannot be reached.
    """

    def find(ep_id: str) -> list[str]:
        if not database_exists():
            return []
        with open_database() as database:
            return [] if database.episode_digest(ep_id) is None else [f"tracks of {ep_id} in {database.place}"]

    def purge(ep_id: str) -> None:
        if database_exists():
            with open_database() as database:
                database.remove_episode(ep_id)

    return EpisodeStore("vectors", find, purge)


def inbox_store(inbox: Inbox) -> EpisodeStore:
    """The files in the inbox, which would bring the episode back."""

    def names(ep_id: str) -> list[str]:
        return [file.name for file in inbox.files() if file.stem == ep_id]

    def purge(ep_id: str) -> None:
        for name in names(ep_id):
            inbox.remove(name)

    return EpisodeStore("inbox", names, purge)


def run_history_store(instance: dg.DagsterInstance) -> EpisodeStore:
    """The runs of the episode with their events, which contain contact sheets of faces."""

    def run_ids(ep_id: str) -> list[str]:
        return [run.run_id for run in instance.get_runs(filters=dg.RunsFilter(tags={PARTITION_TAG: ep_id}))]

    def purge(ep_id: str) -> None:
        for run_id in run_ids(ep_id):
            instance.delete_run(run_id)

    return EpisodeStore("runs", run_ids, purge)


def retire(
    instance: dg.DagsterInstance, ep_id: str, stores: Iterable[EpisodeStore], *, artifacts: ArtifactStore
) -> Retirement:
    """Delete an episode everywhere, and record the deletion without any of its data.

    May be called again after an interruption.

    Args:
        instance: Has the partition and its runs.
        ep_id: The episode.
        stores: Purged in this order, after the partition.
        artifacts: Where the record is written.

    Raises:
        ConfigurationError: The episode is unknown, or a run of it is unfinished.
        ArtifactError: Something is still there afterwards.
        DatabaseError: The database of the vectors cannot be reached; nothing was deleted.
    """
    parse_ep_id(ep_id)
    stores = list(stores)
    known = ep_id in instance.get_dynamic_partitions(EPISODES_NAME)
    removed = {store.name: len(store.find(ep_id)) for store in stores}
    if not known and not any(removed.values()):
        raise ConfigurationError(f"{ep_id}: no such episode")
    _require_no_unfinished_run(instance, ep_id)
    # Without the partition no new run can be launched; one launched in the meantime is left to finish.
    instance.delete_dynamic_partition(EPISODES_NAME, ep_id)
    try:
        _require_no_unfinished_run(instance, ep_id)
    except ConfigurationError:
        instance.add_dynamic_partitions(EPISODES_NAME, [ep_id])
        raise
    for store in stores:
        store.purge(ep_id)
    left = [f"{store.name}: {thing}" for store in stores for thing in store.find(ep_id)]
    if ep_id in instance.get_dynamic_partitions(EPISODES_NAME):
        left.append(f"partition: {ep_id}")
    if left:
        raise ArtifactError(f"{ep_id} is not gone, retire it again; still there: {'; '.join(left[:10])}")
    retirement = Retirement(at=datetime.now(UTC).isoformat(timespec="seconds"), removed=removed)
    write_tombstone(artifacts, ep_id, retirement)
    return retirement


def _require_no_unfinished_run(instance: dg.DagsterInstance, ep_id: str) -> None:
    unfinished = unfinished_runs(instance, [ep_id]).get(ep_id)
    if unfinished:
        raise ConfigurationError(
            f"{ep_id} is being worked on: {', '.join(unfinished)}; wait, or end it in the UI, then retire the episode"
        )
