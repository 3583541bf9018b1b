"""Artifacts in a bucket, with the same guarantees as in a folder.

Objects are overwritten in place, because other programs find them by name. So the manifest is only written if there is
none, after checking that every object is still the one that was uploaded; and what is read is compared with the SHA-256
in its manifest.
"""

import random
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from resources.storage.artifacts import Artifact, StagedArtifact, files_below
from resources.storage.bucket import Bucket, NoObjectError, StoredObject, bucket_of
from resources.storage.file_cache import CachedFile, FileCache, local_cache, local_folder
from resources.storage.manifest import Manifest, PublishedFile, damaged, owner_of, parse_manifest
from resources.storage.store import UPDATE_TIMEOUT_S, ArtifactStore, stale_paths
from screenalytics_assets.core.common.digests import digest_of
from screenalytics_assets.core.common.errors import ArtifactError, StorageError
from screenalytics_assets.core.common.layout import ARTIFACTS, manifest_path, object_key

# botocore keeps ten connections open.
_THREADS = 8
CHECKSUM = "sha256"
"""Metadata of an object that holds one file."""
_SEAL = "seal"
"""Metadata of a manifest: a digest of its checksums and of the tags of its objects."""
_PUBLISH_ATTEMPTS = 3


class S3Artifact(Artifact):
    """A published asset in a bucket; its files are copied to this machine when they are read."""

    def __init__(self, store: "S3ArtifactStore", manifest: Manifest) -> None:
        super().__init__(manifest)
        self._store = store
        self._copies: dict[str, CachedFile] = {}

    def path_below_root(self, relative: str) -> Path:
        """The path of a verified local copy; valid while this object lives."""
        if relative not in self._copies:
            self._copies[relative] = self._store.fetch(self.manifest, relative)
        return self._copies[relative].path

    def files_below(self, folder: str) -> set[str]:
        """The objects in a folder, as places below the data root."""
        return set(self._store.objects_below(folder))

    def location(self, name: str) -> str:
        """The URL of a file of this artifact."""
        return self._store.location(self._place(name))


