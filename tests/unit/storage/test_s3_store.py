"""What only artifacts in a bucket have."""

import io
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
from botocore.awsrequest import AWSResponse

from resources.artifact_store import ArtifactStoreResource
from resources.storage.bucket import MULTIPART_BYTES, Bucket
from resources.storage.file_cache import FileCache, cache_limit_bytes
from resources.storage.s3_store import S3ArtifactStore
from screenalytics_assets.core.common.errors import (
    ArtifactError,
    ConfigurationError,
    DatabaseAwayError,
    StorageError,
    UnavailableError,
)
from screenalytics_assets.core.common.layout import crop_path, file_path, manifest_path, object_key
from screenalytics_assets.failures import RETRIES, RETRY_DELAY_S, retries_disabled, translate_errors
from tests.object_store import BucketPlace
from tests.unit.builders import EP_ID
from tests.unit.storage.store_sites import ASSET, InBucket, publish, publish_nothing_but

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>reduce your request rate</Message></Error>"
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@pytest.fixture
def site(bucket: BucketPlace) -> InBucket:
    return InBucket(bucket)


class _Body(io.BytesIO):
    def stream(self, **_arguments: Any) -> Any:
        yield self.read()


def answer(place: Bucket, status: int, body: bytes, times: int) -> list[str]:
    """Let the endpoint answer with an error for a while; returns the addresses that were asked."""
    asked: list[str] = []

    def send(request: Any, **_arguments: Any) -> AWSResponse | None:
        asked.append(request.url)
        return AWSResponse(request.url, status, {}, _Body(body)) if len(asked) <= times else None

    place._client.meta.events.register("before-send.s3", send)
    return asked


