"""``screenalytics evaluate --season`` on a store that holds two tiny episodes."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from resources.artifact_store import ArtifactStoreResource
from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.cli import app
from screenalytics_assets.core.common.errors import ArtifactError, ConfigurationError, TruthError
from screenalytics_assets.services.scoring import score_season
from tests.unit.document_builders import identities_with, identity_with

SEASON = "demo-s01"
FRAMES = 4
BOX_PX = [10.0, 10.0, 60.0, 70.0]


def publish(store: LocalArtifactStore, ep_id: str, found: int) -> None:
    """An episode in which a person is found on the first frames."""
    frames = list(range(FRAMES))
    bbox = [BOX_PX[0] / 200, BOX_PX[1] / 100, BOX_PX[2] / 200, BOX_PX[3] / 100]
    tables: dict[str, dict[str, pa.Table]] = {
        "detections": {
            "analysed_frames": pa.table({"frame_idx": pa.array(frames, pa.int32())}),
            "shots": pa.table({"start_frame": pa.array([0], pa.int32())}),
            "detections": pa.table(
                {
                    "detection_id": [f"d{i}" for i in range(found)],
                    "frame_idx": pa.array(range(found), pa.int32()),
                    "bbox": pa.array([bbox] * found, pa.list_(pa.float32(), 4)),
                }
            ),
        },
        "tracks": {
            "tracks": pa.table({"track_id": ["t"], "boxes": [[{"detection_id": f"d{i}"} for i in range(found)]]})
        },
    }
    for asset, files in tables.items():
        with store.staging(asset, ep_id, write_jsonl=False) as staged:
            for stem, table in files.items():
                staged.write_table(stem, table)
            store.publish(staged, fingerprint="", code_version="", config={}, inputs={}, metrics={})
    with store.staging("identities", ep_id, write_jsonl=False) as staged:
        staged.write_document("identities.json", identities_with(identity_with("i", ["t"])))
        store.publish(staged, fingerprint="", code_version="", config={}, inputs={}, metrics={})


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalArtifactStore:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", str(tmp_path / "data"))
    store = ArtifactStoreResource().store()
    assert isinstance(store, LocalArtifactStore)
    return store


@pytest.fixture
def truths(tmp_path: Path) -> Path:
    """Truth files of three episodes of the season, and of another season."""
    folder = tmp_path / "truths"
    folder.mkdir()
    face = {"person": "A", "bbox": BOX_PX, "visible": 1.0}
    document: dict[str, Any] = {"fps": 10, "width": 200, "height": 100, "frames": FRAMES, "shots": [[0, FRAMES]]}
    for ep_id in (f"{SEASON}e01", f"{SEASON}e02", f"{SEASON}e03", "demo-s02e01"):
        (folder / f"{ep_id}.truth.json").write_text(json.dumps({**document, "truth": [[face]] * FRAMES}))
    return folder


def evaluate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", *arguments])


def test_a_season_is_a_table_of_its_published_episodes(store: LocalArtifactStore, truths: Path, tmp_path: Path) -> None:
    publish(store, f"{SEASON}e01", found=FRAMES)
    publish(store, f"{SEASON}e02", found=FRAMES // 2)
    table = tmp_path / "out" / "table.csv"
    outcome = evaluate("--season", SEASON, "--truth-dir", str(truths), "--output", str(table))
    assert outcome.exit_code == 0, outcome.output
    assert f"not published, not scored: {SEASON}e03" in outcome.output
    with table.open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["ep_id"] for row in rows] == [f"{SEASON}e01", f"{SEASON}e02", "all"]
    assert [row["truth_faces"] for row in rows] == ["4", "4", "8"]
    assert [row["identity_idf1"] for row in rows] == ["1.0", "0.6667", "0.8333"]
    assert [row["screen_time_error_max"] for row in rows] == ["0.0", "0.5", "0.5"]


def test_a_markdown_table_has_a_line_an_episode(store: LocalArtifactStore, truths: Path, tmp_path: Path) -> None:
    publish(store, f"{SEASON}e01", found=FRAMES)
    table = tmp_path / "table.md"
    assert evaluate("--season", SEASON, "--truth-dir", str(truths), "--output", str(table)).exit_code == 0
    header, rule, *rows = table.read_text().splitlines()
    assert header.startswith("| ep_id | truth_faces |")
    assert rule.count("---") == header.count("|") - 1
    assert [row.split(" | ")[0] for row in rows] == [f"| {SEASON}e01", "| all"]


def test_the_season_as_json_goes_to_standard_output_and_the_table_below_the_data_root(
    store: LocalArtifactStore, truths: Path
) -> None:
    publish(store, f"{SEASON}e02", found=FRAMES)
    outcome = evaluate("--season", SEASON, "--truth-dir", str(truths), "--json")
    season = json.loads(outcome.stdout)
    assert list(season["episodes"]) == [f"{SEASON}e02"]
    assert season["all"]["track_idf1"] == 1.0
    assert season["not_published"] == [f"{SEASON}e01", f"{SEASON}e03"]
    assert (store.root / "reports" / SEASON / "evaluation.csv").exists()


def test_a_season_of_which_nothing_is_published_is_refused(store: LocalArtifactStore, truths: Path) -> None:
    with pytest.raises(ArtifactError, match="none of demo-s01e01, demo-s01e02, demo-s01e03 has published identities"):
        score_season(store, SEASON, truths)


def test_a_folder_without_truth_files_of_the_season_is_refused(store: LocalArtifactStore, truths: Path) -> None:
    with pytest.raises(TruthError, match=r"expected demo-s03e01\.truth\.json"):
        score_season(store, "demo-s03", truths)


def test_an_episode_is_not_a_season(store: LocalArtifactStore, truths: Path) -> None:
    with pytest.raises(ConfigurationError, match="'demo-s01e01' is not a season"):
        score_season(store, "demo-s01e01", truths)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "or --season SEASON --truth-dir DIR"),
        (["demo-s01e01"], "or --season SEASON --truth-dir DIR"),
        (["demo-s01e01", "--truth", "t.json", "--season", SEASON], "or --season SEASON --truth-dir DIR"),
        (["--season", SEASON, "--truth-dir", ".", "--output", "table.txt"], "ends in .csv or .md"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    store: LocalArtifactStore, arguments: list[str], message: str
) -> None:
    outcome = evaluate(*arguments)
    assert isinstance(outcome.exception, ConfigurationError)
    assert message in str(outcome.exception)
    assert not store.root.exists()
