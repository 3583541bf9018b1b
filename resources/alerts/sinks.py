"""Where alerts go: always ``alerts.jsonl``, and whatever ``SCREENALYTICS_ALERT_URLS`` names, through Apprise."""

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import apprise

from resources.alerts.outbox import Envelope, Outbox, SinkError
from resources.system.paths import alerts_file, alerts_state_file
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.quality.alert_state import Level

URLS_VARIABLE = "SCREENALYTICS_ALERT_URLS"
UI_URL_VARIABLE = "SCREENALYTICS_UI_URL"
DEFAULT_UI_URL = "http://127.0.0.1:3000"
DELIVERY_S = 30.0
"""A tick waits so long for its sinks; one that hangs goes on in its thread and delays nobody else."""

_KINDS: Mapping[Level, apprise.NotifyType] = {
    "ok": apprise.NotifyType.SUCCESS,
    "warning": apprise.NotifyType.WARNING,
    "failure": apprise.NotifyType.FAILURE,
}


class Sink(Protocol):
    """Somewhere a message can go.

    Attributes:
        name: What the outbox knows it by; the same after a restart.
        label: What people know it by; without secrets.
    """

    name: str
    label: str

    def send(self, envelope: Envelope) -> None:
        """Hand a message over.

        Raises:
            SinkError: It was not taken.
        """


class JsonLinesSink:
    """A file with one JSON object a line."""

    name = "jsonl"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.label = path.name

    def send(self, envelope: Envelope) -> None:
        """Append one line, flushed to the disk."""
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
                if _ends_within_a_line(self._path):
                    file.write(b"\n")
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SinkError(f"{self._path}: {error.strerror}") from error


def _ends_within_a_line(path: Path) -> bool:
    """Whether a crash left the beginning of a line behind."""
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


class AppriseSink:
    """A service that Apprise knows, by its URL.

    Raises:
        ConfigurationError: Apprise does not know what the URL means. The message does not show it: it may hold a
            password.
    """

    def __init__(self, url: str, position: int) -> None:
        # The name must not give the URL away, which may hold a password.
        self.name = f"apprise-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
        client = apprise.Apprise()
        if not client.add(url):
            raise ConfigurationError(
                f"{URLS_VARIABLE}: entry {position} is no URL that Apprise knows; expected for example "
                "json://host/path, mailto://user:password@host, slack://…; see https://appriseit.com"
            )
        self._client = client
        plain = str(client[0].url(privacy=True))  # type: ignore[no-untyped-call]
        self.label = f"{position}: {plain.partition('?')[0]}"

    def send(self, envelope: Envelope) -> None:
        """Send title and body; the key stands in the last line, should the message arrive twice."""
        message = envelope.message
        taken = self._client.notify(
            title=message.title,
            body=f"{message.body}\nalert {envelope.key}",
            notify_type=_KINDS[message.level],
            body_format=apprise.NotifyFormat.TEXT,
        )
        if not taken:
            raise SinkError("not taken; the reason is in the log of the code server")


def configured_sinks(environment: Mapping[str, str]) -> tuple[list[Sink], list[str]]:
    """The sinks of an environment, and what is wrong with those that cannot be used.

    One that is misspelt takes no other away.
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
    """Where the UI is for those who read the alerts, without a slash at its end."""
    return (environment.get(UI_URL_VARIABLE) or DEFAULT_UI_URL).rstrip("/")


def open_outbox(sinks: list[Sink]) -> Outbox:
    """The outbox of this instance, which keeps messages for these sinks from now on."""
    outbox = Outbox(alerts_state_file())
    for sink in sinks:
        outbox.know_sink(sink.name, from_the_start=isinstance(sink, JsonLinesSink))
    return outbox


def deliver_all(outbox: Outbox, sinks: list[Sink]) -> list[str]:
    """Offer every sink what it has not taken yet, all at the same time; returns a sentence for each with news."""
    if not any(outbox.waiting(sink.name) for sink in sinks):
        return []
    pool = ThreadPoolExecutor(len(sinks), thread_name_prefix="alerts")
    futures = {pool.submit(outbox.deliver, sink.name, sink.send): sink for sink in sinks}
    done, hanging = wait(futures, timeout=DELIVERY_S)
    pool.shutdown(wait=False)
    told = [f"{futures[future].label}: still sending" for future in hanging]
    for future in done:
        sink = futures[future]
        taken, refusal = future.result()
        waiting = outbox.waiting(sink.name)
        if taken:
            told.append(f"{sink.label}: {taken} sent")
        if waiting:
            told.append(f"{sink.label}: {waiting} waiting ({refusal})")
    return told
