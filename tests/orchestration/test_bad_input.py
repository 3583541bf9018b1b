"""What the command line says to input that it cannot use, and that nothing of it stays behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from resources.models.packs import ModelPack
from screenalytics_assets.core.evaluation.truth import TruthDocument
from tests.orchestration.command_line import Cli, Outcome
from tests.video_fixtures import numbered_pictures, truncate, write_sound, write_video

EP = "bad-s01e01"


def refused(cli: Cli, outcome: Outcome, *expected: str) -> None:
    assert outcome.returncode == 2, outcome.said
    assert "Traceback" not in outcome.said
    for part in expected:
        assert part in outcome.said
    assert cli.left_behind() == []
    assert not cli.home.exists()


def test_a_file_that_does_not_exist(cli: Cli, tmp_path: Path) -> None:
    missing = tmp_path / "no.mp4"
    refused(cli, cli.run("run", str(missing), "--ep-id", EP), str(missing), "no such file")


def test_an_empty_file(cli: Cli, tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    refused(cli, cli.run("run", str(empty), "--ep-id", EP), str(empty), "empty")


def test_a_text_file(cli: Cli, tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("This is no video.\n" * 100)
    refused(cli, cli.run("run", str(text), "--ep-id", EP), str(text))


def test_sound_without_a_picture(cli: Cli, tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "sound.mp4")
    refused(cli, cli.run("run", str(sound), "--ep-id", EP), str(sound), "only audio")


def test_a_truncated_mp4(cli: Cli, tmp_path: Path) -> None:
    video = truncate(write_video(tmp_path / "cut.mp4", numbered_pictures(96)), 0.6)
    refused(cli, cli.run("run", str(video), "--ep-id", EP), str(video))


def test_a_truncated_mkv_which_decodes_without_an_exception(cli: Cli, tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    pictures = [noise.integers(0, 255, (96, 160, 3), dtype=np.uint8) for _ in range(24 * 8)]
    video = truncate(write_video(tmp_path / "cut.mkv", pictures), 0.5)
    refused(cli, cli.run("run", str(video), "--ep-id", EP), str(video), "8.0")


def test_a_picture_of_16_by_16(cli: Cli, tmp_path: Path) -> None:
    video = write_video(tmp_path / "tiny.mp4", numbered_pictures(24, width=16, height=16))
    refused(cli, cli.run("run", str(video), "--ep-id", EP), str(video), "16")


@pytest.mark.parametrize("ep_id", ["../x", "rhobh", "RHOBH-S05E02", "rhobh-s05e02/..", "a,b-s01e01", "rhobh-s05e02\n"])
def test_an_episode_id_that_is_none(cli: Cli, ep_id: str, demo_episode: tuple[Path, TruthDocument]) -> None:
    refused(cli, cli.run("run", str(demo_episode[0]), "--ep-id", ep_id), "is not an episode id", "rhobh-s05e02")


def test_a_profile_that_does_not_exist(cli: Cli, demo_episode: tuple[Path, TruthDocument]) -> None:
    outcome = cli.run("run", str(demo_episode[0]), "--ep-id", EP, "--profile", "fastest")
    refused(cli, outcome, "unknown profile 'fastest'", "balanced", "fast_cpu", "high_accuracy", "low_power")


def test_a_configuration_key_that_does_not_exist(cli: Cli, demo_episode: tuple[Path, TruthDocument]) -> None:
    outcome = cli.run("run", str(demo_episode[0]), "--ep-id", EP, "--set", "cluster_treshold=0.4")
    refused(cli, outcome, "unknown configuration key 'cluster_treshold'", "did you mean 'cluster_thresh'")


def test_a_misspelt_environment_variable(cli: Cli, demo_episode: tuple[Path, TruthDocument]) -> None:
    outcome = cli.run("run", str(demo_episode[0]), "--ep-id", EP, SCREENALYTICS_FRAME_STIRDE="2")
    refused(cli, outcome, "SCREENALYTICS_FRAME_STIRDE", "did you mean 'frame_stride'")


def test_a_value_out_of_range(cli: Cli, demo_episode: tuple[Path, TruthDocument]) -> None:
    outcome = cli.run("run", str(demo_episode[0]), "--ep-id", EP, "--set", "frame_stride=0")
    refused(cli, outcome, "frame_stride", "≥ 1 and ≤ 1,000")


def test_an_altered_model_file(
    cli: Cli, tmp_path: Path, open_pack: ModelPack, demo_episode: tuple[Path, TruthDocument]
) -> None:
    cache = tmp_path / "cache" / "models" / "open"
    shutil.copytree(open_pack.detector.file.path.parent, cache)
    weights = cache / open_pack.detector.file.path.name
    content = bytearray(weights.read_bytes())
    content[1000] ^= 1
    weights.write_bytes(bytes(content))
    outcome = cli.run("run", str(demo_episode[0]), "--ep-id", EP, SCREENALYTICS_CACHE_DIR=str(tmp_path / "cache"))
    refused(cli, outcome, str(weights), open_pack.detector.file.sha256, "screenalytics models pull open")


def test_a_model_pack_that_was_never_fetched(
    cli: Cli, tmp_path: Path, demo_episode: tuple[Path, TruthDocument]
) -> None:
    outcome = cli.run("run", str(demo_episode[0]), "--ep-id", EP, SCREENALYTICS_CACHE_DIR=str(tmp_path / "nothing"))
    refused(cli, outcome, "screenalytics models pull open")


def test_an_asset_that_does_not_exist(cli: Cli, demo_episode: tuple[Path, TruthDocument]) -> None:
    outcome = cli.run("run", str(demo_episode[0]), "--ep-id", EP, "--select", "face")
    refused(cli, outcome, "unknown asset face", "identities")


def test_an_episode_without_a_video(cli: Cli) -> None:
    refused(cli, cli.run("run", "--ep-id", EP), "has no video", f"screenalytics run VIDEO --ep-id {EP}")


def test_another_video_for_an_episode_that_has_one(
    cli: Cli, tmp_path: Path, demo_episode: tuple[Path, TruthDocument]
) -> None:
    first = write_video(tmp_path / "first.mp4", numbered_pictures(24))
    kept = cli.data / f"videos/{EP}/episode.mp4"
    kept.parent.mkdir(parents=True)
    shutil.copyfile(first, kept)
    outcome = cli.run("run", str(demo_episode[0]), "--ep-id", EP)
    assert outcome.returncode == 2
    assert "--replace" in outcome.said
    assert kept.read_bytes() == first.read_bytes()


def test_an_episode_that_was_never_published_cannot_be_scored(cli: Cli, tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    truth.write_text("{}")
    outcome = cli.run("evaluate", EP, "--truth", str(truth))
    assert outcome.returncode == 2
    assert "Traceback" not in outcome.said
    assert "fps" in outcome.said
