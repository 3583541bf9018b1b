"""A run whose process is killed in the middle of detection."""

import os
import signal
import time
from pathlib import Path

from screenalytics_assets.services.demo import render_demo_episode
from tests.orchestration.command_line import Cli

EP = "demo-s01e01"


def test_a_killed_run_releases_its_slot_and_the_next_run_gives_the_same_bytes(cli: Cli, tmp_path: Path) -> None:
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
    assert cli.artifacts() == undisturbed.artifacts()
