"""Waits for a server that accepts connections and never answers, or falls silent later."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from psycopg.conninfo import make_conninfo

from resources.alerts import sinks
from resources.database import limited_connection as database
from resources.database.connection import DatabaseConnection
from resources.database.embedded_postgres import EmbeddedPostgres
from resources.database.limited_connection import LimitedConnection
from resources.database.vector_database import VectorDatabase
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


class FallsSilent:
    """A proxy in front of a server. On request it drops the server's answers from some statement on."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: list[socket.socket] = [self._listener]
        self.silent_after: bytes | None = None
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._open += [client, server]
                threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, is_question: bool) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                if is_question and self.silent_after is not None and self.silent_after in content:
                    self.silent_after = b""
                if self.silent_after != b"":
                    target.sendall(content)

    def close(self) -> None:
        for end in self._open:
            end.close()


@pytest.fixture
def proxy(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[FallsSilent]:
    monkeypatch.setattr(database, "SILENCE_S", 0.3)
    proxy = FallsSilent(str(next((server.folder / "postgres").glob(".s.PGSQL.*[0-9]"))))
    yield proxy
    proxy.close()


def through(proxy: FallsSilent, server: EmbeddedPostgres) -> str:
    return make_conninfo(server.conninfo, host="127.0.0.1", port=proxy.port)


SILENT = r"SCREENALYTICS_DATABASE_URL does not answer: it accepted the connection, then no answer .* for 0\.3 s"


def test_a_database_that_falls_silent_after_the_login_is_given_up(proxy: FallsSilent, server: EmbeddedPostgres) -> None:
    proxy.silent_after = b"pg_advisory_xact_lock"
    with pytest.raises(DatabaseAwayError, match=SILENT):
        VectorDatabase(through(proxy, server))


@pytest.mark.parametrize("statement", ["delete from screenalytics.episode", "copy screenalytics.track", "commit"])
def test_a_database_that_falls_silent_in_a_transaction_is_given_up(
    statement: str, proxy: FallsSilent, server: EmbeddedPostgres
) -> None:
    with VectorDatabase(through(proxy, server)) as opened:
        proxy.silent_after = statement.encode()
        with pytest.raises(DatabaseAwayError, match=SILENT):
            opened.replace_episode(
                "show-s01e01",
                show="show",
                content_digest="a",
                model_digest="b" * 64,
                tracks=pa.Table.from_pylist(
                    [{"track_id": "t", "identity_id": None, "start_s": 0.0, "end_s": 1.0, "detection_id": "d"}]
                ),
                vectors=np.full((1, 512), 512**-0.5, np.float32),
            )


def test_connections_that_fell_silent_while_they_were_not_used_are_given_up(
    proxy: FallsSilent, server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CONNECT_TIMEOUT_S", 2)
    with VectorDatabase(through(proxy, server)) as opened:
        opened.stored_episodes()
        proxy.silent_after = b""
        with pytest.raises(DatabaseAwayError, match="does not answer"):
            opened.stored_episodes()


def test_an_embedded_server_that_is_halted_is_given_up(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SILENCE_S", 0.3)
    with LimitedConnection.connect(server.conninfo) as connection:
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        try:
            with pytest.raises(psycopg.OperationalError, match=r"no answer to a statement came for 0\.3 s"):
                connection.execute("select 1")
        finally:
            os.kill(backend, signal.SIGCONT)


def set_bucket_at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


def test_a_silent_bucket_is_given_up(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "READ_TIMEOUT_S", 0.2)
    set_bucket_at(silent_port, monkeypatch)
    with pytest.raises(UnavailableError, match=r"s3://shows/: no answer"):
        Bucket("s3://shows", attempts=1).check()


@pytest.mark.parametrize("is_silent_at_once", [False, True])
def test_a_bucket_that_falls_silent_during_a_download_is_given_up(
    is_silent_at_once: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The head says 100 bytes; the download sends some of them, or nothing, and keeps the connection open."""
    asked: list[str] = []
    ended = threading.Event()

    class Halting(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.send_header("ETag", '"a"')
            self.end_headers()

        def do_GET(self) -> None:
            asked.append(self.path)
            if not is_silent_at_once:
                self.do_HEAD()
                self.wfile.write(b"some")
            ended.wait()

        def log_message(self, format: str, *args: object) -> None:
            """Tests are silent."""

    monkeypatch.setattr(bucket, "READ_TIMEOUT_S", 0.2)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Halting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    set_bucket_at(server.server_address[1], monkeypatch)
    try:
        with pytest.raises(UnavailableError, match=r"s3://shows/video: no answer"):
            Bucket("s3://shows").download("video", tmp_path / "video")
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
    assert len(asked) == (bucket.SILENT_ATTEMPTS if is_silent_at_once else bucket.DOWNLOAD_ATTEMPTS)


def test_the_longest_waits_end_within_half_a_minute() -> None:
    assert database.CONNECT_TIMEOUT_S <= 30
    assert database.ANSWER_TIMEOUT_S < database.SILENCE_S <= 30
    pause_s = 2 * (bucket.SILENT_ATTEMPTS - 1)
    silent_s = bucket.SILENT_ATTEMPTS * bucket.READ_TIMEOUT_S + pause_s
    assert (bucket.DOWNLOAD_ATTEMPTS - 1) * bucket.READ_TIMEOUT_S + silent_s <= 30
    assert sinks.ANSWER_S <= 30
