import json
import logging
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from resources.alerts.outbox import SILENCE_S, Envelope, Outbox, SilentSinkError, SinkError
from resources.alerts.sinks import AppriseSink, JsonLinesSink, configured_sinks, deliver_all, ui_url, without_secrets
from screenalytics_assets.core.common.errors import ConfigurationError, StorageError
from screenalytics_assets.core.quality.alert_state import AlertEvent, Level, Message, StateChange, message_of_run
from tests.webhook import Webhook, listening

EP = "show-s01e01"


def event(level: Level, at: float, *, state: str = "70", subject: str = "track_metrics/clusters") -> AlertEvent:
    return AlertEvent(
        EP, subject, level, f"clusters is {state}", state, at, value=70.0, advice="do this", docs="docs#x"
    )


def compose(changes: Sequence[StateChange]) -> Message:
    return message_of_run(changes, run_id="0123456789", run_link="http://ui/runs/0123456789")


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "alerts.sqlite", ["here", "there"])


class Clock:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.now_s = time.time()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", lambda: clock.now_s)
    return clock


class Recorder:
    """A sink that can be down, or refuse some messages."""

    def __init__(self, *, down: bool = False, never: Sequence[str] = ()) -> None:
        self.keys: list[str] = []
        self.down, self.never = down, never
        self.offered = 0

    def send(self, envelope: Envelope) -> None:
        self.offered += 1
        if self.down or envelope.key in self.never:
            raise SinkError("down")
        self.keys.append(envelope.key)


def report(outbox: Outbox, run: int, *events: AlertEvent) -> Message | None:
    return outbox.report(f"run:{run}", events, compose)


def test_a_breach_is_reported_once_and_again_only_when_it_changes(outbox: Outbox) -> None:
    assert report(outbox, 1, event("warning", 1)) is not None
    assert report(outbox, 2, event("warning", 2)) is None
    changed = report(outbox, 3, event("warning", 3, state="80"))
    assert changed is not None
    assert "changed, clusters is 80" in changed.body
    assert report(outbox, 4, event("failure", 4, state="80")) is not None


def test_a_recovery_is_reported_once(outbox: Outbox) -> None:
    assert report(outbox, 1, event("ok", 1)) is None
    report(outbox, 2, event("warning", 2))
    over = report(outbox, 3, event("ok", 3, state="20"))
    assert over is not None
    assert over.level == "ok"
    assert over.title == f"{EP}: 1 back in range"
    assert "OK track_metrics/clusters: back in range, clusters is 20" in over.body
    assert report(outbox, 4, event("ok", 4)) is None
    assert report(outbox, 5, event("warning", 5)) is not None


def test_a_run_that_is_read_twice_is_reported_once(outbox: Outbox) -> None:
    report(outbox, 1, event("warning", 2))
    assert report(outbox, 1, event("warning", 2)) is None
    # An earlier run, read again after a crash, must not override a later one.
    assert report(outbox, 0, event("ok", 1)) is None
    assert report(outbox, 2, event("warning", 3)) is None


def test_a_run_is_one_message_with_the_worst_first_and_advice_and_links(outbox: Outbox) -> None:
    message = report(outbox, 1, event("warning", 1), event("failure", 1, subject="step faces"))
    assert message is not None
    assert (message.title, message.level) == (f"{EP}: 1 failed, 1 warned", "failure")
    assert message.body.splitlines() == [
        "FAIL step faces: clusters is 70",
        "  do: do this (docs#x)",
        "WARN track_metrics/clusters: clusters is 70",
        "  do: do this (docs#x)",
        "Run: http://ui/runs/0123456789",
    ]
    assert [entry["subject"] for entry in message.document["findings"]] == ["step faces", "track_metrics/clusters"]


def test_an_error_while_a_message_is_composed_leaves_the_breach_unreported(outbox: Outbox) -> None:
    def broken(changes: Sequence[StateChange]) -> Message:
        raise ValueError(str(changes))

    with pytest.raises(ValueError, match="clusters"):
        outbox.report("run:1", [event("warning", 1)], broken)
    assert report(outbox, 1, event("warning", 1)) is not None


