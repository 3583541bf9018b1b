"""The sinks of alerts: the file ``alerts.jsonl``, and the services of ``SCREENALYTICS_ALERT_URLS`` through Apprise."""

import json
import logging
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

import apprise

from resources.alerts.outbox import SILENCE_S, Envelope, Outbox, SilentSinkError, SinkError
from resources.system.paths import alerts_file, alerts_state_file
from screenalytics_assets.core.common.digests import sha256_of
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.quality.alert_state import Level

URLS_VARIABLE = "SCREENALYTICS_ALERT_URLS"
UI_URL_VARIABLE = "SCREENALYTICS_UI_URL"
DEFAULT_UI_URL = "http://127.0.0.1:3000"
DELIVERY_S = 30.0
"""Limit for one round of deliveries; a sink that takes longer finishes in its thread and delays no other."""

ANSWER_S = 20.0
"""How long a service may take to answer. Less than a round of deliveries may."""
_LAST_LINE_BYTES = 1_000_000
"""More than the longest line; read to find out whether a crash came between writing a line and noting that."""

# At DEBUG, both write addresses with tokens and passwords into the log.
for _name in ("apprise", "urllib3"):
    logging.getLogger(_name).setLevel(logging.INFO)

_WITH_HOST = frozenset({"http", "https", "json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos"})

_KINDS: Mapping[Level, apprise.NotifyType] = {
    "ok": apprise.NotifyType.SUCCESS,
    "warning": apprise.NotifyType.WARNING,
    "failure": apprise.NotifyType.FAILURE,
}


class Sink(Protocol):
    """A receiver of messages.

    Attributes:
        name: Its name in the outbox; the same after a restart.
        label: Its name for people, without secrets.
    """

    name: str
    label: str

    def send(self, envelope: Envelope) -> None:
        """Send a message.

        Raises:
            SinkError: It was not accepted.
        """


class JsonLinesSink:
    """A file with one JSON object per line."""

    name = "jsonl"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.label = path.name

    def send(self, envelope: Envelope) -> None:
        """Append one line and flush it to the disk."""
        message = envelope.message
        line = {
            "key": envelope.key,
            "at": datetime.fromtimestamp(envelope.at, UTC).isoformat(timespec="seconds"),
            "level": message.level,
            "title": message.title,
            "body": message.body,
            **message.document,
        }
        text = json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as file:
                last = _last_line(file)
                if last == text.encode():
                    return
                if last and not last.endswith(b"\n"):
                    file.write(b"\n")
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SinkError(f"{self._path}: {error.strerror}") from error


def _last_line(file: BinaryIO) -> bytes:
    """The last line; without its end if a crash cut it off."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LAST_LINE_BYTES))
    lines = file.read().splitlines(keepends=True)
    return lines[-1] if lines else b""


def without_secrets(url: str) -> str:
    """The service and, for a web service, its host: user, password, path and query of a URL may be secrets.

    In ``slack://TOKEN/…`` and most other services, the place of the host holds a token too.
    """
    parts = urlsplit(url)
    try:
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:  # not a port
        host = None
    return f"{parts.scheme}://{host}" if parts.scheme in _WITH_HOST and host else f"{parts.scheme}://…"


class AppriseSink:
    """A service that Apprise supports, by its URL.

    Raises:
        ConfigurationError: Apprise does not support the URL. The message does not show it: it may contain a
            password.
    """

    def __init__(self, url: str, position: int) -> None:
        # A hash, because the URL may contain a password.
        self.name = f"apprise-{sha256_of(url.encode())[:16]}"
        client = apprise.Apprise()
        if not client.add(url):
            raise ConfigurationError(
                f"{URLS_VARIABLE}: entry {position} is not a URL that Apprise supports; expected for example "
                "json://host/path, mailto://user:password@host, slack://…; see https://appriseit.com"
            )
        self._client = client
        for service in client:
            # An answer from elsewhere says nothing about the message, which must not be sent elsewhere either.
            service.redirects = False
            service.socket_read_timeout = ANSWER_S
        self.label = f"{position}: {without_secrets(url)}"

    def send(self, envelope: Envelope) -> None:
        """Send title and body; the key in the last line identifies a message that arrives twice."""
        message, started = envelope.message, time.monotonic()
        accepted = self._client.notify(
            title=message.title,
            body=f"{message.body}\nalert {envelope.key}",
            notify_type=_KINDS[message.level],
            body_format=apprise.NotifyFormat.TEXT,
        )
        if not accepted and time.monotonic() - started >= ANSWER_S:
            raise SilentSinkError(f"no answer within {ANSWER_S:.0f} s; tried again after {SILENCE_S / 60:.0f} min")
        if not accepted:
            raise SinkError("not accepted; the reason is in the log of the code server")


def configured_sinks(environment: Mapping[str, str]) -> tuple[list[Sink], list[str]]:
    """The sinks of an environment, and a message for each one that cannot be used.

    A misspelt URL does not disable the others.
    """
    sinks: list[Sink] = [JsonLinesSink(alerts_file())]
    problems = []
    for position, url in enumerate(environment.get(URLS_VARIABLE, "").split(), start=1):
        try:
            sinks.append(AppriseSink(url, position))
        except ConfigurationError as error:
            problems.append(str(error))
    return sinks, problems


def ui_url(environment: Mapping[str, str]) -> str:
    """Address of the UI for the readers of alerts, without a trailing slash."""
    return (environment.get(UI_URL_VARIABLE) or DEFAULT_UI_URL).rstrip("/")


def open_outbox(sinks: list[Sink]) -> Outbox:
    """The outbox of this instance, which stores messages for these sinks."""
    return Outbox(alerts_state_file(), [sink.name for sink in sinks])


def deliver_all(outbox: Outbox, sinks: list[Sink]) -> list[str]:
    """Deliver to all sinks at the same time; returns a sentence for each sink with sent or waiting messages."""
    if not any(outbox.waiting(sink.name) for sink in sinks):
        return []
    pool = ThreadPoolExecutor(len(sinks), thread_name_prefix="alerts")
    futures = {pool.submit(outbox.deliver, sink.name, sink.send): sink for sink in sinks}
    done, hanging = wait(futures, timeout=DELIVERY_S)
    pool.shutdown(wait=False)
    sentences = [f"{futures[future].label}: still sending" for future in hanging]
    for future in done:
        sink = futures[future]
        accepted, reason = future.result()
        waiting = outbox.waiting(sink.name)
        if accepted:
            sentences.append(f"{sink.label}: {accepted} sent")
        if waiting:
            sentences.append(f"{sink.label}: {waiting} waiting ({reason or 'left alone, because it did not answer'})")
    return sentences
