"""Retiring an episode, with a real instance, the real graph and a real sensor."""

import json
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from resources.artifact_store import ArtifactStoreResource
from resources.database.access import open_database
from resources.models.packs import ModelPack
from resources.storage.store import ArtifactStore
from resources.system.paths import data_root
from resources.videos import VideoLibraryResource
from screenalytics_assets.automation.inbox.inbox import open_inbox
from screenalytics_assets.automation.retention.episode_stores import episode_stores
from screenalytics_assets.automation.retention.retirement import EpisodeStore, retire
from screenalytics_assets.automation.retention.tombstones import read_tombstone
from screenalytics_assets.automation.seasons.season_config import Season
from screenalytics_assets.automation.seasons.season_runs import read_season
from screenalytics_assets.cli import app
from screenalytics_assets.core.common.errors import ArtifactError, ConfigurationError, DatabaseError
from screenalytics_assets.core.common.layout import tombstone_path
from screenalytics_assets.core.evaluation.truth import TruthDocument
from screenalytics_assets.partitions import EPISODES_NAME, PARTITION_TAG
from screenalytics_assets.services.running.runs import asset_names, run_episode
from tests.synthetic_episodes import ASSETS, GRAPH, publish_episode, register, request_backfill

EP, OTHER = "demo-s01e01", "demo-s01e02"
SEASON = Season(show="demo", season=1)


def artifacts() -> ArtifactStore:
    return ArtifactStoreResource().store()


