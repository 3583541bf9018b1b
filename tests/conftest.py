"""What several kinds of tests share: weights, footage, and an instance of their own."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import hypothesis
import pytest
import yaml

from resources.database.embedded_postgres import EmbeddedPostgres
from resources.models.packs import ModelPack, load_pack
from resources.models.pull import pull_pack
from resources.system.paths import config_dir, project_dir
from resources.videos import VideoLibraryResource
from screenalytics_assets.core.evaluation.truth import TruthDocument
from screenalytics_assets.services.dagster_instance.instance import open_instance
from screenalytics_assets.services.demo import render_demo_episode
from screenalytics_assets.services.running.runs import run_episode
from tests.object_store import BucketPlace, serve_s3

# `make test` tries the same examples each time, so that it fails because of a change and never by chance;
# `HYPOTHESIS_PROFILE=random` looks for new ones, and what it finds is kept as an `@example`. No deadline: how long an
# example takes says something about the machine, not about the code.
hypothesis.settings.register_profile("fixed", deadline=None, derandomize=True)
hypothesis.settings.register_profile("random", deadline=None, derandomize=False)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


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
    return load_pack("open", None, registry, verifier_pack="open")


@pytest.fixture(scope="session")
def demo_episode(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TruthDocument]:
    """Eight rendered seconds with cuts and camera moves, and who is in them."""
    video = tmp_path_factory.mktemp("demo") / "episode.mp4"
    return video, render_demo_episode(video, seed=1, duration_s=8.0)


DEMO_EP = "demo-s01e01"


@pytest.fixture(scope="session")
def published_demo(
    tmp_path_factory: pytest.TempPathFactory, open_pack: ModelPack, demo_episode: tuple[Path, TruthDocument]
) -> Path:
    """A data root in which the demo episode was computed once; to be copied, never written to."""
    assert open_pack.name == "open"
    folder = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        set_place(patch, folder)
        VideoLibraryResource().add(DEMO_EP, demo_episode[0], replace=False)
        with open_instance() as instance:
            outcome = run_episode(instance, DEMO_EP)
    assert outcome.success, outcome
    # The server has stopped, and what its own user owns is not everybody's to copy.
    shutil.rmtree(folder / "data" / "database", ignore_errors=True)
    return folder / "data"


def set_place(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """An environment that leads to a data root and a Dagster home in this folder, and to nothing of the caller's."""
    for name in [name for name in os.environ if name.startswith("SCREENALYTICS_") and "CACHE" not in name]:
        patch.delenv(name)
    patch.setenv("SCREENALYTICS_DATA_ROOT", str(folder / "data"))
    patch.setenv("DAGSTER_HOME", str(folder / "home"))


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
        set_place(patch, folder)
        yield folder


@pytest.fixture(scope="module")
def instance(place: Path) -> Iterator[dg.DagsterInstance]:
    """A real instance on disk, as the command line and the UI use it."""
    assert place.is_dir()
    with open_instance() as instance:
        yield instance


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A copy of ``config/`` for this test; called with ``inbox={...}`` and the like, it writes those files into it."""
    folder = tmp_path / "config"
    shutil.copytree(config_dir(), folder)
    monkeypatch.setenv("SCREENALYTICS_CONFIG_DIR", str(folder))

    def write(**files: dict[str, Any]) -> Path:
        for name, values in files.items():
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        return folder

    return write


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A running database server; in a folder that its own user can reach, which a folder of pytest's is not."""
    folder = Path(tempfile.mkdtemp(prefix="screenalytics-test-"))
    server = EmbeddedPostgres(folder)
    server.open()
    yield server
    server.close()
    shutil.rmtree(folder)
