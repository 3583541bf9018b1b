"""A run whose process is killed in the middle of detection."""

import os
import signal
import time
from pathlib import Path

from resources.artifact_store import sha256_of
from screenalytics_assets.demo import render_demo_episode
from tests.orchestration.command_line import Cli

EP = "demo-s01e01"


def artifacts(root: Path) -> dict[str, str]:
    """Every file but the manifests and the cleanup report, which hold running times, and the database's."""
    timed = ("manifest.json", "cleanup_report.json")
    places = [place for place in root.iterdir() if place.name != "database"]
    files = [path for place in places for path in place.rglob("*") if not path.name.endswith(timed) and path.is_file()]
    return {path.relative_to(root).as_posix(): sha256_of(path) for path in files}


def test_a_killed_run_gives_its_slot_back_and_the_next_one_gives_the_same_bytes(cli: Cli, tmp_path: Path) -> None:
    video = tmp_path / "episode.mp4"
    render_demo_episode(video, seed=3, duration_s=10.0)
    undisturbed = Cli(tmp_path / "undisturbed")
    assert undisturbed.run("run", str(video), "--ep-id", EP).returncode == 0

    process = cli.start("run", str(video), "--ep-id", EP)
    staged = cli.data / ".staging" / EP
    deadline = time.monotonic() + 120
    while not (staged.is_dir() and list(staged.glob("face_crops.*/frames/*/face_crops.parquet"))):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (cli.data / f"manifests/{EP}/detections.parquet").exists()

    again = cli.run("run", str(video), "--ep-id", EP)
    assert again.returncode == 0, again.said
    assert "episode_video" in again.said.partition("not computed again: ")[2]
    assert not (cli.data / ".staging").exists()
    assert artifacts(cli.data) == artifacts(undisturbed.data)