def write(outbox: Outbox, *keys: str) -> None:
    for key in keys:
        assert outbox.write(key, Message(key, "", "warning", {}))


def test_a_key_is_stored_once(outbox: Outbox) -> None:
    write(outbox, "a")
    assert not outbox.write("a", Message("other", "", "failure", {}))


def test_a_sink_that_is_down_delays_its_own_messages_only_and_loses_none(outbox: Outbox) -> None:
    here, there = Recorder(), Recorder(down=True)
    write(outbox, "a", "b", "c")
    assert outbox.deliver("here", here.send) == (3, None)
    assert outbox.deliver("there", there.send) == (0, "down")
    assert there.offered == 3
    assert (here.keys, outbox.waiting("here"), outbox.waiting("there")) == (["a", "b", "c"], 0, 3)
    there.down = False
    write(outbox, "d")
    assert outbox.deliver("there", there.send) == (4, None)
    assert there.keys == ["a", "b", "c", "d"]
    assert outbox.deliver("there", there.send) == (0, None)
    assert outbox.deliver("here", here.send) == (1, None)


def test_messages_that_a_sink_always_refuses_do_not_hold_up_those_behind_them(outbox: Outbox) -> None:
    picky = Recorder(never=["a", "c"])
    write(outbox, "a", "b", "c", "d")
    outbox.deliver("here", picky.send)
    assert picky.keys == ["b", "d"]
    assert outbox.waiting("here") == 2


def test_refused_messages_never_block_the_newest_and_are_dropped_with_a_report_after_a_day(
    outbox: Outbox, clock: Clock
) -> None:
    picky = Recorder(never=["a", "b", "c"])
    write(outbox, "a", "b", "c")
    outbox.deliver("here", picky.send)
    assert (picky.keys, picky.offered) == ([], 3)
    newer = [str(number) for number in range(10, 34)]
    for key in newer:
        assert outbox.waiting("here") == 3
        write(outbox, key)
        outbox.deliver("here", picky.send)
        assert picky.keys[-1] == key
        outbox.deliver("here", picky.send)
        clock.now_s += 3600
    for _ in range(3):  # the reports about the dropped messages
        outbox.deliver("here", picky.send)
    assert outbox.waiting("here") == 0
    assert [key for key in picky.keys if len(key) == 2] == newer
    assert {key for key in picky.keys if len(key) > 2} == {"dropped:here:a", "dropped:here:b", "dropped:here:c"}
    there = Recorder()
    outbox.deliver("there", there.send)
    assert set(there.keys) == {"a", "b", "c", *picky.keys}


def test_a_busy_service_that_refuses_the_first_requests_of_each_tick_loses_nothing(
    outbox: Outbox, clock: Clock
) -> None:
    sent: list[str] = []

    def busy(envelope: Envelope) -> None:
        offered.append(envelope.key)
        if len(offered) <= 2:
            raise SinkError("503")
        sent.append(envelope.key)

    write(outbox, "a", "b", "c")
    for number in range(20):  # ten minutes
        offered: list[str] = []
        write(outbox, f"new {number}")
        outbox.deliver("here", busy)
        clock.now_s += 30
    outbox.deliver("here", Recorder().send)
    assert outbox.waiting("here") == 0
    with closing(sqlite3.connect(outbox._path)) as connection:
        assert connection.execute("select count(*) from outbox where dropped_at is not null").fetchone() == (0,)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_null_in_the_document(value: float, outbox: Outbox, tmp_path: Path) -> None:
    outbox.write("a", Message("a", "body", "warning", {"findings": [{"value": value}]}))
    assert outbox.deliver("here", JsonLinesSink(tmp_path / "alerts.jsonl").send) == (1, None)
    assert json.loads((tmp_path / "alerts.jsonl").read_text())["findings"] == [{"value": None}]


def test_whatever_a_sink_raises_for_a_message_holds_up_no_other(outbox: Outbox) -> None:
    sent: list[str] = []

    def broken(envelope: Envelope) -> None:
        if envelope.key == "a":
            raise KeyError("of a library")
        sent.append(envelope.key)

    write(outbox, "a", "b")
    assert outbox.deliver("here", broken) == (1, "'of a library'")
    assert sent == ["b"]
    assert outbox.waiting("here") == 1