@pytest.fixture
def own_bucket(bucket: BucketPlace, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """With a client of its own, as the environment describes it, that does not wait between its tries."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
    return Bucket(bucket.url, attempts=3)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("videos/my-show-s01e02/episode.mp4", "raw/videos/my-show/s01/e02/episode.mp4"),
        ("manifests/rhobh-s05e102/tracks.parquet", "artifacts/manifests/rhobh/s05/e102/tracks.parquet"),
        ("frames/rhobh-s05e02/crops_debug.jsonl", "artifacts/frames/rhobh/s05/e02/crops_debug.jsonl"),
        (crop_path("rhobh-s05e02", "track-00001", 42), "artifacts/crops/rhobh/s05/e02/track-00001/frame_000042.jpg"),
        ("frames/rhobh-s05e02/thumbs/a.jpg", "artifacts/thumbs/rhobh/s05/e02/a.jpg"),
        ("reports/rhobh-s05/evaluation.csv", "artifacts/reports/rhobh/s05/evaluation.csv"),
        ("facebank/rhobh/kyle/1.jpg", "artifacts/facebank/rhobh/kyle/1.jpg"),
    ],
)
def test_an_object_is_where_the_contract_says(path: str, key: str) -> None:
    assert object_key(path) == key


def test_a_browser_shows_a_report_as_a_page(site: InBucket) -> None:
    with site.store.staging("episode_report", EP_ID) as staged:
        staged.path("index.html").write_text("<p>people</p>")
        publish_nothing_but(site.store, staged)
    key = f"tv/{object_key(file_path(EP_ID, 'index.html'))}"
    assert site.bucket.client.head_object(Bucket=site.bucket.name, Key=key)["ContentType"] == "text/html"


def test_what_is_unchanged_is_found_intact_without_reading_it(site: InBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = publish(site.store).manifest
    monkeypatch.setattr(Bucket, "checksum", None)
    assert site.another().is_intact(manifest)


def test_the_manifest_of_another_publication_is_not_intact(site: InBucket) -> None:
    first = publish(site.store, note="one").manifest
    publish(site.store, note="two")
    assert not site.store.is_intact(first)


def test_a_damaged_object_is_never_read(site: InBucket) -> None:
    publish(site.store)
    place = file_path(EP_ID, "faces.npy")
    site.put(place, site.read(place)[::-1])
    artifact = site.another().open(ASSET, EP_ID)
    assert artifact is not None
    with pytest.raises(ArtifactError, match=rf"faces of {EP_ID} is damaged: s3://.*faces\.npy is not what was pub"):
        artifact.array("faces.npy")


def test_an_object_that_is_deleted_while_it_is_read_is_named(site: InBucket) -> None:
    publish(site.store)
    artifact = site.another().open(ASSET, EP_ID)
    assert artifact is not None
    site.delete(file_path(EP_ID, "faces.npy"))
    with pytest.raises(ArtifactError, match=r"faces\.npy is missing; run: screenalytics run"):
        artifact.array("faces.npy")


def test_the_local_copy_of_a_file_stays_as_long_as_its_artifact(bucket: BucketPlace) -> None:
    cache = FileCache(bucket.cache / "objects", 3000)
    store = S3ArtifactStore(Bucket(bucket.url, client=bucket.client), cache, bucket.cache / "staging")
    artifacts = []
    for number in range(4):
        with store.staging(f"asset{number}", EP_ID) as staged:
            staged.path(f"{number}.bin").write_bytes(bytes([number]) * 1000)
            artifacts.append(publish_nothing_but(store, staged))
    paths = [artifact.path(f"{number}.bin") for number, artifact in enumerate(artifacts)]
    assert [path.read_bytes()[0] for path in paths] == [0, 1, 2, 3]


def test_a_large_file_is_uploaded_and_downloaded_in_parts(site: InBucket) -> None:
    content = bytes(range(256)) * (MULTIPART_BYTES // 256) + b"and more"
    with site.store.staging("face_crops", EP_ID) as staged:
        staged.path("face_crops.parquet").write_bytes(content)
        manifest = publish_nothing_but(site.store, staged).manifest
    (entry,) = manifest.files
    key = f"tv/{object_key(entry.path)}"
    assert "-" in site.bucket.client.head_object(Bucket=site.bucket.name, Key=key)["ETag"]
    artifact = site.another().open("face_crops", EP_ID)
    assert artifact is not None
    assert artifact.path("face_crops.parquet").read_bytes() == content
    assert site.store.is_intact(manifest)


def test_a_run_that_is_overtaken_by_another_says_so_and_publishes_nothing(
    site: InBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = site.another()
    real: Callable[..., Any] = Bucket.write_new

    def overtaken(self: Bucket, *arguments: Any) -> Any:
        monkeypatch.setattr(Bucket, "write_new", real)
        publish(other, note="the other's")
        return real(self, *arguments)

    monkeypatch.setattr(Bucket, "write_new", overtaken)
    with pytest.raises(StorageError, match=r"another run is publishing faces of .*run again"):
        publish(site.store, note="mine")
    left = site.another().open(ASSET, EP_ID)
    assert left is not None
    assert left.json("note.json") == {"note": "the other's"}
    assert site.store.is_intact(left.manifest)


def test_a_request_is_retried_while_the_store_is_busy(own_bucket: Bucket) -> None:
    asked = answer(own_bucket, 503, SLOW_DOWN, times=2)
    own_bucket.write("a", b"content")
    found = own_bucket.read("a")
    assert len(asked) == 4
    head = own_bucket.head("a")
    assert found is not None
    assert head is not None
    assert (found.content, head.metadata) == (b"content", {})


def test_a_store_that_stays_busy_is_unavailable(own_bucket: Bucket) -> None:
    asked = answer(own_bucket, 503, SLOW_DOWN, times=99)
    with pytest.raises(UnavailableError, match=r"busy or broken \(SlowDown"):
        own_bucket.write("a", b"content")
    assert len(asked) == 3


def test_refused_access_is_reported_without_a_retry_and_with_the_permissions_needed(own_bucket: Bucket) -> None:
    asked = answer(own_bucket, 403, DENIED, times=99)
    with pytest.raises(StorageError, match=r"a: access refused by http://.*\(AccessDenied\): check the credentials"):
        own_bucket.write("a", b"content")
    assert len(asked) == 1


def test_a_missing_bucket_is_named_by_every_kind_of_request(bucket: BucketPlace) -> None:
    missing = Bucket("s3://there-is-none/tv", client=bucket.client)
    requests: list[Callable[[], object]] = [
        lambda: missing.head("a"),
        lambda: missing.read("a"),
        lambda: list(missing.list("a/")),
        lambda: missing.write("a", b""),
        lambda: missing.delete(["a"]),
    ]
    for request in requests:
        with pytest.raises(StorageError, match=r"there is no bucket there-is-none at http://.*: create it"):
            request()


def test_an_endpoint_that_does_not_answer_is_unavailable(bucket: BucketPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match=r"no answer: .*AWS_ENDPOINT_URL_S3"):
        Bucket(bucket.url, attempts=1).read("a")


def test_a_step_is_only_retried_if_the_store_does_not_answer() -> None:
    with pytest.raises(dg.RetryRequested) as asked, translate_errors():
        raise UnavailableError("busy")
    assert (asked.value.max_retries, asked.value.seconds_to_wait) == (RETRIES, RETRY_DELAY_S)
    with pytest.raises(dg.Failure, match="refused") as failure, translate_errors():
        raise StorageError("refused")
    assert failure.value.allow_retries is False


@pytest.mark.parametrize("error", [UnavailableError("busy"), DatabaseAwayError("busy"), ConnectionError("busy")])
def test_the_command_line_reports_an_unavailable_store_without_a_retry(error: Exception) -> None:
    with pytest.raises(dg.Failure, match="busy"), retries_disabled(), translate_errors():
        raise error
    with pytest.raises(dg.RetryRequested), translate_errors():
        raise error


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix"])
def test_an_address_without_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected s3://bucket/prefix"):
        ArtifactStoreResource(root=url).store()


def test_the_resource_takes_the_bucket_of_the_environment(bucket: BucketPlace) -> None:
    publish(ArtifactStoreResource().store())
    assert object_key(manifest_path(ASSET, EP_ID)) in bucket.objects()
    assert (bucket.cache / "objects").is_dir()


@pytest.mark.parametrize("text", ["none", "0", "-1", "inf", "nan"])
def test_a_cache_limit_that_is_not_a_size_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENALYTICS_S3_CACHE_GB", text)
    with pytest.raises(ConfigurationError, match=rf"SCREENALYTICS_S3_CACHE_GB is {text}"):
        cache_limit_bytes()


def test_the_cache_limit_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENALYTICS_S3_CACHE_GB", "1.5")
    assert cache_limit_bytes() == 1_500_000_000
