"""A local web service that records what it receives."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """The received messages in order; ``status`` is the HTTP status of the answers, ``location`` where they lead."""

    def __init__(self) -> None:
        self.arrived: list[dict[str, Any]] = []
        self.status = 200
        self.location = ""
        self.requests = 0

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.arrived]

    def wait_for(self, count: int, timeout_s: float) -> None:
        """Wait for a number of messages."""
        deadline = time.monotonic() + timeout_s
        while len(self.arrived) < count:
            assert time.monotonic() < deadline, f"{len(self.arrived)} of {count} messages arrived: {self.titles}"
            time.sleep(0.1)


@contextmanager
def listening(webhook: Webhook, port: int = 0) -> Iterator[int]:
    """Serve the webhook; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            webhook.requests += 1
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if webhook.status in (200, 204):
                webhook.arrived.append(content)
            self.send_response(webhook.status)
            if webhook.location:
                self.send_header("Location", webhook.location)
            self.end_headers()

        def do_GET(self) -> None:
            webhook.requests += 1
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Tests are silent."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
