"""A bucket on S3 or a compatible server: errors that a user can act on, transient ones retried."""

import hashlib
import mimetypes
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore import exceptions as boto
from botocore.config import Config
from botocore.exceptions import ClientError
from s3transfer.exceptions import RetriesExceededError

from screenalytics_assets.core.common.errors import ConfigurationError, StorageError, UnavailableError

ATTEMPTS = 8
"""Attempts of a request, with growing pauses: about half a minute until an endpoint counts as unavailable."""
READ_TIMEOUT_S = 7.0
"""The longest wait for a connection, and for the next bytes of an answer."""
SILENT_ATTEMPTS = 2
"""Attempts of a request that is not answered at all."""
DOWNLOAD_ATTEMPTS = 3
"""Attempts of a download that breaks off. Two that fall silent on the way, and a third one that is not answered at all,
take half a minute."""
MULTIPART_BYTES = 16 * 1024**2
"""Larger files are uploaded in parts, several at a time."""
_DELETE_AT_ONCE = 1000
_CHUNK_BYTES = 1024**2
# Error codes of a server that is overloaded or restarting, besides any status from 500 on.
_BUSY = frozenset({"RequestTimeout", "SlowDown", "TooManyRequests", "Throttling", "ThrottlingException"})
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_SILENT = (boto.ReadTimeoutError, boto.ConnectTimeoutError)
_DOWNLOAD = TransferConfig(num_download_attempts=DOWNLOAD_ATTEMPTS)
_CONDITION_FAILED = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_NO_ANSWER = (
    boto.ConnectionError,
    boto.HTTPClientError,
    boto.IncompleteReadError,
    boto.FlexibleChecksumError,
    RetriesExceededError,
)


class _NotAnsweredError(boto.HTTPClientError):  # type: ignore[misc] # botocore has no types
    """A request that no attempt got an answer to. A download does not repeat it, as it does a `ReadTimeoutError`."""

    fmt = "{error}"


class NoObjectError(StorageError):
    """An object that does not exist."""


class StoredObject(NamedTuple):
    """An object, as listed or as described by its head."""

    key: str
    bytes: int
    etag: str
    metadata: Mapping[str, str] = {}
    modified_s: float = 0.0


class ReadObject(NamedTuple):
    """The content of an object, and the tag of this version of it."""

    content: bytes
    etag: str


