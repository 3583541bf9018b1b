"""What several kinds of tests share: weights, footage, and an instance of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import hypothesis
import pytest

from resources.model_packs import ModelPack, load_pack
from resources.model_pull import pull_pack
from screenalytics_assets.core.truth import TruthDocument
from screenalytics_assets.demo import render_demo_episode
from screenalytics_assets.instance import open_instance
from screenalytics_assets.paths import config_dir, project_dir
from tests.object_store import BucketPlace, serve_s3

# How long an example takes says something about the machine, not about the code.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def shared_dir() -> Path:
    """Where labelled footage and other weights are, on machines that have them."""
    return Path(os.environ.get("SCREENALYTICS_SHARED_DIR") or project_dir().parent / "shared")


@pytest.fixture(scope="session")
def registry() -> Path:
    return config_dir() / "pipeline" / "models.yaml"


@pytest.fixture(scope="session")
def open_pack(registry: Path) -> ModelPack:
    """The default pack, fetched on its first use and kept in the user's cache."""
    pull_pack("open", accept_licence=False, registry=registry, report=lambda _line: None)
    return load_pack("open", None, registry)


@pytest.fixture(scope="session")
def demo_episode(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TruthDocument]:
    """Eight rendered seconds with cuts and camera moves, and who is in them."""
    video = tmp_path_factory.mktemp("demo") / "episode.mp4"
    return video, render_demo_episode(video, seed=1, duration_s=8.0)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an object store that this process serves over HTTP."""
    with serve_s3() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BucketPlace:
    """A bucket of its own, with the environment that leads to it and a cache of its own."""
    place = BucketPlace(s3_endpoint, tmp_path)
    for name, value in place.environment().items():
        monkeypatch.setenv(name, value)
    place.create()
    return place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data root and a Dagster home that only one test module uses."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SCREENALYTICS_") and "CACHE" not in name]:
            patch.delenv(name)
        patch.setenv("SCREENALYTICS_DATA_ROOT", str(folder / "data"))
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        yield folder


@pytest.fixture(scope="module")
def instance(place: Path) -> Iterator[dg.DagsterInstance]:
    """A real instance on disk, as the command line and the UI use it."""
    assert place.is_dir()
    with open_instance() as instance:
        yield instance