def traces(ep_id: str) -> list[str]:
    """All paths below the data root that contain the id of an episode."""
    return sorted(str(path.relative_to(data_root())) for path in data_root().rglob(f"*{ep_id}*"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    return tmp_path


@pytest.fixture
def published(home: Path) -> dg.DagsterInstance:
    """An instance that knows two episodes, with artifacts of a few bytes."""
    instance = dg.DagsterInstance.local_temp(str(home))
    register(instance, EP, OTHER)
    for ep_id in (EP, OTHER):
        publish_episode(ArtifactStoreResource().store(), ep_id)
    return instance


def test_a_retired_episode_is_gone_from_everywhere_and_the_other_one_is_untouched(
    published: dg.DagsterInstance,
) -> None:
    open_inbox().files()
    (data_root() / f"inbox/{EP}.mp4").write_text("dropped")
    (data_root() / f".staging/{EP}/tracks.1").mkdir(parents=True)
    for place in (f"corrections/{EP}.yaml", f"exports/{EP}/tracks.csv", f"reports/{EP}/crops.jpg"):
        artifacts().write(place, b"of the episode")
    others = traces(OTHER)
    retirement = retire(published, EP, episode_stores(published, artifacts()), artifacts=artifacts())
    assert traces(EP) == [f"retired/{EP}.json"]
    assert traces(OTHER) == others
    assert published.get_dynamic_partitions(EPISODES_NAME) == [OTHER]
    assert retirement.removed["inbox"] == 1
    assert retirement.removed["files"] > len(ASSETS)
    assert json.loads((data_root() / tombstone_path(EP)).read_text()) == {
        "ep_id": EP,
        "retirements": [{"at": retirement.at, "removed": retirement.removed}],
    }


def test_the_vectors_of_a_retired_episode_are_forgotten(published: dg.DagsterInstance) -> None:
    row = {"track_id": "t", "identity_id": None, "start_s": 0.0, "end_s": 1.0, "detection_id": "d"}
    vectors = np.full((1, 512), 512**-0.5, np.float32)
    with open_database() as database:
        for ep_id in (EP, OTHER):
            database.replace_episode(
                ep_id,
                show="demo",
                content_digest="x",
                model_digest="a" * 64,
                tracks=pa.Table.from_pylist([row]),
                vectors=vectors,
            )
    assert retire(published, EP, episode_stores(published, artifacts()), artifacts=artifacts()).removed["vectors"] == 1
    with open_database() as database:
        assert set(database.stored_episodes()) == {OTHER}


def test_a_database_that_does_not_answer_prevents_it_and_nothing_is_touched(
    published: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = traces(EP)
    monkeypatch.setenv("SCREENALYTICS_DATABASE_URL", "postgresql://127.0.0.1:1/nothing")
    with pytest.raises(DatabaseError, match="does not answer"):
        retire(published, EP, episode_stores(published, artifacts()), artifacts=artifacts())
    assert traces(EP) == before
    assert EP in published.get_dynamic_partitions(EPISODES_NAME)


def test_no_database_is_made_to_retire_an_episode(published: dg.DagsterInstance) -> None:
    retire(published, EP, episode_stores(published, artifacts()), artifacts=artifacts())
    assert not (data_root() / "database").exists()


def test_an_unknown_episode_is_refused(published: dg.DagsterInstance) -> None:
    with pytest.raises(ConfigurationError, match="demo-s01e09: no such episode"):
        retire(published, "demo-s01e09", episode_stores(published, artifacts()), artifacts=artifacts())
    with pytest.raises(ConfigurationError, match="is not an episode id"):
        retire(published, "../data", episode_stores(published, artifacts()), artifacts=artifacts())


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
)
def test_an_unfinished_run_prevents_it_and_nothing_is_touched(
    status: dg.DagsterRunStatus, published: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the partition for a moment: a run whose partition is gone dies while it stores its output."""
    before = traces(EP)
    run = dg.DagsterRun(job_name="episode_job", status=status, tags={PARTITION_TAG: EP})
    published.add_run(run)
    with monkeypatch.context() as patch:
        patch.setattr(published, "delete_dynamic_partition", lambda *_: pytest.fail("the partition was deleted"))
        with pytest.raises(ConfigurationError, match=f"{EP} is being worked on: run {run.run_id}"):
            retire(published, EP, episode_stores(published, artifacts()), artifacts=artifacts())
    assert traces(EP) == before
    assert EP in published.get_dynamic_partitions(EPISODES_NAME)
    retire(published, OTHER, episode_stores(published, artifacts()), artifacts=artifacts())


def test_an_unfinished_backfill_of_the_ui_prevents_it(published: dg.DagsterInstance) -> None:
    request_backfill(published, "fromtheui", [EP])
    with pytest.raises(ConfigurationError, match=f"{EP} is being worked on: backfill fromtheui"):
        retire(published, EP, episode_stores(published, artifacts()), artifacts=artifacts())
    retire(published, OTHER, episode_stores(published, artifacts()), artifacts=artifacts())


def test_a_run_that_starts_during_the_deletion_restores_the_partition(published: dg.DagsterInstance) -> None:
    def starts(_ep_id: str) -> list[str]:
        if not published.get_runs():
            published.add_run(
                dg.DagsterRun(job_name="episode_job", status=dg.DagsterRunStatus.STARTED, tags={PARTITION_TAG: EP})
            )
        return []

    delete = published.delete_dynamic_partition
    published.delete_dynamic_partition = lambda name, key: (delete(name, key), starts(key))  # type: ignore[method-assign, assignment]
    before = traces(EP)
    with pytest.raises(ConfigurationError, match="is being worked on"):
        retire(published, EP, episode_stores(published, artifacts()), artifacts=artifacts())
    assert EP in published.get_dynamic_partitions(EPISODES_NAME)
    assert traces(EP) == before


def test_a_store_that_is_not_empty_afterwards_is_an_error_and_nothing_is_recorded(
    published: dg.DagsterInstance,
) -> None:
    vectors = [f"vector of {EP}"]
    stubborn = EpisodeStore("vectors", lambda _ep_id: list(vectors), lambda _ep_id: None)
    stores = [*episode_stores(published, artifacts()), stubborn]
    with pytest.raises(ArtifactError, match=f"{EP} is not gone.*still there: vectors: vector of {EP}"):
        retire(published, EP, stores, artifacts=artifacts())
    assert read_tombstone(artifacts(), EP) is None
    vectors.clear()
    again = EpisodeStore("vectors", lambda ep_id: [ep_id] if not vectors else [], lambda _ep_id: vectors.append(""))
    assert retire(published, EP, [again], artifacts=artifacts()).removed == {"vectors": 1}


def test_an_id_that_comes_back_starts_from_nothing(
    home: Path, open_pack: ModelPack, demo_episode: tuple[Path, TruthDocument]
) -> None:
    """Neither a fingerprint nor a recorded materialization makes an asset count as present."""
    assert open_pack
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        VideoLibraryResource().add(EP, demo_episode[0], replace=False)
        assert run_episode(instance, EP).computed == run_episode(instance, EP).reused
        retire(instance, EP, episode_stores(instance, artifacts()), artifacts=artifacts())
        assert instance.get_runs() == []
        for name in asset_names():
            assert instance.get_materialized_partitions(dg.AssetKey(name)) == set()
            about = dg.AssetRecordsFilter(asset_key=dg.AssetKey(name), asset_partitions=[EP])
            assert list(instance.fetch_materializations(about, limit=1).records) == []

        VideoLibraryResource().add(EP, demo_episode[0], replace=False)
        register(instance, EP)
        (state,) = read_season(instance, GRAPH, SEASON)
        assert set(state.assets.values()) == {"missing"}
        assert set(state.checks.values()) == {"not run"}
        assert state.run is None
        again = run_episode(instance, EP)
        assert again.success
        assert set(again.computed) == set(asset_names())
        retire(instance, EP, episode_stores(instance, artifacts()), artifacts=artifacts())
        tombstone = read_tombstone(artifacts(), EP)
        assert tombstone is not None
        assert len(tombstone.retirements) == 2


def test_the_command_asks_first_and_lists_what_was_deleted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(home / "home"))
    video = home / "data/videos" / EP / "episode.mp4"
    video.parent.mkdir(parents=True)
    video.write_text("video")
    command = CliRunner(env={"COLUMNS": "200"})
    declined = command.invoke(app, ["retire", EP], input="n\n")
    assert declined.exit_code == 1
    assert f"delete {EP} for good (0 inbox, 0 runs, 0 vectors, 1 files)?" in declined.output
    assert video.is_file()
    done = command.invoke(app, ["retire", EP, "--yes"])
    assert done.exit_code == 0, done.output
    assert f"{EP} is retired; deleted: 0 inbox, 0 runs, 0 vectors, 1 files" in done.output
    assert not video.exists()
    assert isinstance(command.invoke(app, ["retire", EP, "--yes"]).exception, ConfigurationError)