def test_a_sink_that_goes_down_after_one_refusal_loses_nothing(outbox: Outbox) -> None:
    sink = Recorder(never=["a"])
    write(outbox, "a", "b")
    outbox.deliver("here", sink.send)
    sink.down, sink.never = True, ()
    for _ in range(10):
        outbox.deliver("here", sink.send)
    sink.down = False
    outbox.deliver("here", sink.send)
    assert sink.keys == ["b", "a"]


def test_a_sink_that_does_not_answer_is_left_alone_for_a_while(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    write(outbox, "a", "b")
    offered: list[str] = []

    def silent(envelope: Envelope) -> None:
        offered.append(envelope.key)
        raise SilentSinkError("no answer")

    for _ in range(3):
        outbox.deliver("here", silent)
    assert offered == ["a"]
    later = time.time() + SILENCE_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    here = Recorder()
    assert outbox.deliver("here", here.send) == (2, None)


def test_unsent_messages_survive_a_restart(outbox: Outbox, tmp_path: Path) -> None:
    write(outbox, "a")
    outbox.deliver("there", Recorder(down=True).send)
    again, there = Outbox(tmp_path / "alerts.sqlite", ["there"]), Recorder()
    assert again.deliver("there", there.send) == (1, None)
    assert there.keys == ["a"]


def test_a_new_sink_gets_what_is_written_from_then_on(outbox: Outbox, tmp_path: Path) -> None:
    write(outbox, "a")
    write(Outbox(tmp_path / "alerts.sqlite", ["here", "there", "new"]), "b")
    new, there = Recorder(), Recorder()
    outbox.deliver("new", new.send)
    outbox.deliver("there", there.send)
    assert (new.keys, there.keys) == (["b"], ["a", "b"])


def test_a_sink_that_was_not_configured_for_a_while_gets_what_it_missed(outbox: Outbox, tmp_path: Path) -> None:
    write(outbox, "a")
    write(Outbox(tmp_path / "alerts.sqlite", ["here"]), "b")
    there = Recorder()
    assert outbox.deliver("there", there.send) == (2, None)
    assert there.keys == ["a", "b"]


def test_a_sink_that_had_nothing_to_get_yet_also_gets_what_it_missed(outbox: Outbox, tmp_path: Path) -> None:
    write(Outbox(tmp_path / "alerts.sqlite", ["here"]), "a")
    there = Recorder()
    outbox.deliver("there", there.send)
    assert there.keys == ["a"]


def test_nothing_is_sent_while_the_disk_is_full_so_that_no_message_arrives_at_every_tick(outbox: Outbox) -> None:
    write(outbox, "a")
    here = Recorder()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError):
                outbox.deliver("here", here.send)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert here.keys == []
    assert outbox.deliver("here", here.send) == (1, None)


def test_two_at_once_do_not_send_the_same_message_twice(outbox: Outbox) -> None:
    write(outbox, "a")
    started, go_on = threading.Event(), threading.Event()
    sent: list[str] = []

    def slow(envelope: Envelope) -> None:
        started.set()
        assert go_on.wait(10)
        sent.append(envelope.key)

    thread = threading.Thread(target=outbox.deliver, args=("here", slow))
    thread.start()
    assert started.wait(10)
    assert outbox.deliver("here", slow) == (0, "another process is sending")
    go_on.set()
    thread.join()
    assert sent == ["a"]


_SEND_FOREVER = """
import sys, time
from pathlib import Path
from resources.alerts.outbox import Outbox

def send(envelope):
    if envelope.key == "b":
        print("sending", flush=True)
        time.sleep(600)

Outbox(Path(sys.argv[1]), []).deliver("here", send)
"""


