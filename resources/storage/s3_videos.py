"""The videos of the episodes in a bucket; one at a time is copied to this machine."""

import shutil
import tempfile
from pathlib import Path, PurePosixPath

from resources.storage.bucket import Bucket, StoredObject, bucket_of
from resources.storage.file_cache import CachedFile, FileCache, local_cache, local_folder
from resources.storage.s3_store import CHECKSUM
from resources.storage.videos import VideoPlace
from resources.system.files import sha256_of_file
from screenalytics_assets.core.common.digests import digest_of
from screenalytics_assets.core.common.errors import ArtifactError, VideoError
from screenalytics_assets.core.common.layout import object_key, video_dir


class S3Videos(VideoPlace):
    """Videos below a prefix of a bucket.

    The checksum of a video that we uploaded is stored with it; a video from another program has to be read for it.
    """

    def __init__(self, bucket: Bucket, cache: FileCache, workspace: Path) -> None:
        self._bucket = bucket
        self._cache = cache
        self._workspace = workspace
        self._in_use: CachedFile | None = None

    def location(self, ep_id: str, name: str) -> str:
        """The URL of a video."""
        return self._bucket.url(_key(ep_id, name))

    def sizes(self, ep_id: str) -> dict[str, int]:
        """The names of the objects in an episode's folder, sorted, with their sizes in bytes."""
        found = self._bucket.list(_key(ep_id, ""), deep=False)
        return dict(sorted((PurePosixPath(stored.key).name, stored.bytes) for stored in found))

    def path(self, ep_id: str, name: str) -> Path:
        """The path of a local copy; valid until the path of another video is asked for."""
        head = self._head(ep_id, name)
        checksum = head.metadata.get(CHECKSUM)
        content = checksum or digest_of([self._bucket.url(head.key), head.etag])
        try:
            self._in_use = self._cache.fetch(
                f"{content}{PurePosixPath(name).suffix}",
                size=head.bytes,
                sha256=checksum,
                download=lambda target: self._bucket.download(head.key, target),
            )
        except ArtifactError as error:
            raise VideoError(
                f"{self._bucket.url(head.key)} is damaged: {error}; store it again with "
                f"`screenalytics run VIDEO --ep-id {ep_id} --replace`"
            ) from error
        return self._in_use.path

    def checksum(self, ep_id: str, name: str) -> str:
        """SHA-256 of a video."""
        return self._head(ep_id, name).metadata.get(CHECKSUM) or sha256_of_file(self.path(ep_id, name))

    def holds(self, ep_id: str, name: str, source: Path) -> bool:
        """Whether a video has the same content as a file."""
        if self._head(ep_id, name).bytes != source.stat().st_size:
            return False
        return self.checksum(ep_id, name) == sha256_of_file(source)

    def put(self, ep_id: str, name: str, source: Path) -> None:
        """Upload a video, and keep a local copy, because it will be decoded next."""
        self._workspace.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._workspace) as folder:
            copy = Path(folder) / name
            shutil.copyfile(source, copy)
            checksum = sha256_of_file(copy)
            self._bucket.upload(copy, _key(ep_id, name), {CHECKSUM: checksum})
            self._cache.adopt(copy, f"{checksum}{copy.suffix}")

    def remove(self, ep_id: str, name: str) -> None:
        """Delete a video."""
        self._bucket.delete([_key(ep_id, name)])

    def _head(self, ep_id: str, name: str) -> StoredObject:
        head = self._bucket.head(_key(ep_id, name))
        if head is None:
            raise VideoError(f"{self.location(ep_id, name)} was removed a moment ago: run again")
        return head


def _key(ep_id: str, name: str) -> str:
    return f"{object_key(video_dir(ep_id))}/{name}"


def videos_in_bucket(url: str) -> S3Videos:
    """The videos of a data root ``s3://bucket/prefix``."""
    return S3Videos(bucket_of(url), local_cache(), local_folder() / "staging")
