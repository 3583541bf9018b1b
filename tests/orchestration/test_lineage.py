"""What an asset reads is what it declares, and what Dagster shows as its lineage."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from logging import getLogger
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest

from resources.progress import ProgressResource
from resources.settings import SettingsResource
from resources.storage.local_store import LocalArtifactStore
from resources.storage.manifest import Manifest
from resources.vectors import VectorDatabaseResource
from resources.videos import VideoLibraryResource
from screenalytics_assets.artifact import ArtifactSpec, Outputs, build_asset, fingerprint, materialize
from screenalytics_assets.assets.specs import EPISODE_SPECS, FACEBANK_SPEC, SEASON_SPEC
from screenalytics_assets.core.common.episode_ids import season_of
from screenalytics_assets.definitions import defs
from screenalytics_assets.run_context import Resources, Run, UndeclaredReadError
from tests.conftest import DEMO_EP

EP, SEASON = DEMO_EP, season_of(DEMO_EP)
ALL_SPECS = [*EPISODE_SPECS, FACEBANK_SPEC, SEASON_SPEC]


class RecordingStore(LocalArtifactStore):
    """Notes the artifacts that are read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read_artifacts: set[str] = set()

    def manifest(self, asset: str, ep_id: str) -> Manifest | None:
        self.read_artifacts.add(asset)
        return super().manifest(asset, ep_id)


def run_of(spec: ArtifactSpec, store: LocalArtifactStore, key: str = EP, episodes: Iterable[str] = ()) -> Run:
    resources = SimpleNamespace(
        settings=SettingsResource(),
        artifacts=SimpleNamespace(store=lambda: store),
        videos=VideoLibraryResource(root=str(store.root)),
        progress=ProgressResource(),
        vectors=VectorDatabaseResource(),
    )
    return Run(spec, key, store, cast("Resources", resources), getLogger(__name__), lambda: episodes)


def declared(spec: ArtifactSpec) -> set[str]:
    return {*spec.reads, *spec.reads_manifests, *spec.reads_across}


@pytest.mark.parametrize("spec", ALL_SPECS, ids=[spec.name for spec in ALL_SPECS])
def test_the_lineage_of_an_asset_is_what_its_declaration_reads(spec: ArtifactSpec) -> None:
    graph = defs.resolve_asset_graph()
    for name in spec.outputs:
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(name)).parent_keys}
        assert parents == declared(spec)


@pytest.mark.usefixtures("place")
def test_an_asset_reads_exactly_the_artifacts_that_it_declares(published_demo: Path, place: Path) -> None:
    shutil.copytree(published_demo, place / "data")
    for spec in (*EPISODE_SPECS, SEASON_SPEC):
        store = RecordingStore(place / "data")
        run = run_of(spec, store, EP if spec in EPISODE_SPECS else SEASON, [EP])
        assert list(materialize(run, run.settings.resolved, force=True))
        # To publish an artifact, the store reads the manifest that it replaces.
        assert store.read_artifacts - set(spec.outputs) == declared(spec), spec.name
        if "vectors" in spec.resources:
            run.resources.vectors.database().close()


def simple_spec(**declarations: Any) -> ArtifactSpec:
    def compute(_run: Run, outputs: Outputs) -> None:
        outputs["simple"].write_json("simple.json", {})

    return ArtifactSpec(
        "simple",
        code_version="1",
        group="detect",
        kinds=set(),
        description="",
        config=lambda _run: {},
        compute=compute,
        describe=lambda _artifact, _inputs: {},
        **declarations,
    )


def test_an_artifact_that_is_not_declared_cannot_be_read(tmp_path: Path) -> None:
    run = run_of(simple_spec(), LocalArtifactStore(tmp_path))
    with pytest.raises(UndeclaredReadError, match="simple reads faces, which is not among its reads: declare it"):
        run.inputs["faces"]
    with pytest.raises(UndeclaredReadError, match="simple reads facebank, which is not among its reads_across"):
        run.published("facebank", "demo")
    with pytest.raises(UndeclaredReadError, match="its own previous publication"):
        run.previous()
    assert run.manifests == {}


def test_an_artifact_may_read_what_it_published_before_where_it_says_so(tmp_path: Path) -> None:
    run = run_of(simple_spec(reads_previous=True), LocalArtifactStore(tmp_path))
    assert run.previous() is None
    list(materialize(run, run.settings.resolved))
    previous = run.previous()
    assert previous is not None
    assert previous.json("simple.json") == {}


def test_what_is_outside_of_the_graph_is_read_once_for_configuration_and_computation(tmp_path: Path) -> None:
    reads = []

    def read(run: Run) -> str:
        reads.append(run.key)
        return "content"

    run = run_of(simple_spec(), LocalArtifactStore(tmp_path))
    assert [run.once(read), run.once(read)] == ["content", "content"]
    assert reads == [EP]


@pytest.mark.parametrize(
    "change",
    [
        {"spec": replace(simple_spec(), name="other")},
        {"spec": replace(simple_spec(), code_version="2")},
        {"config": {"key": 2}},
        {"digests": {"faces": "b"}},
        {"write_jsonl": False},
    ],
)
def test_everything_that_determines_an_artifact_changes_its_fingerprint(change: dict[str, Any]) -> None:
    given: dict[str, Any] = {"config": {"key": 1}, "digests": {"faces": "a"}, "write_jsonl": True}
    spec = simple_spec()
    wanted = {**given, **change}
    assert fingerprint(spec, **given) == fingerprint(spec, **given)
    assert fingerprint(wanted.pop("spec", spec), **wanted) != fingerprint(spec, **given)


def test_an_asset_gets_the_resources_that_its_declaration_names() -> None:
    asset = build_asset(simple_spec(resources=frozenset({"videos"})))
    assert asset.op.required_resource_keys == {"settings", "artifacts", "videos"}