class S3ArtifactStore(ArtifactStore):
    """Artifacts below a prefix of a bucket.

    Args:
        bucket: Where the objects are.
        cache: Local copies of objects.
        workspace: A folder for artifacts that are being written, on the disk of the cache.
    """

    def __init__(self, bucket: Bucket, cache: FileCache, workspace: Path) -> None:
        self._bucket = bucket
        self._cache = cache
        self._workspace = workspace

    def location(self, relative: str) -> str:
        """The URL of the object for a place below the data root."""
        return self._bucket.url(object_key(relative))

    def manifest(self, asset: str, ep_id: str) -> Manifest | None:
        """The manifest of an asset; None if it was not published, or by an older version with another manifest."""
        key = object_key(manifest_path(asset, ep_id))
        found = self._bucket.read(key)
        return parse_manifest(found.content, self._bucket.url(key), asset, ep_id) if found else None

    def open(self, asset: str, ep_id: str) -> Artifact | None:
        """A published asset for reading; None if it was not published."""
        manifest = self.manifest(asset, ep_id)
        if manifest is None:
            return None
        found = self._listed(manifest)
        for file in manifest.files:
            size = found[file.path].bytes if file.path in found else None
            if size != file.bytes and not (size is None and self._is_bundle(file)):
                state = "is missing" if size is None else f"has {size} bytes instead of {file.bytes}"
                raise damaged(manifest, self.location(file.path), state)
        return self.artifact(manifest)

    def artifact(self, manifest: Manifest) -> S3Artifact:
        """The artifact of a manifest of this store, for reading; its files are not checked."""
        return S3Artifact(self, manifest)

    def is_intact(self, manifest: Manifest) -> bool:
        """Whether every object of the artifact exists and has the checksum in the manifest.

        If the tags of the objects are those at publication, nothing is read. In a copied bucket they are not, and every
        object is read.
        """
        stored = self._stored(manifest)
        head = self._bucket.head(object_key(manifest_path(manifest.asset, manifest.ep_id)))
        if head is not None and head.metadata.get(_SEAL) == _seal(manifest, stored):
            return True
        return all(self._checksum(file, stored) == file.sha256 for file in manifest.files)

    def write(self, relative: str, content: bytes) -> str:
        """Write one object that is not part of an artifact; returns its URL."""
        self._bucket.write(object_key(relative), content)
        return self.location(relative)

    def read(self, relative: str) -> bytes | None:
        """The content of one object that is not part of an artifact; None if it does not exist."""
        found = self._bucket.read(object_key(relative))
        return found.content if found else None

    def _update(self, relative: str, change: Callable[[bytes | None], bytes]) -> str:
        key, deadline_s = object_key(relative), time.monotonic() + UPDATE_TIMEOUT_S
        while True:
            found = self._bucket.read(key)
            content, tag = found or (None, None)
            if self._bucket.replace(key, change(content), tag):
                return self.location(relative)
            if time.monotonic() > deadline_s:
                raise StorageError(
                    f"{self._bucket.url(key)} was changed by other machines for {UPDATE_TIMEOUT_S:.0f} s: nothing was "
                    "written, try again"
                )
            # Two machines that collided do not do so again.
            time.sleep(random.uniform(0.01, 0.2))  # noqa: S311 - not for secrets

    def remove(self, relative: str) -> None:
        """Delete one object that is not part of an artifact, if it exists."""
        self._bucket.delete([object_key(relative)])

    def keys(self, asset: str) -> list[str]:
        """The partitions for which an asset is published, sorted."""
        folder, _, name = manifest_path(asset, "").partition("//")
        listed = (stored.key for stored in self._bucket.list(f"{object_key(folder)}/"))
        stored = {key: self._bucket.read(key) for key in listed if key.endswith(f"/{name}")}
        owners = {key: owner_of(found.content) for key, found in stored.items() if found}
        # A place can be of several owners, so the owner is read from the manifest, and has to be of that place.
        return sorted(
            owner for key, owner in owners.items() if owner and object_key(manifest_path(asset, owner)) == key
        )

    def files_of(self, ep_id: str) -> list[str]:
        """The URLs of every object in the folders of an episode, sorted."""
        return sorted(map(self._bucket.url, self._keys_of(ep_id)))

    def remove_files_of(self, ep_id: str) -> None:
        """Delete every object of an episode, and what this machine was writing for it."""
        self._bucket.delete(self._keys_of(ep_id))
        shutil.rmtree(self._workspace / ep_id, ignore_errors=True)

    def _keys_of(self, ep_id: str) -> list[str]:
        kinds = ["videos", *self._bucket.folders(ARTIFACTS)]
        prefixes = (f"{object_key(f'{kind}/{ep_id}')}/" for kind in kinds)
        return [stored.key for prefix in prefixes for stored in self._bucket.list(prefix)]

    def fetch(self, manifest: Manifest, relative: str) -> CachedFile:
        """A local copy of a file of an artifact.

        Raises:
            ArtifactError: The object is missing, or does not match the manifest.
        """
        key = object_key(relative)
        described = {file.path: file for file in manifest.files}.get(relative)
        if described is not None:
            name, size, sha256 = _cache_name(described), described.bytes, described.sha256
        else:
            head = self._bucket.head(key)
            if head is None:
                raise damaged(manifest, self._bucket.url(key), "is missing")
            name, size, sha256 = f"{digest_of([self._bucket.url(key), head.etag])}-{Path(key).name}", head.bytes, None
        try:
            return self._cache.fetch(
                name, size=size, sha256=sha256, download=lambda target: self._bucket.download(key, target)
            )
        except NoObjectError as error:
            raise damaged(manifest, self._bucket.url(key), "is missing") from error
        except ArtifactError as error:
            problem = f"is not what was published, or is being published again ({error})"
            raise damaged(manifest, self._bucket.url(key), problem) from error

    def objects_below(self, folder: str) -> dict[str, StoredObject]:
        """The objects in a folder and its subfolders, by their places below the data root."""
        return self._list(folder, deep=True)

    def _replace(self, staged: StagedArtifact, manifest: Manifest) -> None:
        sources = {file.path: staged.path_below_root(file.path) for file in manifest.files}
        bundles = {place: folder for place, folder in sources.items() if folder.is_dir()}
        members = {
            f"{place}/{member.relative_to(folder).as_posix()}": member
            for place, folder in bundles.items()
            for member in files_below(folder)
        }
        self._delete_stale(manifest, bundles, members)
        manifest_key = object_key(manifest_path(manifest.asset, manifest.ep_id))
        self._bucket.delete([manifest_key])
        single = {place: path for place, path in sources.items() if place not in bundles}
        tags = self._upload(single | members, {file.path: file.sha256 for file in manifest.files})
        for _ in range(_PUBLISH_ATTEMPTS):
            stored = self._stored(manifest)
            if _tags(stored) != tags:
                break
            if self._bucket.write_new(manifest_key, manifest.to_bytes(), {_SEAL: _seal(manifest, stored)}):
                for file in manifest.files:
                    if file.path in single:
                        self._cache.adopt(single[file.path], _cache_name(file))
                return
            if _tags(self._stored(manifest)) != tags:
                break
            # The manifest is another run's, but all objects are ours.
            self._bucket.delete([manifest_key])
        raise StorageError(
            f"another run is publishing {manifest.asset} of {manifest.ep_id} at {self._bucket.url('')}: "
            "this one did not; let the other finish and run again"
        )

    def _delete_stale(self, manifest: Manifest, bundles: Iterable[str], members: Iterable[str]) -> None:
        stale = stale_paths(self.manifest(manifest.asset, manifest.ep_id), manifest)
        # A path without an object is a bundle.
        within = [place for folder in (*stale, *bundles) for place in self.objects_below(folder)]
        self._bucket.delete({object_key(place) for place in {*stale, *within} - {*members}})

    def _upload(self, sources: Mapping[str, Path], checksums: Mapping[str, str]) -> dict[str, str]:
        """Upload files to their places; returns the tags of the objects."""

        def upload(place: str) -> str:
            metadata = {CHECKSUM: checksums[place]} if place in checksums else {}
            return self._bucket.upload(sources[place], object_key(place), metadata)

        with ThreadPoolExecutor(_THREADS) as pool:
            return dict(zip(sources, pool.map(upload, sources), strict=True))

    def _stored(self, manifest: Manifest) -> dict[str, StoredObject]:
        """The existing objects that the manifest lists, by their places below the data root."""
        listed = self._listed(manifest)
        found = {file.path: listed[file.path] for file in manifest.files if file.path in listed}
        for file in manifest.files:
            if file.path not in found:
                found |= self.objects_below(file.path)
        return found

    def _listed(self, manifest: Manifest) -> dict[str, StoredObject]:
        """The objects in the folders of the files and bundles of a manifest, those in subfolders left out."""
        folders = sorted({file.path.rpartition("/")[0] for file in manifest.files})
        return {place: stored for folder in folders for place, stored in self._list(folder, deep=False).items()}

    def _list(self, folder: str, *, deep: bool) -> dict[str, StoredObject]:
        prefix = f"{object_key(folder)}/"
        return {
            f"{folder}/{stored.key.removeprefix(prefix)}": stored for stored in self._bucket.list(prefix, deep=deep)
        }

    def _is_bundle(self, file: PublishedFile) -> bool:
        return file.bytes == 0 or next(self._bucket.list(f"{object_key(file.path)}/"), None) is not None

    def _checksum(self, file: PublishedFile, stored: Mapping[str, StoredObject]) -> str | None:
        if file.path in stored:
            return self._bucket.checksum(stored[file.path].key)
        folder = f"{file.path}/"
        keys = {place.removeprefix(folder): found.key for place, found in stored.items() if place.startswith(folder)}
        with ThreadPoolExecutor(_THREADS) as pool:
            return digest_of(dict(zip(keys, pool.map(self._bucket.checksum, keys.values()), strict=True)))


def _cache_name(file: PublishedFile) -> str:
    return f"{file.sha256}{PurePosixPath(file.path).suffix}"


def _tags(stored: Mapping[str, StoredObject]) -> dict[str, str]:
    return {place: found.etag for place, found in stored.items()}


def _seal(manifest: Manifest, stored: Mapping[str, StoredObject]) -> str:
    return digest_of(
        {
            "files": {file.path: file.sha256 for file in manifest.files},
            "objects": {place: [found.bytes, found.etag] for place, found in stored.items()},
        }
    )


def artifacts_in_bucket(url: str) -> S3ArtifactStore:
    """The store of a data root ``s3://bucket/prefix``."""
    return S3ArtifactStore(bucket_of(url), local_cache(), local_folder() / "staging")
