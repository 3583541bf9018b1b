"""``screenalytics cleanup`` and ``progress`` as a person runs them."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from resources.models.packs import ModelPack
from resources.system.files import sha256_of_file
from screenalytics_assets.core.evaluation.truth import TruthDocument
from tests.orchestration.command_line import Cli

EP = "demo-s01e01"
OTHER = "demo-s01e02"
BAD = ("--set", "gate_enabled=false", "--set", "cluster_thresh=0.97")


@pytest.fixture(scope="module")
def published(
    tmp_path_factory: pytest.TempPathFactory, open_pack: ModelPack, demo_episode: tuple[Path, TruthDocument]
) -> Path:
    """Two episodes as a bad start left them."""
    assert open_pack.name == "open"
    cli = Cli(tmp_path_factory.mktemp("published"))
    main = [part for name in ("faces", "identities", "track_metrics") for part in ("--select", name)]
    first = ["episode_video", "detections", "face_crops", "tracks"]
    select = [part for name in first for part in ("--select", name)] + main
    for ep_id in (EP, OTHER):
        outcome = cli.run("run", str(demo_episode[0]), "--ep-id", ep_id, *BAD, *select)
        assert outcome.returncode == 0, outcome.said
    return cli.data.parent


@pytest.fixture
def cli(published: Path, tmp_path: Path) -> Cli:
    shutil.copytree(published, tmp_path / "own", symlinks=True)
    return Cli(tmp_path / "own")


def checksums(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): sha256_of_file(path) for path in root.rglob("*") if path.is_file()}


def artifacts(root: Path) -> dict[str, str]:
    """Every file but those that hold running times."""
    timed = ("manifest.json", "cleanup_report.json")
    return {path: digest for path, digest in checksums(root).items() if not path.endswith(timed)}


def test_a_dry_run_shows_the_difference_and_publishes_nothing(cli: Cli) -> None:
    before = checksums(cli.data)
    outcome = cli.run("cleanup", EP, *BAD, "--dry-run")
    assert outcome.returncode == 0, outcome.said
    for part in ("clusters", "singleton_fraction", "better", "merged from", "newly embedded", "vectors reused"):
        assert part in outcome.said
    assert checksums(cli.data) == before
    listed = json.loads(cli.run("progress", EP, "--json").said)
    assert listed["phase"] == "track_metrics"


def test_the_cleanup_shows_the_difference_publishes_it_and_can_be_scored(
    cli: Cli, tmp_path: Path, demo_episode: tuple[Path, TruthDocument]
) -> None:
    originals = checksums(cli.data)
    outcome = cli.run("cleanup", EP, *BAD)
    assert outcome.returncode == 0, outcome.said
    assert "merged from" in outcome.said
    assert f"published below cleaned/{EP}" in outcome.said
    assert {path: digest for path, digest in checksums(cli.data).items() if path in originals} == originals
    progress = cli.run("progress", EP)
    assert "success, cleanup_report (6 of 6), 100%" in progress.said

    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(demo_episode[1]))
    scores = [
        json.loads(cli.run("evaluate", EP, "--truth", str(truth), "--json", *more).said)
        for more in (["--before-cleanup"], [])
    ]
    assert scores[0]["bcubed_f1"] < scores[1]["bcubed_f1"] == 1.0


def test_only_the_phases_that_are_named_change_something(cli: Cli) -> None:
    outcome = cli.run("cleanup", EP, *BAD, "--actions", "reembed", "--dry-run")
    assert outcome.returncode == 0, outcome.said
    assert "merged from" not in outcome.said
    assert f"{EP}: reembed" in outcome.said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["cleanup", EP, "--actions", "regroup"], "'split_tracks', 'reembed', 'recluster' or 'group_clusters'"),
        (["cleanup", "demo-s01e09"], "there is no episode demo-s01e09; published episodes are "),
        (["cleanup", "../x"], "is not an episode id"),
        (["cleanup", EP, "--set", "recluster_tresh=0.4"], "did you mean 'recluster_thresh'"),
        (["progress", "demo-s01e09"], "demo-s01e09 was never run"),
    ],
)
def test_input_that_cannot_be_used_is_refused_in_a_line(cli: Cli, arguments: list[str], expected: str) -> None:
    before = checksums(cli.data)
    outcome = cli.run(*arguments)
    assert outcome.returncode == 2, outcome.said
    assert "Traceback" not in outcome.said
    assert expected in outcome.said
    assert checksums(cli.data) == before


def test_two_episodes_are_cleaned_at_once_as_one_after_the_other(cli: Cli, published: Path, tmp_path: Path) -> None:
    shutil.copytree(published, tmp_path / "alone", symlinks=True)
    alone = Cli(tmp_path / "alone")
    for ep_id in (EP, OTHER):
        assert alone.run("cleanup", ep_id, *BAD).returncode == 0
    both = [cli.start("cleanup", ep_id, *BAD) for ep_id in (EP, OTHER)]
    assert [process.wait() for process in both] == [0, 0]
    assert artifacts(cli.data) == artifacts(alone.data)
    assert not (cli.data / ".staging").exists()


def test_a_run_that_is_killed_in_reembed_leaves_nothing_half_written_and_is_finished_by_the_next(
    cli: Cli, published: Path, tmp_path: Path
) -> None:
    shutil.copytree(published, tmp_path / "undisturbed", symlinks=True)
    undisturbed = Cli(tmp_path / "undisturbed")
    assert undisturbed.run("cleanup", EP, *BAD).returncode == 0
    before = artifacts(cli.data)

    process = cli.start("cleanup", EP, *BAD)
    staged = cli.data / ".staging" / EP
    deadline = time.monotonic() + 120
    while not (staged.is_dir() and list(staged.glob("reembed.*"))):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list((cli.data / "cleaned" / EP).glob("faces*"))
    killed = json.loads(cli.run("progress", EP, "--json").said)
    assert (killed["status"], killed["phase"], killed["phase_index"]) == ("FAILURE", "reembed", 3)
    assert round(2 / 6, 4) <= killed["fraction"] < 3 / 6
    kept = {path: digest for path, digest in artifacts(cli.data).items() if path in before}
    assert kept == before

    again = cli.run("cleanup", EP, *BAD)
    assert again.returncode == 0, again.said
    assert artifacts(cli.data) == artifacts(undisturbed.data)
    assert not (cli.data / ".staging").exists()


def test_progress_is_seen_from_another_process_while_a_run_goes_on(cli: Cli) -> None:
    process = cli.start("run", "--ep-id", EP, "--force")
    seen = []
    while process.poll() is None:
        outcome = cli.run("progress", EP, "--json")
        if outcome.returncode == 0:
            seen.append(json.loads(outcome.said))
    assert process.returncode == 0
    running = [found for found in seen if found["status"] == "STARTED"]
    assert running
    assert {found["phase"] for found in running} & {"detections", "tracks", "faces", "reembed"}
    assert all(0 <= found["fraction"] <= 1 for found in seen)
    assert [found["fraction"] for found in running] == sorted(found["fraction"] for found in running)
    assert json.loads(cli.run("progress", EP, "--json").said)["fraction"] == 1.0
