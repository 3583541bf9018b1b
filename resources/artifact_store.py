"""Artifacts on disk: whole or not at all, each with a manifest that is written last.

Files are written below ``.staging``, flushed, and moved to their place one by one; the manifest with their
row counts and checksums follows. A reader that finds no manifest, or files that do not match it, knows that
the artifact is not there.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from screenalytics_assets.core.errors import ArtifactError
from screenalytics_assets.core.layout import file_path, manifest_path
from screenalytics_assets.core.settings import digest_of
from screenalytics_assets.paths import data_root

_JSONL_ROWS = 64
"""Rows that are Python objects at a time; a track may hold hundreds of boxes."""


class PublishedFile(BaseModel):
    """One file of an artifact, or a folder of many small ones; ``path`` is relative to the data root.

    The rows of a folder are its files, and its checksum is made of their names and checksums.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    bytes: int
    sha256: str
    rows: int | None = None


class Manifest(BaseModel):
    """What was published, from what, and how.

    Attributes:
        asset: Name of the asset.
        ep_id: The episode.
        fingerprint: Digest of everything that determines the content: inputs, configuration, code version.
        content_digest: Digest of the files but for the JSONL twins; what downstream assets depend on.
        code_version: Version of the stage's code.
        config: The configuration keys that the stage read.
        inputs: Content digest of each input asset.
        metrics: Figures of the run, for example ``runtime_s``.
        files: What was written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    asset: str
    ep_id: str
    fingerprint: str
    content_digest: str
    code_version: str
    config: dict[str, Any]
    inputs: dict[str, str]
    metrics: dict[str, Any]
    files: list[PublishedFile]

    def rows(self, name: str) -> int:
        """Row count of the file with this name."""
        return next(file.rows or 0 for file in self.files if Path(file.path).name == name)


class Artifact:
    """A published asset of an episode, for reading."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self.root = root
        self.manifest = manifest

    def path(self, name: str) -> Path:
        """Where a file of this artifact lies on this machine."""
        return self.root / file_path(self.manifest.ep_id, name, self.manifest.asset)

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A Parquet file."""
        return pq.read_table(self.path(name), columns=columns, memory_map=False)

    def json(self, name: str) -> Any:  # noqa: ANN401 - a JSON document
        """A JSON file."""
        return json.loads(self.path(name).read_text(encoding="utf-8"))

    def array(self, name: str) -> NDArray[np.float32]:
        """A NumPy file of numbers."""
        return np.load(self.path(name), allow_pickle=False)


class StagedArtifact:
    """An artifact that is being written; nothing of it is visible yet."""

    def __init__(self, folder: Path, asset: str, ep_id: str, *, write_jsonl: bool) -> None:
        self.asset = asset
        self.ep_id = ep_id
        self._folder = folder
        self._write_jsonl = write_jsonl
        self._rows: dict[str, int] = {}
        self._bundles: set[str] = set()

    def path(self, name: str) -> Path:
        """Where to write a file of this artifact, by its name in the contract."""
        return self.path_below_root(file_path(self.ep_id, name, self.asset))

    def path_below_root(self, relative: str) -> Path:
        """Where to write a file whose place below the data root is known."""
        target = self._folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def bundle(self, relative: str) -> Path:
        """A folder for many small files, published and accounted for as one."""
        self._bundles.add(relative)
        target = self._folder / relative
        target.mkdir(parents=True, exist_ok=True)
        return target

    def count_rows(self, name: str, rows: int) -> None:
        """How many rows a file has, for the manifest."""
        self._rows[file_path(self.ep_id, name, self.asset)] = rows

    def write_table(self, stem: str, table: pa.Table) -> None:
        """A table as Parquet and, unless switched off, the same rows as JSON lines."""
        name = f"{stem}.parquet"
        pq.write_table(table, self.path(name), compression="zstd")
        self.count_rows(name, table.num_rows)
        if self._write_jsonl:
            twin = f"{stem}.jsonl"
            with self.path(twin).open("w", encoding="utf-8") as lines:
                for batch in table.to_batches(max_chunksize=_JSONL_ROWS):
                    lines.writelines(_json_line(row) for row in batch.to_pylist())
            self.count_rows(twin, table.num_rows)

    def write_json(self, name: str, document: Mapping[str, Any]) -> None:
        """A JSON document, readable by people."""
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        self.path(name).write_text(text + "\n", encoding="utf-8")

    def write_array(self, name: str, array: NDArray[np.float32]) -> None:
        """An array of numbers as a NumPy file."""
        np.save(self.path(name), array, allow_pickle=False)
        self.count_rows(name, len(array))

    def files(self) -> list[PublishedFile]:
        """What was written so far, in the order of the paths."""
        bundles = [self._folder / relative for relative in self._bundles]
        single = (path for path in self._folder.rglob("*") if path.is_file())
        found = [path for path in single if not any(path.is_relative_to(bundle) for bundle in bundles)]
        return [self._describe(path) for path in sorted([*found, *bundles])]

    def _describe(self, path: Path) -> PublishedFile:
        relative = path.relative_to(self._folder).as_posix()
        members = _files_below(path) if path.is_dir() else [path]
        return PublishedFile(
            path=relative,
            bytes=sum(member.stat().st_size for member in members),
            sha256=checksum_of(path),
            rows=len(members) if path.is_dir() else self._rows.get(relative),
        )


class LocalArtifactStore:
    """Artifacts below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def manifest(self, asset: str, ep_id: str) -> Manifest | None:
        """The manifest of an asset, or nothing where none of this version was published."""
        try:
            return Manifest.model_validate_json((self.root / manifest_path(asset, ep_id)).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def open(self, asset: str, ep_id: str) -> Artifact | None:
        """A published asset for reading, or nothing where it was never published.

        Raises:
            ArtifactError: Files of the asset are missing or have another size than the manifest says.
        """
        manifest = self.manifest(asset, ep_id)
        if manifest is None:
            return None
        for file in manifest.files:
            path = self.root / file.path
            if path.is_dir():
                continue
            found = path.stat().st_size if path.exists() else None
            if found != file.bytes:
                state = "is missing" if found is None else f"has {found} bytes instead of {file.bytes}"
                raise ArtifactError(
                    f"{asset} of {ep_id} is damaged: {path} {state}; "
                    f"run: screenalytics run --ep-id {ep_id} --select {asset} --force"
                )
        return Artifact(self.root, manifest)

    def is_intact(self, manifest: Manifest) -> bool:
        """Whether every file of the artifact is there with the checksum of the manifest."""
        return all(
            (path := self.root / file.path).exists() and checksum_of(path) == file.sha256 for file in manifest.files
        )

    @contextmanager
    def staging(self, asset: str, ep_id: str, *, write_jsonl: bool = True) -> Iterator[StagedArtifact]:
        """A place to write an artifact; whatever was not published is gone afterwards."""
        parent = self.root / ".staging" / ep_id
        _remove_abandoned(parent)
        folder = parent / f"{asset}.{os.getpid()}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield StagedArtifact(folder, asset, ep_id, write_jsonl=write_jsonl)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _remove_if_empty(parent)
            _remove_if_empty(parent.parent)

    def publish(
        self,
        staged: StagedArtifact,
        *,
        fingerprint: str,
        code_version: str,
        config: Mapping[str, Any],
        inputs: Mapping[str, str],
        metrics: Mapping[str, Any],
    ) -> Artifact:
        """Drop the earlier artifact's manifest and stale files, move what was staged to its place, write the manifest.

        Interrupted in between, neither the earlier artifact nor the new one can be opened.
        """
        files = staged.files()
        manifest = Manifest(
            asset=staged.asset,
            ep_id=staged.ep_id,
            fingerprint=fingerprint,
            content_digest=digest_of({file.path: file.sha256 for file in files if not file.path.endswith(".jsonl")}),
            code_version=code_version,
            config=dict(config),
            inputs=dict(inputs),
            metrics=dict(metrics),
            files=files,
        )
        previous = self.manifest(staged.asset, staged.ep_id)
        kept = {file.path for file in files}
        for file in previous.files if previous else []:
            if file.path not in kept:
                stale = self.root / file.path
                _remove(stale)
                _remove_if_empty(stale.parent)
        (self.root / manifest_path(staged.asset, staged.ep_id)).unlink(missing_ok=True)
        for file in files:
            _move_whole(staged.path_below_root(file.path), self.root / file.path)
        written = staged.path_below_root(manifest_path(staged.asset, staged.ep_id))
        written.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        _move_whole(written, self.root / manifest_path(staged.asset, staged.ep_id))
        return Artifact(self.root, manifest)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksum_of(path: Path) -> str:
    """SHA-256 of a file; of a folder, the digest of the names and checksums of its files."""
    if not path.is_dir():
        return sha256_of(path)
    return digest_of({member.relative_to(path).as_posix(): sha256_of(member) for member in _files_below(path)})


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _json_line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def _move_whole(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        # Thousands of flushes would take longer than the stage; a torn file shows in the folder's checksum.
        _remove(target)
    else:
        with source.open("rb") as stream:
            os.fsync(stream.fileno())
    source.replace(target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob("*.*") if parent.is_dir() else ():
        pid = folder.suffix.removeprefix(".")
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)


class ArtifactStoreResource(dg.ConfigurableResource[None]):
    """The artifacts of all episodes.

    Attributes:
        root: Folder of the data; empty takes ``SCREENALYTICS_DATA_ROOT`` or ``data/`` of the checkout.
    """

    root: str | None = None

    def store(self) -> LocalArtifactStore:
        """The store behind this resource."""
        return LocalArtifactStore(Path(self.root) if self.root else data_root())
