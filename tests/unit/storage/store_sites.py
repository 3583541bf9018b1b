"""A folder and a bucket behind one face, so that the same tests hold for both, and what they publish."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.bucket import Bucket
from resources.storage.file_cache import FileCache
from resources.storage.local_store import LocalArtifactStore
from resources.storage.s3_store import S3ArtifactStore
from resources.storage.store import ArtifactStore
from screenalytics_assets.core.common.layout import crop_path, crops_dir, object_key
from tests.object_store import BucketPlace
from tests.unit.builders import EP_ID, faces_table, people

ASSET = "faces"
TABLE = faces_table([0, 0, 1], [0.5, 0.7, 0.9])


class StoreSite(ABC):
    """A store, and its files as another program sees them, by their places below the data root."""

    store: ArtifactStore
    workspace: Path

    @abstractmethod
    def files(self) -> dict[str, bytes]: ...

    @abstractmethod
    def put(self, place: str, content: bytes) -> None: ...

    @abstractmethod
    def delete(self, place: str) -> None: ...

    @abstractmethod
    def another(self) -> ArtifactStore:
        """The same artifacts as another process on another machine sees them."""

    def named(self, *places: str) -> set[str]:
        """Places as `files` names them."""
        return set(places)

    def read(self, place: str) -> bytes:
        (name,) = self.named(place)
        return self.files()[name]


class Folder(StoreSite):
    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = LocalArtifactStore(root)
        self.workspace = root / ".staging"

    def __reduce__(self) -> Any:
        return Folder, (self.root,)

    def files(self) -> dict[str, bytes]:
        return {p.relative_to(self.root).as_posix(): p.read_bytes() for p in self.root.rglob("*") if p.is_file()}

    def put(self, place: str, content: bytes) -> None:
        (self.root / place).parent.mkdir(parents=True, exist_ok=True)
        (self.root / place).write_bytes(content)

    def delete(self, place: str) -> None:
        (self.root / place).unlink()

    def another(self) -> ArtifactStore:
        return LocalArtifactStore(self.root)


class InBucket(StoreSite):
    def __init__(self, bucket: BucketPlace) -> None:
        self.bucket = bucket
        self.workspace = bucket.cache / "staging"
        self.store = self._store(bucket.cache)

    def __reduce__(self) -> Any:
        return InBucket, (self.bucket,)

    def _store(self, folder: Path) -> S3ArtifactStore:
        cache = FileCache(folder / "objects", 10**9)
        return S3ArtifactStore(
            Bucket(self.bucket.url, attempts=1, client=self.bucket.client), cache, folder / "staging"
        )

    def files(self) -> dict[str, bytes]:
        return self.bucket.objects()

    def put(self, place: str, content: bytes) -> None:
        self.bucket.put(object_key(place), content)

    def delete(self, place: str) -> None:
        self.bucket.delete(object_key(place))

    def another(self) -> ArtifactStore:
        return self._store(self.bucket.cache.with_name("cache of another machine"))

    def named(self, *places: str) -> set[str]:
        return {object_key(place) for place in places}


def write(staged: StagedArtifact, *, crops: int = 2, note: str = "one", table: pa.Table = TABLE) -> None:
    staged.write_table("faces", table)
    staged.write_array("faces.npy", people([table.num_rows]))
    staged.write_json("note.json", {"note": note})
    if crops:
        staged.bundle(crops_dir(EP_ID))
    for frame in range(crops):
        staged.path_below_root(crop(frame)).write_bytes(b"jpeg %d %s" % (frame, note.encode()))


def crop(frame: int) -> str:
    return crop_path(EP_ID, "track-00001", frame)


def publish(store: ArtifactStore, *, write_jsonl: bool = True, fingerprint: str = "f" * 64, **content: Any) -> Artifact:
    with store.staging(ASSET, EP_ID, write_jsonl=write_jsonl) as staged:
        write(staged, **content)
        return store.publish(
            staged,
            fingerprint=fingerprint,
            code_version="1",
            config={"max_crops_per_track": 16},
            inputs={"tracks": "0" * 64},
            metrics={"runtime_s": 1.5},
        )


def publish_nothing_but(store: ArtifactStore, staged: StagedArtifact) -> Artifact:
    return store.publish(staged, fingerprint="", code_version="", config={}, inputs={}, metrics={})
