"""An artifact: the published one for reading, and the staged one for writing."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from resources.storage.manifest import Manifest, PublishedFile, command_for, damaged
from resources.system.files import file_named, sha256_of_file
from resources.system.text_documents import read_json_file
from screenalytics_assets.core.common.digests import digest_of
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.common.layout import file_path
from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION
from screenalytics_assets.core.documents.document import Document

_Model = TypeVar("_Model", bound=BaseModel)
_JSONL_ROWS = 64
"""Rows converted to Python objects at a time; one track may hold hundreds of boxes."""


class Artifact(ABC):
    """A published asset of an episode, for reading."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    @abstractmethod
    def path_below_root(self, relative: str) -> Path:
        """The local path of a file, from its place below the data root; valid while this object lives."""

    @abstractmethod
    def files_below(self, folder: str) -> set[str]:
        """The files in a folder, as places below the data root."""

    @abstractmethod
    def location(self, name: str) -> str:
        """What users see for a file of this artifact: its path, or the URL of the object."""

    def path(self, name: str) -> Path:
        """The local path of a file of this artifact, from its name in the contract."""
        return self.path_below_root(self._place(name))

    def _place(self, name: str) -> str:
        return file_path(self.manifest.ep_id, name, self.manifest.asset)

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A Parquet file.

        Raises:
            ArtifactError: It cannot be read as one.
        """
        try:
            return pq.read_table(self.path(name), columns=columns, memory_map=False)
        except (pa.ArrowException, OSError) as error:
            # A missing file or a drive that does not answer is not damage.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise self._damaged(name, f"cannot be read: {error}") from error

    def json(self, name: str) -> Any:  # noqa: ANN401 - a JSON document
        """A JSON file.

        Raises:
            ArtifactError: It cannot be read as one.
        """
        return read_json_file(self.path(name), ArtifactError)

    def document(self, name: str, kind: type[_Model]) -> _Model:
        """A JSON file as its type.

        Raises:
            ArtifactError: A key is missing, unknown, or has an unexpected value; the message names file and key.
        """
        try:
            return kind.model_validate_json(self.path(name).read_bytes(), strict=True)
        except ValidationError as error:
            problems = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()[:3])
            state = f"is not a {kind.__name__} document of this version: {'; '.join(problems)}"
            raise self._damaged(name, state) from error

    def array(self, name: str) -> NDArray[np.float32]:
        """A NumPy file.

        Raises:
            ArtifactError: It cannot be read as one.
        """
        try:
            return np.load(self.path(name), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise self._damaged(name, f"cannot be read: {error}") from error

    def vectors(self, name: str, count: int) -> NDArray[np.float32]:
        """A NumPy file of (count, 512) float32 embeddings.

        Raises:
            ArtifactError: It holds anything else, or values that are not finite, or an older version did not write it.
        """
        manifest = self.manifest
        if not manifest.has(name):
            command = command_for(manifest.asset, manifest.ep_id)
            raise ArtifactError(
                f"the {manifest.asset} of {manifest.ep_id} was published without {name}, by an older version: run "
                f"`{command}` again"
            )
        array = self.array(name)
        if array.shape != (count, EMBEDDING_DIMENSION) or array.dtype != np.float32:
            state = f"holds {array.shape} {array.dtype}, expected ({count}, {EMBEDDING_DIMENSION}) float32"
            raise self._damaged(name, state)
        if not np.isfinite(array).all():
            raise self._damaged(name, "holds values that are not finite")
        return array

    def _damaged(self, name: str, state: str) -> ArtifactError:
        return damaged(self.manifest, self.location(name), state)


class StagedArtifact:
    """An artifact that is being written; readers do not see it yet."""

    def __init__(self, folder: Path, asset: str, ep_id: str, *, write_jsonl: bool) -> None:
        self.asset = asset
        self.ep_id = ep_id
        self.metrics: dict[str, Any] = {}
        """Figures of the run, for the manifest."""
        self._folder = folder
        self._write_jsonl = write_jsonl
        self._rows: dict[str, int] = {}
        self._bundles: set[str] = set()

    def path(self, name: str) -> Path:
        """Where to write a file of this artifact, from its name in the contract."""
        return self.path_below_root(file_path(self.ep_id, name, self.asset))

    def path_below_root(self, relative: str) -> Path:
        """Where to write a file, from its place below the data root."""
        target = self._folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def bundle(self, relative: str) -> Path:
        """A folder for many small files that the manifest lists as one."""
        self._bundles.add(relative)
        target = self._folder / relative
        target.mkdir(parents=True, exist_ok=True)
        return target

    def count_rows(self, name: str, rows: int) -> None:
        """Set how many rows a file has, for the manifest."""
        self._rows[file_path(self.ep_id, name, self.asset)] = rows

    def write_table(self, stem: str, table: pa.Table) -> None:
        """Write a table as Parquet and, unless switched off, the same rows as JSON lines."""
        name = f"{stem}.parquet"
        with file_named(self.path(name)):
            pq.write_table(table, self.path(name), compression="zstd")
        self.count_rows(name, table.num_rows)
        if self._write_jsonl:
            twin = f"{stem}.jsonl"
            with file_named(self.path(twin)), self.path(twin).open("w", encoding="utf-8") as lines:
                for batch in table.to_batches(max_chunksize=_JSONL_ROWS):
                    lines.writelines(_json_line(row) for row in batch.to_pylist())
            self.count_rows(twin, table.num_rows)

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write any other file."""
        self.write_below_root(file_path(self.ep_id, name, self.asset), content)

    def write_below_root(self, relative: str, content: bytes) -> None:
        """Write any other file, from its place below the data root."""
        target = self.path_below_root(relative)
        with file_named(target):
            target.write_bytes(content)

    def write_json(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a JSON document, indented."""
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        self.write_bytes(name, (text + "\n").encode())

    def write_document(self, name: str, document: Document) -> None:
        """Write a typed document as JSON."""
        self.write_json(name, document.to_dict())

    def write_array(self, name: str, array: NDArray[np.float32]) -> None:
        """Write an array as a NumPy file."""
        with file_named(self.path(name)):
            np.save(self.path(name), array, allow_pickle=False)
        self.count_rows(name, len(array))

    def files(self) -> list[PublishedFile]:
        """The files and bundles so far, sorted by path."""
        bundles = [self._folder / relative for relative in self._bundles]
        single = (path for path in self._folder.rglob("*") if path.is_file())
        found = [path for path in single if not any(path.is_relative_to(bundle) for bundle in bundles)]
        return [self._describe(path) for path in sorted([*found, *bundles])]

    def _describe(self, path: Path) -> PublishedFile:
        relative = path.relative_to(self._folder).as_posix()
        members = files_below(path) if path.is_dir() else [path]
        return PublishedFile(
            path=relative,
            bytes=sum(member.stat().st_size for member in members),
            sha256=checksum_of(path),
            rows=len(members) if path.is_dir() else self._rows.get(relative),
        )


def checksum_of(path: Path) -> str:
    """SHA-256 of a file; for a folder, the digest of the names and checksums of its files."""
    if not path.is_dir():
        return sha256_of_file(path)
    return digest_of({member.relative_to(path).as_posix(): sha256_of_file(member) for member in files_below(path)})


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, sorted by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _json_line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
