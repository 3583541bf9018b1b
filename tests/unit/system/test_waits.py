"""Waits for a server that accepts connections and never answers."""

import socket
from collections.abc import Iterator

import pytest

from resources.database import connection as database
from resources.database.connection import DatabaseConnection
from resources.storage import bucket
from resources.storage.bucket import Bucket
from screenalytics_assets.core.common.errors import DatabaseAwayError, UnavailableError


@pytest.fixture
def silent_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def test_a_silent_database_is_given_up(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CONNECT_TIMEOUT_S", 2)  # the least that libpq takes
    with pytest.raises(DatabaseAwayError, match="does not answer"):
        DatabaseConnection(f"postgresql://me:secret@127.0.0.1:{silent_port}/db")


def test_a_silent_bucket_is_given_up(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "READ_TIMEOUT_S", 0.2)
    for name, value in {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{silent_port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnavailableError, match=r"s3://shows/: no answer"):
        Bucket("s3://shows", attempts=1).check()


def test_the_longest_waits_end_within_half_a_minute() -> None:
    assert database.CONNECT_TIMEOUT_S <= 30
    assert database.ANSWER_TIMEOUT_S <= 30
    assert bucket.SILENT_ATTEMPTS * bucket.READ_TIMEOUT_S <= 30
