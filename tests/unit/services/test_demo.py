from collections import defaultdict
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from screenalytics_assets.core.common.errors import ScreenalyticsError
from screenalytics_assets.core.evaluation.truth import Truth, TruthDocument, parse_truth
from screenalytics_assets.services import demo
from screenalytics_assets.services.demo import FPS, HEIGHT_PX, WIDTH_PX, Framing, Scene, Shot, render_demo_episode

EPISODE_S = 20.0


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TruthDocument]:
    path = tmp_path_factory.mktemp("demo") / "episode.mp4"
    return path, render_demo_episode(path, seed=1, duration_s=EPISODE_S)


def shots_of_people(truth: Truth) -> dict[str, set[int]]:
    """The shots in which each person is in full view at least once."""
    frame_of_face = np.repeat(np.arange(truth.frames), np.diff(truth.frame_offsets))
    shot_of_face = np.searchsorted(truth.cuts, frame_of_face, side="right")
    seen = defaultdict(set)
    for person_idx, shot_idx, visible in zip(truth.person_idx, shot_of_face, truth.visible, strict=True):
        if visible == 1.0:
            seen[truth.people[person_idx]].add(int(shot_idx))
    return seen


def test_the_video_is_what_the_truth_says(episode: tuple[Path, TruthDocument]) -> None:
    path, document = episode
    truth = parse_truth(document)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert (stream.width, stream.height) == (truth.width, truth.height)
        assert stream.average_rate == truth.fps == FPS
        assert sum(1 for _ in container.decode(stream)) == truth.frames == EPISODE_S * FPS


def test_each_of_the_seven_people_comes_back_in_another_shot(episode: tuple[Path, TruthDocument]) -> None:
    seen = shots_of_people(parse_truth(episode[1]))
    assert sorted(seen) == [f"person-{i}" for i in range(1, 8)]
    assert min(len(shots) for shots in seen.values()) >= 2


def test_the_picture_changes_at_cuts_more_than_anywhere_else(episode: tuple[Path, TruthDocument]) -> None:
    path, document = episode
    before, changes = None, []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            picture = cv2.resize(frame.to_ndarray(format="gray"), (64, 36), interpolation=cv2.INTER_AREA)
            if before is not None:
                changes.append(float(cv2.absdiff(picture, before).mean()))
            before = picture
    cuts = parse_truth(document).cuts - 1
    assert min(np.array(changes)[cuts]) > 2 * max(np.delete(changes, cuts))


def test_a_seed_always_gives_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.mp4" for name in ("first", "again", "other")]
    truths = [render_demo_episode(file, seed=seed, duration_s=1.5) for file, seed in zip(files, (1, 1, 2), strict=True)]
    assert truths[0] == truths[1] != truths[2]
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


def test_a_longer_episode_has_shots_of_the_same_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    black = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    monkeypatch.setattr(demo, "_expose", lambda *_: black)
    document = render_demo_episode(tmp_path / "long.mp4", seed=3, duration_s=60.0)
    lengths = np.diff(np.array(document["shots"])).ravel() / FPS
    assert document["frames"] == 60 * FPS
    assert 1.0 < lengths.min() <= lengths.max() < 2.5


@st.composite
def shots(draw: st.DrawFn) -> Shot:
    framings = st.builds(Framing, st.floats(300, 900), st.floats(200, 600), st.floats(400, 1200))
    scene = Scene(np.zeros((800, 1200, 3), np.uint8), {"somebody": (500.0, 300.0, 620.0, 460.0)})
    scene.picture[300:460, 500:620] = 255
    return Shot(
        scene=scene,
        start=draw(framings).inside(scene),
        end=draw(framings).inside(scene),
        mirrored=draw(st.booleans()),
        exposure=(1.0, 1.0),
        warmth=1.0,
        sway_phase=draw(st.floats(0, 6)),
    )


@given(shots(), st.floats(0, 1), st.floats(0, 600))
@settings(max_examples=60)
def test_a_face_is_where_the_truth_says_whatever_the_camera_does(shot: Shot, progress: float, time_s: float) -> None:
    camera = demo._camera(shot, progress, time_s)
    no_grain: NDArray[np.int16] = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.int16)
    picture = demo._expose(shot, progress, camera, no_grain)
    bright = np.argwhere(picture[..., 1] > 127)
    pixels_per_px = np.hypot(camera[0, 0], camera[1, 0])
    faces = demo._faces_in_view(shot.scene, camera)
    visible = faces[0]["visible"] if faces else 0.0
    assert len(bright) / (120 * 160 * pixels_per_px**2) == pytest.approx(visible, abs=0.04)
    if visible == 1.0:
        # The rolled face is a little smaller than its box, and pixels are squares.
        extent = [*bright.min(axis=0)[::-1], *bright.max(axis=0)[::-1] + 1]
        np.testing.assert_allclose(extent, faces[0]["bbox"], atol=2.5)


def test_visible_is_the_share_of_a_face_inside_the_frame() -> None:
    scene = Scene(np.zeros((540, 960, 3), np.uint8), {"left": (-50.0, 0.0, 150.0, 100.0), "out": (960, 0, 990, 9)})
    camera = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert demo._faces_in_view(scene, camera) == [{"person": "left", "bbox": [0.0, 0.0, 150.0, 100.0], "visible": 0.75}]


def test_an_insightface_without_the_photographs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleSpec("insightface", None, is_package=True)
    package.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(demo, "find_spec", lambda _: package)
    with pytest.raises(ScreenalyticsError, match=r"t1\.jpg: no such file"):
        render_demo_episode(tmp_path / "episode.mp4", seed=1)
    (tmp_path / "data" / "images").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "data" / "images" / "t1.jpg"), np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(ScreenalyticsError, match=r"t1\.jpg: 30x20 pixels; .* 1280x886 pixels"):
        render_demo_episode(tmp_path / "episode.mp4", seed=1)


def test_a_rendering_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expose, shown = demo._expose, []

    def fail_after_100_pictures(*arguments: Any) -> Any:
        shown.append(arguments)
        if len(shown) > 100:  # far enough for the encoder to have written some
            raise MemoryError
        return expose(*arguments)

    monkeypatch.setattr(demo, "_expose", fail_after_100_pictures)
    with pytest.raises(MemoryError):
        render_demo_episode(tmp_path / "episode.mp4", seed=1)
    assert list(tmp_path.iterdir()) == []
