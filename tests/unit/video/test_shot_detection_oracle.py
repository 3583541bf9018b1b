"""Our cuts against those of PySceneDetect, which decides by colour where ours decides by structure."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scenedetect import ContentDetector, SceneDetector, ThresholdDetector, detect

from resources.video.decoder import probe_video, read_frames
from screenalytics_assets.core.evaluation.truth import TruthDocument
from screenalytics_assets.core.video.shot_detection import SMALL_HEIGHT, SMALL_WIDTH, ShotDetector
from tests.conftest import shared_dir
from tests.unit.video.test_shot_detection import Canvas, scene, view
from tests.video_fixtures import write_video

SIZE_PX = (320, 180)
HELD = 20
BEFORE, AFTER = (view(scene(seed)) + 110 for seed in (1, 101))
BLACK, WHITE = np.zeros_like(BEFORE), np.full_like(BEFORE, 255)


def our_cuts(video: Path) -> list[int]:
    detector = ShotDetector()
    verdicts: list[bool] = []
    for frame in read_frames(video, probe_video(video)):
        verdicts += detector.push(frame.small_bgr(SMALL_WIDTH, SMALL_HEIGHT), frame.ts_s)
    return np.flatnonzero(verdicts + detector.flush())[1:].tolist()


def their_cuts(video: Path, detector: SceneDetector) -> list[int]:
    return [start.frame_num for start, _ in detect(str(video), detector)][1:]


def content(min_scene_frames: int = 2) -> ContentDetector:
    return ContentDetector(min_scene_len=min_scene_frames)


def filmed(path: Path, linear: list[Canvas]) -> Path:
    """The pictures as a video, with some sensor noise."""
    rng = np.random.default_rng(0)
    pictures: list[NDArray[np.uint8]] = []
    for picture in linear:
        large = cv2.resize(picture, SIZE_PX, interpolation=cv2.INTER_CUBIC)
        pictures.append(np.clip(large + rng.normal(0, 0.5, large.shape), 0, 255).astype(np.uint8))
    return write_video(path / "footage.mp4", pictures)


def fade(towards: Canvas, frames: int, held: int) -> list[Canvas]:
    levels = np.linspace(1, 0, frames, endpoint=False)
    down = [level * BEFORE + (1 - level) * towards for level in levels]
    up = [level * AFTER + (1 - level) * towards for level in levels[::-1]]
    return [BEFORE] * HELD + down + [towards] * held + up + [AFTER] * HELD


def test_both_find_the_cuts_of_the_rendered_episode_and_no_others(demo_episode: tuple[Path, TruthDocument]) -> None:
    video, truth = demo_episode
    cuts = [start for start, _ in truth["shots"]][1:]
    assert len(cuts) >= 3
    assert our_cuts(video) == their_cuts(video, content()) == cuts


@pytest.mark.shared
@pytest.mark.parametrize(("clip", "cuts"), [("hamilton", 3), ("classroom", 0), ("couple", 0)])
def test_both_find_the_same_cuts_in_real_footage(clip: str, cuts: int) -> None:
    video = shared_dir() / "data" / "clips" / f"{clip}.mp4"
    if not video.is_file():
        pytest.skip(f"no real footage: {video} is not there")
    assert our_cuts(video) == their_cuts(video, content())
    assert len(our_cuts(video)) == cuts


def test_both_find_every_cut_of_a_montage(tmp_path: Path) -> None:
    video = filmed(tmp_path, [picture for seed in range(6) for picture in [view(scene(200 + seed)) + 110] * 12])
    assert our_cuts(video) == their_cuts(video, content()) == [12, 24, 36, 48, 60]


@pytest.mark.parametrize(("frames", "held"), [(8, 0), (8, 12), (24, 6)])
def test_a_fade_through_black_is_one_cut_for_both(tmp_path: Path, frames: int, held: int) -> None:
    video = filmed(tmp_path, fade(BLACK, frames, held))
    black_from = HELD + frames
    assert our_cuts(video) == their_cuts(video, content(15)) == [black_from]
    (middle,) = their_cuts(video, ThresholdDetector(min_scene_len=2))
    assert black_from - 1 <= middle <= black_from + held


@pytest.mark.parametrize("held", [0, 12])
def test_a_fade_through_white_is_one_cut_that_pyscenedetect_misses(tmp_path: Path, held: int) -> None:
    video = filmed(tmp_path, fade(WHITE, 8, held))
    assert our_cuts(video) == [HELD + 8]
    assert their_cuts(video, content()) == []


def test_a_fade_in_at_the_start_is_not_a_cut_and_a_fade_out_at_the_end_is(tmp_path: Path) -> None:
    levels = np.linspace(0, 1, 12)
    fade_in = [BLACK] * 12 + [level * AFTER for level in levels] + [AFTER] * HELD
    assert our_cuts(filmed(tmp_path, fade_in)) == []
    fade_out = [BEFORE] * HELD + [level * BEFORE for level in levels[::-1]] + [BLACK] * 11
    assert our_cuts(filmed(tmp_path, fade_out)) == [HELD + 11]


@pytest.mark.parametrize("lit", [1, 2, 3])
def test_a_flash_is_not_a_cut_though_pyscenedetect_reports_one(tmp_path: Path, lit: int) -> None:
    video = filmed(tmp_path, [BEFORE] * HELD + [3 * (BEFORE - 110) + 240] * lit + [BEFORE] * HELD)
    assert our_cuts(video) == []
    assert HELD in their_cuts(video, content())


@pytest.mark.parametrize("frames", [4, 12, 24])
def test_a_dissolve_is_not_a_cut_for_either(tmp_path: Path, frames: int) -> None:
    mixed = [(1 - share) * BEFORE + share * AFTER for share in np.linspace(0, 1, frames + 2)[1:-1]]
    video = filmed(tmp_path, [BEFORE] * HELD + mixed + [AFTER] * HELD)
    assert our_cuts(video) == their_cuts(video, content()) == []
