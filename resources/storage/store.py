"""Artifacts in a store: whole or not at all, each with a manifest that is written last.

Files are written below ``.staging``, flushed, and moved to their place one by one; the manifest with their
row counts and checksums follows. A reader that finds no manifest, or files that do not match it, knows that
the artifact is not there.
"""

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from resources.storage.artifacts import (
    Artifact,
    Manifest,
    PublishedFile,
    StagedArtifact,
    checksum_of,
    damaged,
    files_below,
    sha256_of,
)
from resources.system.locks import locked
from screenalytics_assets.core.common.layout import manifest_path
from screenalytics_assets.core.config.keys import digest_of

__all__ = [
    "Artifact",
    "ArtifactStore",
    "LocalArtifactStore",
    "Manifest",
    "PublishedFile",
    "StagedArtifact",
    "checksum_of",
    "sha256_of",
]


class ArtifactStore(ABC):
    """Where artifacts are published and read; a folder or a bucket."""

    @abstractmethod
    def location(self, relative: str) -> str:
        """What people are shown for a place below the data root: a path, or the URL of an object."""

    @abstractmethod
    def manifest(self, asset: str, ep_id: str) -> Manifest | None:
        """The manifest of an asset, or nothing where none of this version was published."""

    @abstractmethod
    def open(self, asset: str, ep_id: str) -> Artifact | None:
        """A published asset for reading, or nothing where it was never published.

        Raises:
            ArtifactError: Files of the asset are missing or have another size than the manifest says.
        """

    @abstractmethod
    def artifact(self, manifest: Manifest) -> Artifact:
        """What a manifest of this store describes, for reading, without a look at its files."""

    @abstractmethod
    def is_intact(self, manifest: Manifest) -> bool:
        """Whether every file of the artifact is there with the checksum of the manifest."""

    @abstractmethod
    def write(self, relative: str, content: bytes) -> str:
        """Write one file that belongs to no artifact, whole or not at all; returns its location."""

    @abstractmethod
    def read(self, relative: str) -> bytes | None:
        """The content of one file that belongs to no artifact, or nothing where there is none."""

    @abstractmethod
    def remove(self, relative: str) -> None:
        """Delete one file that belongs to no artifact; one that is not there is no complaint."""

    @abstractmethod
    def files_of(self, ep_id: str) -> list[str]:
        """Every file in the folders of an episode, of whatever kind, by its path or URL, in alphabetical order."""

    @abstractmethod
    def remove_files_of(self, ep_id: str) -> None:
        """Delete the folders of an episode, of whatever kind."""

    @property
    @abstractmethod
    def _workspace(self) -> Path:
        """A folder of this machine for what is being written, on the disk where it is wanted afterwards."""

    @abstractmethod
    def _replace(self, staged: StagedArtifact, manifest: Manifest) -> None:
        """Drop the earlier artifact's stale files and manifest, publish the staged files, then the manifest."""

    @contextmanager
    def staging(self, asset: str, ep_id: str, *, write_jsonl: bool = True) -> Iterator[StagedArtifact]:
        """A place to write an artifact; whatever was not published is gone afterwards."""
        parent = self._workspace / ep_id
        _remove_abandoned(parent)
        folder = _make_folder(parent, asset)
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
        """Replace the earlier artifact by what was staged; the manifest is written last.

        Interrupted in between, neither the earlier artifact nor the new one can be opened. Of two that publish the
        same artifact at once, no mixture can be opened.

        Raises:
            StorageError: The store refuses, or another run is publishing the same artifact.
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
        self._replace(staged, manifest)
        return self.artifact(manifest)


class LocalArtifact(Artifact):
    """A published asset below a folder."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        super().__init__(manifest)
        self.root = root

    def path_below_root(self, relative: str) -> Path:
        """A file on this machine, by its place below the data root."""
        return self.root / relative

    def files_below(self, folder: str) -> set[str]:
        """The files that a folder below the data root holds, by their places below the data root."""
        return {path.relative_to(self.root).as_posix() for path in files_below(self.root / folder)}

    def location(self, name: str) -> str:
        """The path of a file of this artifact."""
        return str(self.path(name))


