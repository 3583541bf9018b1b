"""One asset of the graph run again on a copy of a published episode, with keys of its own."""

import shutil
from collections.abc import Callable
from logging import getLogger
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa

from resources.artifact_store import ArtifactStoreResource
from resources.progress import ProgressResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact
from resources.storage.local_store import LocalArtifactStore
from resources.vectors import VectorDatabaseResource
from resources.videos import VideoLibraryResource
from screenalytics_assets.artifact import materialize
from screenalytics_assets.assets.specs import EPISODE_SPECS
from screenalytics_assets.failures import translate_errors
from screenalytics_assets.run_context import Resources, Run


def copy_of(store: LocalArtifactStore, folder: Path) -> LocalArtifactStore:
    """The same published files, to be overwritten."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(store.root, folder)
    return LocalArtifactStore(folder)


def run_asset(name: str, store: LocalArtifactStore, ep_id: str, **keys: Any) -> None:
    """Run the asset itself, as the orchestrator does, with these keys over all other layers."""
    root = str(store.root)
    resources = SimpleNamespace(
        settings=SettingsResource(overrides=keys),
        artifacts=ArtifactStoreResource(root=root),
        videos=VideoLibraryResource(root=root),
        progress=ProgressResource(),
        vectors=VectorDatabaseResource(),
    )
    spec = next(spec for spec in EPISODE_SPECS if name in spec.outputs)
    run = Run(spec, ep_id, store, cast("Resources", resources), getLogger(__name__))
    with translate_errors():
        resolved = run.settings.resolved
    list(materialize(run, resolved))


def published(store: LocalArtifactStore, asset: str, ep_id: str) -> Artifact:
    """An asset of the episode."""
    artifact = store.open(asset, ep_id)
    assert artifact is not None
    return artifact


def republish_table(
    store: LocalArtifactStore, asset: str, ep_id: str, stem: str, change: Callable[[pa.Table], pa.Table]
) -> None:
    """Republish an asset with one of its tables changed and the other files as they are."""
    artifact = published(store, asset, ep_id)
    changed = change(artifact.table(f"{stem}.parquet"))
    contents = {file.path: (store.root / file.path).read_bytes() for file in artifact.manifest.files}
    with store.staging(asset, ep_id, write_jsonl=False) as staged:
        for path, content in contents.items():
            staged.path_below_root(path).write_bytes(content)
        staged.write_table(stem, changed)
        for file in artifact.manifest.files:
            if file.rows is not None and not file.path.endswith(f"{stem}.parquet"):
                staged.count_rows(Path(file.path).name, file.rows)
        store.publish(
            staged, fingerprint="changed", code_version="", config={}, inputs={}, metrics=artifact.manifest.metrics
        )


def with_columns(table: pa.Table, **columns: Any) -> pa.Table:
    """The table with other values in some columns, in its own schema."""
    for name, values in columns.items():
        kind = table.schema.field(name)
        plain = values.tolist() if isinstance(values, np.ndarray) else values
        table = table.set_column(table.schema.get_field_index(name), kind, pa.array(plain, kind.type))
    return table