def test_a_process_killed_while_sending_loses_nothing_repeats_nothing_sent_and_blocks_no_other(
    outbox: Outbox, tmp_path: Path
) -> None:
    write(outbox, "a", "b", "c")
    arguments = [sys.executable, "-c", _SEND_FOREVER, str(tmp_path / "alerts.sqlite")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        assert sender.stdout.readline() == "sending\n"
        here = Recorder()
        assert outbox.deliver("here", here.send) == (0, "another process is sending")
        sender.kill()
    assert outbox.deliver("here", here.send) == (2, None)
    assert here.keys == ["b", "c"]


def test_the_file_of_an_earlier_version_is_taken_over_with_what_was_sent_and_what_was_reported(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(EARLIER_VERSION)
    for _ in range(2):  # a file that was taken over is opened like any other
        outbox, here, there = Outbox(path, ["here", "there"]), Recorder(down=True), Recorder(down=True)
        outbox.deliver("here", here.send)
        outbox.deliver("there", there.send)
        assert (outbox.waiting("here"), outbox.waiting("there")) == (1, 1)
    here.down = there.down = False
    outbox.deliver("here", here.send)
    outbox.deliver("there", there.send)
    assert (here.keys, there.keys) == (["b"], ["b"])
    assert not outbox.write("a", Message("a", "", "warning", {}))
    assert report(outbox, 1, event("warning", 9)) is None
    assert report(outbox, 2, event("ok", 10)) is not None


def test_the_file_of_a_newer_version_is_refused_and_left_as_it_is(outbox: Outbox, tmp_path: Path) -> None:
    write(outbox, "a")
    path = tmp_path / "alerts.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"alerts\.sqlite: a newer version of screenalytics made it"):
        Outbox(path, ["here", "new"])
    assert path.read_bytes() == before


EARLIER_VERSION = """
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE NOT NULL, at REAL NOT NULL,
    title TEXT NOT NULL, body TEXT NOT NULL, level TEXT NOT NULL, document TEXT NOT NULL
);
CREATE TABLE standing (
    ep_id TEXT NOT NULL, subject TEXT NOT NULL, level TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (ep_id, subject)
);
CREATE TABLE sinks (name TEXT PRIMARY KEY, after_id INTEGER NOT NULL, busy_until REAL NOT NULL DEFAULT 0);
CREATE TABLE delivered (
    sink TEXT NOT NULL, message INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (sink, message)
);
CREATE VIEW waiting AS
    SELECT sinks.name AS sink, messages.* FROM messages JOIN sinks ON messages.id > sinks.after_id
    WHERE NOT EXISTS (SELECT 1 FROM delivered WHERE sink = sinks.name AND message = messages.id);
INSERT INTO messages VALUES (1, 'a', 1.0, 'a', '', 'warning', '{}'), (2, 'b', 2.0, 'b', '', 'warning', '{}');
INSERT INTO sinks VALUES ('here', 0, 0), ('there', 1, 99999999999);
INSERT INTO delivered VALUES ('here', 1, 1.5);
INSERT INTO standing VALUES ('show-s01e01', 'track_metrics/clusters', 'warning', '70', 5.0);
"""
"""Two messages: the first sent to one sink and older than the other; the second sent to none."""


def envelope(key: str) -> Envelope:
    return Envelope(key, 0.0, Message("title", "body é", "failure", {"run_id": "r"}))


def test_alerts_jsonl_has_one_object_a_line(tmp_path: Path) -> None:
    path = tmp_path / "data" / "alerts.jsonl"
    sink = JsonLinesSink(path)
    sink.send(envelope("a"))
    sink.send(envelope("b"))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["key"] for line in lines] == ["a", "b"]
    assert lines[0] == {
        "key": "a",
        "at": "1970-01-01T00:00:00+00:00",
        "level": "failure",
        "title": "title",
        "body": "body é",
        "run_id": "r",
    }


def test_a_line_that_was_written_before_a_crash_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    for key in ("a", "b", "b"):
        JsonLinesSink(path).send(envelope(key))
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["a", "b"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 403, 500])
def test_only_an_answer_of_the_service_itself_counts_as_delivery(status: int) -> None:
    webhook, elsewhere = Webhook(), Webhook()
    with listening(webhook) as port, listening(elsewhere) as other:
        sink = AppriseSink(f"json://127.0.0.1:{port}/hook", 1)
        webhook.status, webhook.location = status, f"http://127.0.0.1:{other}/"
        with pytest.raises(SinkError, match="not accepted"):
            sink.send(envelope("a"))
        assert elsewhere.requests == 0
        webhook.status = 204
        sink.send(envelope("a"))
    assert webhook.titles == ["title"]


