"""The screen time of a season, out of what its episodes have published."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from resources.artifact_store import ArtifactStoreResource
from resources.storage.artifacts import Artifact
from resources.storage.store import ArtifactStore
from screenalytics_assets.cli import app
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.documents.document import Document
from screenalytics_assets.partitions import SEASONS_NAME, add_requests, register_episode
from screenalytics_assets.reports.pictures import MAX_PICTURE_BYTES
from screenalytics_assets.services.dagster_instance.instance import open_instance
from screenalytics_assets.services.running.runs import run_season
from tests.unit.document_builders import person_time, screen_time_with

SEASON = "demo-s01"
FIRST, SECOND, OTHER = "demo-s01e01", "demo-s01e02", "demo-s02e01"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return ArtifactStoreResource().store()


@pytest.fixture
def instance(store: ArtifactStore) -> Iterator[dg.DagsterInstance]:
    assert store
    with open_instance() as instance:
        yield instance


def publish(store: ArtifactStore, asset: str, ep_id: str, name: str, document: Document | None = None) -> None:
    with store.staging(asset, ep_id) as staged:
        if document:
            staged.write_document(name, document)
        else:
            staged.write_json(name, {})
        empty: dict[str, Any] = {"config": {}, "inputs": {}, "metrics": {}}
        store.publish(staged, fingerprint="", code_version="1", **empty)


def publish_time(store: ArtifactStore, ep_id: str, **seconds: float) -> None:
    people = [
        person_time(key, [(0.0, value)], name=None if key == "unknown" else key.title())
        for key, value in seconds.items()
    ]
    publish(store, "screen_time", ep_id, "screen_time.json", screen_time_with(*people, ep_id=ep_id))


def season_of_store(store: ArtifactStore) -> Artifact:
    artifact = store.open("season_screen_time", SEASON)
    assert artifact is not None
    return artifact


def season_report(name: str, *options: str) -> Result:
    return CliRunner(env={"COLUMNS": "250"}).invoke(app, ["season", "report", name, *options])


def test_an_episode_that_becomes_known_makes_its_season_known(instance: dg.DagsterInstance) -> None:
    register_episode(instance, FIRST)
    assert list(instance.get_dynamic_partitions(SEASONS_NAME)) == [SEASON]
    asked = {request.partitions_def_name: list(request.partition_keys) for request in add_requests({SECOND, OTHER})}
    assert asked == {"episodes": [SECOND, OTHER], "seasons": [SEASON, "demo-s02"]}
    assert add_requests([]) == []


def test_the_published_episodes_of_the_season_are_added_up(store: ArtifactStore, instance: dg.DagsterInstance) -> None:
    for ep_id in (FIRST, SECOND, OTHER, "demo-s01e03"):
        register_episode(instance, ep_id)
    publish_time(store, FIRST, amy=30.0, unknown=5.0)
    publish_time(store, SECOND, amy=12.0, bob=6.0)
    publish_time(store, OTHER, amy=60.0)
    result = season_report(SEASON)
    assert result.exit_code == 0, result.output
    artifact = season_of_store(store)
    assert artifact.location("index.html") in result.output.replace("\n", "")
    document = artifact.json("season_screen_time.json")
    assert [episode["ep_id"] for episode in document["episodes"]] == [FIRST, SECOND]
    assert [(row["name"], row["total_s"]) for row in document["people"]] == [("Amy", 42.0), ("Bob", 6.0)]
    rows = list(csv.DictReader(artifact.path("season_screen_time.csv").read_text().splitlines()))
    assert [row[SECOND] for row in rows] == ["12.0", "6.0"]


def test_it_is_made_again_only_when_an_episode_changed(store: ArtifactStore, instance: dg.DagsterInstance) -> None:
    register_episode(instance, FIRST)
    publish_time(store, FIRST, amy=30.0)
    assert run_season(instance, SEASON).computed == ["season_screen_time"]
    assert run_season(instance, SEASON).reused == ["season_screen_time"]
    publish_time(store, FIRST, amy=31.0)
    assert run_season(instance, SEASON).computed == ["season_screen_time"]


def test_the_page_links_the_reports_that_there_are_and_escapes_names(
    store: ArtifactStore, instance: dg.DagsterInstance
) -> None:
    for ep_id in (FIRST, SECOND):
        register_episode(instance, ep_id)
        publish_time(store, ep_id, **{"<b>amy": 30.0})
    publish(store, "episode_report", FIRST, "index.html")
    assert run_season(instance, SEASON).success
    page = season_of_store(store).path("index.html").read_text(encoding="utf-8")
    assert f'<a href="../{FIRST}/index.html">{FIRST}</a>' in page
    assert f"../{SECOND}/" not in page
    assert "&lt;B&gt;Amy" in page
    assert "<B>" not in page


def test_the_ui_shows_the_people_and_a_plot_of_allowed_size(store: ArtifactStore, instance: dg.DagsterInstance) -> None:
    register_episode(instance, FIRST)
    publish_time(store, FIRST, amy=30.0)
    run_season(instance, SEASON)
    event = instance.get_latest_materialization_event(dg.AssetKey("season_screen_time"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert {"report", "plot", "people", "episodes", "duration_s"} <= metadata.keys()
    assert len(str(metadata["plot"].value)) < MAX_PICTURE_BYTES * 4 / 3 + 200


def test_a_season_without_a_published_episode_says_what_to_run(
    store: ArtifactStore, instance: dg.DagsterInstance
) -> None:
    register_episode(instance, FIRST)
    outcome = run_season(instance, SEASON)
    assert not outcome.success
    assert FIRST in outcome.failures[0]
    assert "screenalytics run" in outcome.failures[0]
    assert store.open("season_screen_time", SEASON) is None


@pytest.mark.usefixtures("store")
def test_a_name_that_is_not_a_season_is_refused() -> None:
    result = season_report(FIRST)
    assert isinstance(result.exception, ConfigurationError)
    assert "is not a season" in str(result.exception)
