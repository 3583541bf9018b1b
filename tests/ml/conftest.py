import os
from pathlib import Path

import cv2
import insightface
import numpy as np
import pytest
from numpy.typing import NDArray

from resources.models.packs import ModelPack, load_pack
from resources.storage.local_store import LocalArtifactStore
from resources.videos import VideoLibraryResource
from screenalytics_assets.services.dagster_instance.instance import open_instance
from screenalytics_assets.services.running.runs import run_episode
from tests.conftest import shared_dir
from tests.video_fixtures import write_video

EP_ID = "talk-s01e01"
PROCESSED = ("episode_video", "detections", "face_crops", "tracks", "faces", "identities", "track_metrics")
TALK_SHOT_S = 4
TALK_SIZE_PX = (640, 360)
# Windows of the group photograph, x y width in its pixels: three people, and the right one of them with a fourth.
TALK_WINDOWS = ((10, 120, 640), (410, 225, 500))


@pytest.fixture(scope="session")
def scrfd_pack(registry: Path) -> ModelPack:
    """A folder with SCRFD-2.5G, from the material beside the project."""
    folder = shared_dir() / "models" / "scrfd_2.5g_mbf512"
    if not folder.is_dir():
        pytest.skip(f"no SCRFD weights: {folder} is not there")
    return load_pack("open", folder, registry)


@pytest.fixture(scope="session")
def group_photo() -> NDArray[np.uint8]:
    """InsightFace's sample photograph of six people, (886, 1280, 3) BGR."""
    picture = cv2.imread(str(Path(insightface.__file__).parent / "data" / "images" / "t1.jpg"))
    assert picture is not None
    return np.asarray(picture, np.uint8)


@pytest.fixture(scope="session")
def talk_video(group_photo: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen seconds of a conversation, 640×360: two views of four people, each shown twice, a cut between them."""
    rng = np.random.default_rng(0)
    pictures = []
    for shot in range(4):
        x_px, y_px, width_px = TALK_WINDOWS[shot % 2]
        scale = TALK_SIZE_PX[0] / width_px
        for frame in range(TALK_SHOT_S * 24):
            sway_px = 4 * np.sin(2 * np.pi * frame / 24 * np.array([0.31, 0.43]) + shot)
            camera = np.array([[scale, 0, sway_px[0] - scale * x_px], [0, scale, sway_px[1] - scale * y_px]])
            seen = cv2.warpAffine(group_photo, camera, TALK_SIZE_PX, flags=cv2.INTER_AREA)
            grain = rng.normal(0, 1.5, (*TALK_SIZE_PX[::-1], 1))
            pictures.append(np.clip(seen * (1 - 0.1 * shot) + grain, 0, 255).astype(np.uint8))
    return write_video(tmp_path_factory.mktemp("talk") / "talk.mp4", pictures)


def processed(video: Path, folder: Path, model_dir: Path | None = None) -> LocalArtifactStore:
    """The episode, once through the graph, but for the report and the database."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SCREENALYTICS_") and "CACHE" not in name]:
            patch.delenv(name)
        patch.setenv("SCREENALYTICS_DATA_ROOT", str(folder / "data"))
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        VideoLibraryResource().add(EP_ID, video, replace=False)
        with open_instance() as instance:
            keys = {"model_dir": str(model_dir)} if model_dir else {}
            outcome = run_episode(instance, EP_ID, overrides=keys, select=PROCESSED)
    assert outcome.success, [*outcome.failures, *outcome.failed_checks]
    return LocalArtifactStore(folder / "data")


@pytest.fixture(scope="session")
def talk(open_pack: ModelPack, talk_video: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalArtifactStore:
    """The conversation as published with the open pack; tests leave it as it is."""
    assert open_pack.name == "open"
    return processed(talk_video, tmp_path_factory.mktemp("talk_open"))


@pytest.fixture(scope="session")
def talk_scrfd(scrfd_pack: ModelPack, talk_video: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalArtifactStore:
    """The same with SCRFD-2.5G."""
    return processed(talk_video, tmp_path_factory.mktemp("talk_scrfd"), scrfd_pack.detector.file.path.parent)


@pytest.fixture(params=["talk", "talk_scrfd"])
def store(request: pytest.FixtureRequest) -> LocalArtifactStore:
    """The published conversation, with each of the models."""
    published: LocalArtifactStore = request.getfixturevalue(request.param)
    return published
