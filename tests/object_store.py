"""A real S3 endpoint for the tests: moto's server, spoken to over HTTP."""

import hashlib
import io
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from dagster_aws.s3 import S3Resource
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TIMED = ("manifest.json", "cleanup_report.json")
"""Files that hold running times, by the ends of their names."""


@contextmanager
def serve_s3() -> Iterator[str]:
    """Serve on a free port of this machine; yields the address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, _one_at_a_time(DomainDispatcherApplication(create_backend_app)), threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _one_at_a_time(application: "WSGIApplication") -> "WSGIApplication":
    """Answer a request only when the one before is answered, as the atomic requests of S3 look from outside.

    Without this, moto answers 500 to every tenth of six writers of one object, and can give it a wrong tag: it computes
    the tag from a buffer that another request closes or reads at the same time.
    """
    lock = Lock()

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        # Before the lock: a client that is killed while it sends must not stop the others.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        with lock:
            return list(application({**environ, "wsgi.input": io.BytesIO(body)}, start_response))

    return answer


@cache
def client_of(endpoint: str) -> Any:
    """A client that does not try twice; making one takes longer than a test."""
    return S3Resource(
        endpoint_url=endpoint,
        aws_access_key_id="me",
        aws_secret_access_key="secret",  # noqa: S106 - any will do
        region_name="us-east-1",
        max_attempts=0,
    ).get_client()


class BucketPlace:
    """An empty bucket, and what a process needs in its environment to use it as data root."""

    def __init__(self, endpoint: str, folder: Path, name: str = "") -> None:
        self.endpoint = endpoint
        self.folder = folder
        self.cache = folder / "cache"
        self.name = name or f"test-{uuid.uuid4().hex}"
        self.url = f"s3://{self.name}/tv"
        self.client = client_of(endpoint)

    def __reduce__(self) -> Any:
        return BucketPlace, (self.endpoint, self.folder, self.name)

    def create(self) -> None:
        self.client.create_bucket(Bucket=self.name)

    def environment(self) -> dict[str, str]:
        return {
            "SCREENALYTICS_DATA_ROOT": self.url,
            "SCREENALYTICS_S3_CACHE_DIR": str(self.cache),
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": "me",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def objects(self) -> dict[str, bytes]:
        """Every object below the prefix, by its key there."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix="tv/")
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        return {
            key.removeprefix("tv/"): self.client.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys
        }

    def checksums(self) -> dict[str, str]:
        """SHA-256 of every object but those that hold running times."""
        return {
            key: hashlib.sha256(content).hexdigest()
            for key, content in self.objects().items()
            if not key.endswith(TIMED)
        }

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=f"tv/{key}", Body=content)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=f"tv/{key}")