class LocalArtifactStore(ArtifactStore):
    """Artifacts below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def location(self, relative: str) -> str:
        """The path of a place below the data root."""
        return str(self.root / relative)

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
                raise damaged(manifest, str(path), state)
        return self.artifact(manifest)

    def artifact(self, manifest: Manifest) -> Artifact:
        """What a manifest of this store describes, for reading, without a look at its files."""
        return LocalArtifact(self.root, manifest)

    def is_intact(self, manifest: Manifest) -> bool:
        """Whether every file of the artifact is there with the checksum of the manifest."""
        return all(
            (path := self.root / file.path).exists() and checksum_of(path) == file.sha256 for file in manifest.files
        )

    @property
    def _workspace(self) -> Path:
        return self.root / ".staging"

    def _replace(self, staged: StagedArtifact, manifest: Manifest) -> None:
        place = self.root / manifest_path(staged.asset, staged.ep_id)
        lock = self._workspace / staged.ep_id / f"{staged.asset}.lock"
        with locked(lock, f"publishing {staged.asset} of {staged.ep_id}"):
            previous = self.manifest(staged.asset, staged.ep_id)
            for stale in stale_paths(previous, manifest):
                _remove(self.root / stale)
                _remove_if_empty((self.root / stale).parent)
            place.unlink(missing_ok=True)
            for file in manifest.files:
                _move_whole(staged.path_below_root(file.path), self.root / file.path)
            written = staged.path_below_root(manifest_path(staged.asset, staged.ep_id))
            written.write_bytes(manifest.to_bytes())
            _move_whole(written, place)

    def write(self, relative: str, content: bytes) -> str:
        """Write one file that belongs to no artifact, whole or not at all; returns its path."""
        target = self.root / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return str(target)

    def read(self, relative: str) -> bytes | None:
        """The content of one file that belongs to no artifact, or nothing where there is none."""
        try:
            return (self.root / relative).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, relative: str) -> None:
        """Delete one file that belongs to no artifact; one that is not there is no complaint."""
        (self.root / relative).unlink(missing_ok=True)

    def files_of(self, ep_id: str) -> list[str]:
        """Every file in the folders of an episode; a folder without files is told itself."""
        folders = self._folders_of(ep_id)
        return sorted(str(path) for folder in folders for path in _members(folder) or [folder])

    def remove_files_of(self, ep_id: str) -> None:
        """Delete the folders of an episode, of whatever kind."""
        for folder in self._folders_of(ep_id):
            shutil.rmtree(folder)

    def _folders_of(self, ep_id: str) -> list[Path]:
        # Each folder of the contract has one folder an episode, and so has .staging, where artifacts are written.
        return sorted(path for path in self.root.glob(f"*/{ep_id}") if path.is_dir())


def stale_paths(previous: Manifest | None, manifest: Manifest) -> list[str]:
    """Files and bundles of the earlier artifact that are not part of the new one."""
    kept = {file.path for file in manifest.files}
    return [file.path for file in previous.files if file.path not in kept] if previous else []


def _make_folder(parent: Path, asset: str) -> Path:
    while True:
        parent.mkdir(parents=True, exist_ok=True)
        # Whoever has just finished may remove the parent, empty for a moment, again.
        with suppress(FileNotFoundError):
            return Path(tempfile.mkdtemp(prefix=f"{asset}.", suffix=f".{os.getpid()}", dir=parent))


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


def _members(folder: Path) -> list[Path]:
    """What is in a folder and is none; also links to nowhere, which are files to nobody."""
    return [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # not empty, or gone already
        folder.rmdir()


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob("*.*") if parent.is_dir() else ():
        pid = folder.suffix.removeprefix(".")
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)