def test_a_url_cannot_allow_redirects() -> None:
    webhook, elsewhere = Webhook(), Webhook()
    with listening(webhook) as port, listening(elsewhere) as other:
        webhook.status, webhook.location = 307, f"http://127.0.0.1:{other}/"
        with pytest.raises(SinkError):
            AppriseSink(f"json://127.0.0.1:{port}/hook?redirect=yes", 1).send(envelope("a"))
        assert elsewhere.requests == 0


def test_no_log_holds_the_token_of_a_webhook(caplog: pytest.LogCaptureFixture) -> None:
    webhook = Webhook()
    caplog.set_level(logging.DEBUG)
    with listening(webhook) as port:
        sink = AppriseSink(f"json://user:secretword@127.0.0.1:{port}/secretword?token=secretword", 1)
        sink.send(envelope("a"))
        webhook.status = 500
        with pytest.raises(SinkError) as refused:
            sink.send(envelope("b"))
    assert webhook.titles == ["title"]
    assert "secretword" not in caplog.text + sink.label + str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("jsons://user:pw@host.example:8443/token?key=token", "jsons://host.example:8443"),
        ("https://hooks.slack.com/services/T1/B2/token", "https://hooks.slack.com"),
        ("slack://token-a/token-b/token-c", "slack://…"),
        ("tgram://bot:token/chat", "tgram://…"),
        ("mailto://user:pw@gmail.com", "mailto://gmail.com"),
        ("json://host:token/x", "json://…"),
        ("nonsense", "://…"),
    ],
)
def test_only_service_and_host_of_a_url_are_shown(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


def test_half_a_line_left_by_a_crash_does_not_damage_the_next(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_text('{"key": "to')
    JsonLinesSink(path).send(envelope("b"))
    assert json.loads(path.read_text().splitlines()[1])["key"] == "b"


def test_a_file_that_cannot_be_written_is_a_sink_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError):
        JsonLinesSink(tmp_path / "file" / "alerts.jsonl").send(envelope("a"))


def test_a_url_that_apprise_does_not_support_disables_no_other_and_is_not_shown() -> None:
    sinks, problems = configured_sinks(
        {"SCREENALYTICS_ALERT_URLS": "json://one.example/x  nonsense://user:secret@host\njson://two.example"}
    )
    assert [sink.label for sink in sinks] == ["alerts.jsonl", "1: json://one.example", "3: json://two.example"]
    assert len(problems) == 1
    assert "entry 2" in problems[0]
    assert "secret" not in problems[0]
    with pytest.raises(ConfigurationError):
        AppriseSink("nonsense://x", 1)


def test_names_and_labels_of_a_url_contain_no_password() -> None:
    sink = AppriseSink("jsons://user:secretword@host.example/x?token=secretword", 1)
    assert "secretword" not in sink.name + sink.label
    assert sink.name == AppriseSink("jsons://user:secretword@host.example/x?token=secretword", 2).name


def test_links_use_the_public_address_of_the_ui() -> None:
    assert ui_url({"SCREENALYTICS_UI_URL": "https://dagster.example/"}) == "https://dagster.example"
    assert ui_url({}) == "http://127.0.0.1:3000"


class Named(Recorder):
    def __init__(self, name: str, *, down: bool = False) -> None:
        super().__init__(down=down)
        self.name = self.label = name


def test_a_round_reports_what_was_sent_and_what_waits_and_nothing_if_there_are_no_messages(outbox: Outbox) -> None:
    here, there = Named("here"), Named("there", down=True)
    assert deliver_all(outbox, [here, there]) == []
    write(outbox, "a")
    assert sorted(deliver_all(outbox, [here, there])) == ["here: 1 sent", "there: 1 waiting (down)"]