class Bucket:
    """The objects below a prefix of a bucket; keys are relative to the prefix.

    Credentials, region and endpoint come from where AWS tools look for them: the environment
    (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL_S3``, ``AWS_REGION`` …), profiles, or the machine's role.

    Args:
        url: ``s3://bucket/prefix``.
        attempts: Attempts of a request.
        client: A boto3 client to use instead.

    Raises:
        ConfigurationError: The address or the AWS configuration is malformed.
    """

    def __init__(self, url: str, *, attempts: int = ATTEMPTS, client: Any = None) -> None:  # noqa: ANN401 - made at run time
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise ConfigurationError(f"{url!r} is not a bucket: expected s3://bucket/prefix")
        self.name = parts.netloc
        self._prefix = "".join(f"{part}/" for part in parts.path.split("/") if part)
        with self._errors(""):
            self._client = client or boto3.session.Session().client("s3", config=_client_config(attempts))
            self._client.meta.events.register_first("needs-retry.s3", _give_up_if_silent)

    @property
    def endpoint(self) -> str:
        """The address of the server."""
        return str(self._client.meta.endpoint_url)

    def url(self, key: str) -> str:
        """The URL of an object; of the prefix for an empty key."""
        return f"s3://{self.name}/{self._prefix}{key}"

    def check(self) -> None:
        """List one key: raises unless the bucket exists and may be read."""
        with self._errors(""):
            self._client.list_objects_v2(Bucket=self.name, Prefix=self._prefix, MaxKeys=1)

    def head(self, key: str) -> StoredObject | None:
        """Size, tag and metadata of an object; None if it does not exist."""
        with self._errors(key):
            try:
                found = self._client.head_object(**self._address(key))
            except ClientError as error:
                self._require_absent(error)
                return None
        return StoredObject(key, found["ContentLength"], found["ETag"], found["Metadata"])

    def read(self, key: str) -> ReadObject | None:
        """A small object; None if it does not exist."""
        with self._errors(key):
            try:
                found = self._client.get_object(**self._address(key))
                return ReadObject(found["Body"].read(), found["ETag"])
            except ClientError as error:
                self._require_absent(error)
                return None

    def list(self, folder: str, *, deep: bool = True) -> Iterator[StoredObject]:
        """The objects in a folder, if ``deep`` also in its subfolders; ``folder`` ends with a slash."""
        deeper = {} if deep else {"Delimiter": "/"}
        with self._errors(folder):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=self._prefix + folder, **deeper
            )
            for page in pages:
                for found in page.get("Contents", []):
                    key = found["Key"].removeprefix(self._prefix)
                    modified_s = found["LastModified"].timestamp()
                    yield StoredObject(key, found["Size"], found["ETag"], modified_s=modified_s)

    def folders(self, folder: str) -> Sequence[str]:
        """The names of the subfolders of a folder."""
        prefix = f"{self._prefix}{folder}/"
        with self._errors(folder):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix, Delimiter="/"
            )
            found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
        return [name.removeprefix(prefix).rstrip("/") for name in found]

    def write(self, key: str, content: bytes, metadata: Mapping[str, str] | None = None) -> str:
        """Write a small object; returns its tag."""
        with self._errors(key):
            written = self._client.put_object(**self._address(key), Body=content, **_described(key, metadata))
        return str(written["ETag"])

    def write_new(self, key: str, content: bytes, metadata: Mapping[str, str]) -> bool:
        """Write a small object unless it exists; returns whether this call wrote it.

        A server without conditional writes overwrites it.
        """
        return self._write_if(key, content, metadata, {"IfNoneMatch": "*"})

    def replace(self, key: str, content: bytes, tag: str | None) -> bool:
        """Write a small object if it still has this tag, or still does not exist; returns whether this call wrote it.

        A server without conditional writes overwrites it.
        """
        return self._write_if(key, content, {}, {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag})

    def _write_if(self, key: str, content: bytes, metadata: Mapping[str, str], condition: Mapping[str, str]) -> bool:
        with self._errors(key):
            try:
                self._client.put_object(**self._address(key), Body=content, **condition, **_described(key, metadata))
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "NotImplemented":
                    self.write(key, content, metadata)
                elif code in _CONDITION_FAILED or code in _ABSENT:
                    # The retry of a request that succeeded finds its own object.
                    return (found := self.read(key)) is not None and found[0] == content
                else:
                    raise
        return True

    def upload(self, source: Path, key: str, metadata: Mapping[str, str]) -> str:
        """Upload a file, in parts if it is large; returns the object's tag."""
        if source.stat().st_size <= MULTIPART_BYTES:
            return self.write(key, source.read_bytes(), metadata)
        with self._errors(key), source.open("rb") as stream:
            self._client.upload_fileobj(stream, self.name, self._prefix + key, ExtraArgs=_described(key, metadata))
        uploaded = self.head(key)
        if uploaded is None:
            raise StorageError(f"{self.url(key)} was uploaded and is gone: is another program deleting objects?")
        return uploaded.etag

    def download(self, key: str, target: Path) -> None:
        """Download an object into an existing file, in parts if it is large.

        Raises:
            NoObjectError: There is no such object.
        """
        with self._errors(key), target.open("wb") as stream:
            self._client.download_fileobj(self.name, self._prefix + key, stream, Config=_DOWNLOAD)

    def checksum(self, key: str) -> str:
        """SHA-256 of the content of an object; this reads all of it."""
        digest = hashlib.sha256()
        with self._errors(key):
            for chunk in self._client.get_object(**self._address(key))["Body"].iter_chunks(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def delete(self, keys: Collection[str]) -> None:
        """Delete objects, if they exist."""
        wanted = sorted(keys)
        for first in range(0, len(wanted), _DELETE_AT_ONCE):
            batch = [{"Key": self._prefix + key} for key in wanted[first : first + _DELETE_AT_ONCE]]
            with self._errors(wanted[first]):
                answer = self._client.delete_objects(Bucket=self.name, Delete={"Objects": batch, "Quiet": True})
            for refused in answer.get("Errors", []):
                raise StorageError(f"s3://{self.name}/{refused['Key']} cannot be deleted: {refused['Message']}")

    def _address(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.name, "Key": self._prefix + key}

    def _require_absent(self, error: ClientError) -> None:
        """Raise any error except that the object does not exist in an existing bucket."""
        if error.response["Error"]["Code"] not in _ABSENT:
            raise error
        if error.operation_name == "HeadObject":  # does not say whether the object or the bucket is missing
            self.check()

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Translate the client's errors into ones that a user can act on."""
        place = self.url(key)
        try:
            yield
        except ClientError as error:
            raise self._refused(place, error) from error
        except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
            raise StorageError(
                f"{place}: {error}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            ) from error
        except _NO_ANSWER as error:
            raise UnavailableError(
                f"{place}: no answer: {error}; check the network and the endpoint (AWS_ENDPOINT_URL_S3, AWS_REGION)"
            ) from error
        except (boto.BotoCoreError, ValueError) as error:
            raise ConfigurationError(f"{place}: {error}; correct the address or the AWS_ variables") from error

    def _refused(self, place: str, error: ClientError) -> StorageError:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "NoSuchBucket":
            return StorageError(f"{place}: there is no bucket {self.name} at {self.endpoint}: create it first")
        if status in (401, 403):
            return StorageError(
                f"{place}: access refused by {self.endpoint} ({code}): check the credentials and that they may list, "
                "read, write and delete below this prefix"
            )
        if status >= 500 or code in _BUSY:
            return UnavailableError(f"{place}: {self.endpoint} is busy or broken ({code} {message}): try again later")
        if code in _ABSENT:
            return NoObjectError(f"{place}: there is no such object")
        return StorageError(f"{place}: refused by {self.endpoint}: {code} {message}")


def _client_config(attempts: int) -> Config:
    # boto does not count the first attempt.
    retries: Any = {"mode": "standard", "max_attempts": attempts - 1}
    return Config(connect_timeout=READ_TIMEOUT_S, read_timeout=READ_TIMEOUT_S, retries=retries)


def _give_up_if_silent(*, attempts: int, caught_exception: Exception | None, **_: object) -> None:
    """Raise instead of another attempt: eight waits for a server that never answers take a minute."""
    if isinstance(caught_exception, _SILENT) and attempts >= SILENT_ATTEMPTS:
        raise _NotAnsweredError(error=caught_exception)


def _described(key: str, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """What is stored with an object: our metadata, and the content type for browsers."""
    kind, _ = mimetypes.guess_type(key)
    return {"Metadata": dict(metadata or {}), "ContentType": kind or "application/octet-stream"}


@lru_cache
def bucket_of(url: str) -> Bucket:
    """A bucket and its connections, one for the process; it keeps the credentials of its first use."""
    return Bucket(url)
