"""Artifacts in a folder.

Files are flushed and moved to their places one by one, the manifest last. Two runs that publish the same artifact take
turns.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from resources.storage.artifacts import Artifact, StagedArtifact, checksum_of, files_below
from resources.storage.manifest import Manifest, PublishedFile, damaged, parse_manifest
from resources.storage.store import ArtifactStore, remove_if_empty, stale_paths
from resources.system.digest_memory import remembered_sha256
from resources.system.files import file_named, write_whole
from resources.system.locks import locked
from screenalytics_assets.core.common.layout import manifest_path


class LocalArtifact(Artifact):
    """A published asset below a folder."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        super().__init__(manifest)
        self.root = root
        self._described = {file.path: file for file in manifest.files}

    def path_below_root(self, relative: str) -> Path:
        """The path of a file, from its place below the data root.

        Raises:
            ArtifactError: The file is missing, or its content is not what was published.
        """
        path = self.root / relative
        described = self._described.get(relative)
        if described is not None:
            state = _state_of(path, described)
            if state is not None:
                raise damaged(self.manifest, str(path), state)
        return path

    def files_below(self, folder: str) -> set[str]:
        """The files in a folder, as places below the data root."""
        return {path.relative_to(self.root).as_posix() for path in files_below(self.root / folder)}

    def location(self, name: str) -> str:
        """The path of a file of this artifact."""
        return str(self.root / self._place(name))


class LocalArtifactStore(ArtifactStore):
    """Artifacts below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._workspace = root / ".staging"

    def location(self, relative: str) -> str:
        """The path of a place below the data root."""
        return str(self.root / relative)

    def manifest(self, asset: str, ep_id: str) -> Manifest | None:
        """The manifest of an asset; None if it was not published, or by an older version with another manifest."""
        path = self.root / manifest_path(asset, ep_id)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        return parse_manifest(content, str(path), asset, ep_id)

    def open(self, asset: str, ep_id: str) -> Artifact | None:
        """A published asset for reading; None if it was not published."""
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
        """The artifact of a manifest of this store, for reading; its files are not checked."""
        return LocalArtifact(self.root, manifest)

    def is_intact(self, manifest: Manifest) -> bool:
        """Whether every file of the artifact exists and has the checksum in the manifest."""
        return all(_state_of(self.root / file.path, file) is None for file in manifest.files)

    def _replace(self, staged: StagedArtifact, manifest: Manifest) -> None:
        place = self.root / manifest_path(staged.asset, staged.ep_id)
        lock = self._workspace / staged.ep_id / f"{staged.asset}.lock"
        with locked(lock, f"publishing {staged.asset} of {staged.ep_id}"):
            previous = self.manifest(staged.asset, staged.ep_id)
            for stale in stale_paths(previous, manifest):
                _remove(self.root / stale)
                remove_if_empty((self.root / stale).parent)
            place.unlink(missing_ok=True)
            for file in manifest.files:
                _move_whole(staged.path_below_root(file.path), self.root / file.path)
            written = staged.path_below_root(manifest_path(staged.asset, staged.ep_id))
            with file_named(place):
                written.write_bytes(manifest.to_bytes())
            _move_whole(written, place)

    def write(self, relative: str, content: bytes) -> str:
        """Write one file that is not part of an artifact, whole or not at all; returns its path."""
        write_whole(self.root / relative, content)
        return self.location(relative)

    def read(self, relative: str) -> bytes | None:
        """The content of one file that is not part of an artifact; None if it does not exist."""
        try:
            return (self.root / relative).read_bytes()
        except FileNotFoundError:
            return None

    def _update(self, relative: str, change: Callable[[bytes | None], bytes]) -> str:
        return self.write(relative, change(self.read(relative)))

    def remove(self, relative: str) -> None:
        """Delete one file that is not part of an artifact, if it exists."""
        (self.root / relative).unlink(missing_ok=True)

    def keys(self, asset: str) -> list[str]:
        """The partitions for which an asset is published, sorted."""
        return sorted(path.parent.name for path in self.root.glob(manifest_path(asset, "*")))

    def files_of(self, ep_id: str) -> list[str]:
        """The paths of every file in the folders of an episode, sorted; an empty folder is listed itself."""
        folders = self._folders_of(ep_id)
        return sorted(str(path) for folder in folders for path in _members(folder) or [folder])

    def remove_files_of(self, ep_id: str) -> None:
        """Delete every folder of an episode; of a link, not what it leads to."""
        for folder in self._folders_of(ep_id):
            _remove(folder)

    def _folders_of(self, ep_id: str) -> list[Path]:
        # Every folder of the contract has one folder per episode, and so has .staging, where artifacts are written.
        return sorted(path for path in self.root.glob(f"*/{ep_id}") if path.is_dir() or path.is_symlink())


def _state_of(path: Path, described: PublishedFile) -> str | None:
    """What is wrong with a published file or bundle, or None if its content is what was published."""
    try:
        if path.is_dir():
            return None if checksum_of(path) == described.sha256 else "holds other files than were published"
        found = path.stat().st_size
        if found != described.bytes:
            return f"has {found} bytes instead of {described.bytes}"
        return None if remembered_sha256(path) == described.sha256 else "has another content than was published"
    except FileNotFoundError:
        return "is missing"


def _move_whole(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        # Flushing thousands of files would take longer than the stage. The folder's checksum reveals a torn file.
        _remove(target)
    else:
        with file_named(target), source.open("rb") as stream:
            os.fsync(stream.fileno())
    source.replace(target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _members(folder: Path) -> list[Path]:
    """Everything in a folder but folders, broken links included; nothing in one that is a link."""
    if folder.is_symlink():
        return []
    return [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
