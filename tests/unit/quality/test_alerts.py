import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from resources.alerts.outbox import BUSY_S, Envelope, Outbox, SinkError
from resources.alerts.sinks import AppriseSink, JsonLinesSink, configured_sinks, deliver_all, ui_url
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.quality.alert_state import AlertEvent, Level, Message, StateChange, message_of_run

EP = "show-s01e01"


def finding(level: Level, at: float, *, state: str = "70", subject: str = "track_metrics/clusters") -> AlertEvent:
    return AlertEvent(
        EP, subject, level, f"clusters is {state}", state, at, value=70.0, advice="do this", docs="docs#x"
    )


def compose(news: Sequence[StateChange]) -> Message:
    return message_of_run(news, run_id="0123456789", run_link="http://ui/runs/0123456789")


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    outbox = Outbox(tmp_path / "alerts.sqlite")
    for sink in ("here", "there"):
        outbox.know_sink(sink)
    return outbox


class Kept:
    """A sink that can be down, or take everything but some messages."""

    def __init__(self, *, down: bool = False, never: Sequence[str] = ()) -> None:
        self.keys: list[str] = []
        self.down, self.never = down, never
        self.offered = 0

    def send(self, envelope: Envelope) -> None:
        self.offered += 1
        if self.down or envelope.key in self.never:
            raise SinkError("down")
        self.keys.append(envelope.key)


def report(outbox: Outbox, run: int, *findings: AlertEvent) -> Message | None:
    return outbox.report(f"run:{run}", findings, compose)


def test_a_breach_is_told_once_and_again_only_when_it_changes(outbox: Outbox) -> None:
    assert report(outbox, 1, finding("warning", 1)) is not None
    assert report(outbox, 2, finding("warning", 2)) is None
    changed = report(outbox, 3, finding("warning", 3, state="80"))
    assert changed is not None
    assert "changed, clusters is 80" in changed.body
    assert report(outbox, 4, finding("failure", 4, state="80")) is not None


def test_a_recovery_is_told_once(outbox: Outbox) -> None:
    assert report(outbox, 1, finding("ok", 1)) is None
    report(outbox, 2, finding("warning", 2))
    over = report(outbox, 3, finding("ok", 3, state="20"))
    assert over is not None
    assert over.level == "ok"
    assert over.title == f"{EP}: 1 back in range"
    assert "OK track_metrics/clusters: back in range, clusters is 20" in over.body
    assert report(outbox, 4, finding("ok", 4)) is None
    assert report(outbox, 5, finding("warning", 5)) is not None


def test_a_run_that_is_looked_at_twice_is_told_once(outbox: Outbox) -> None:
    report(outbox, 1, finding("warning", 2))
    assert report(outbox, 1, finding("warning", 2)) is None
    # An earlier run, looked at again after a crash, must not undo what a later one said.
    assert report(outbox, 0, finding("ok", 1)) is None
    assert report(outbox, 2, finding("warning", 3)) is None


def test_a_run_is_one_message_the_worst_first_with_advice_and_links(outbox: Outbox) -> None:
    message = report(outbox, 1, finding("warning", 1), finding("failure", 1, subject="step faces"))
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


def test_what_goes_wrong_while_a_message_is_made_leaves_the_breach_untold(outbox: Outbox) -> None:
    def broken(news: Sequence[StateChange]) -> Message:
        raise ValueError(str(news))

    with pytest.raises(ValueError, match="clusters"):
        outbox.report("run:1", [finding("warning", 1)], broken)
    assert report(outbox, 1, finding("warning", 1)) is not None


def write(outbox: Outbox, *keys: str) -> None:
    for key in keys:
        assert outbox.write(key, Message(key, "", "warning", {}))


def test_a_key_is_taken_once(outbox: Outbox) -> None:
    write(outbox, "a")
    assert not outbox.write("a", Message("other", "", "failure", {}))


def test_a_sink_that_is_down_delays_its_own_messages_only_and_loses_none(outbox: Outbox) -> None:
    here, there = Kept(), Kept(down=True)
    write(outbox, "a", "b", "c")
    assert outbox.deliver("here", here.send) == (3, None)
    assert outbox.deliver("there", there.send) == (0, "down")
    assert there.offered == 2
    assert (here.keys, outbox.waiting("here"), outbox.waiting("there")) == (["a", "b", "c"], 0, 3)
    there.down = False
    write(outbox, "d")
    assert outbox.deliver("there", there.send) == (4, None)
    assert there.keys == ["a", "b", "c", "d"]
    assert outbox.deliver("there", there.send) == (0, None)
    assert outbox.deliver("here", here.send) == (1, None)


def test_messages_that_a_sink_never_takes_do_not_hold_up_those_behind_them(outbox: Outbox) -> None:
    picky = Kept(never=["a", "c"])
    write(outbox, "a", "b", "c", "d")
    outbox.deliver("here", picky.send)
    assert picky.keys == ["b", "d"]
    assert outbox.waiting("here") == 2


def test_what_waits_survives_a_restart(outbox: Outbox, tmp_path: Path) -> None:
    write(outbox, "a")
    outbox.deliver("there", Kept(down=True).send)
    again, there = Outbox(tmp_path / "alerts.sqlite"), Kept()
    again.know_sink("there")
    assert again.deliver("there", there.send) == (1, None)
    assert there.keys == ["a"]


def test_a_new_sink_gets_what_is_written_from_then_on(outbox: Outbox) -> None:
    write(outbox, "a")
    outbox.know_sink("new")
    outbox.know_sink("file", from_the_start=True)
    write(outbox, "b")
    new, file = Kept(), Kept()
    outbox.deliver("new", new.send)
    outbox.deliver("file", file.send)
    assert (new.keys, file.keys) == (["b"], ["a", "b"])


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
    assert outbox.deliver("here", slow) == (0, "someone else is delivering")
    go_on.set()
    thread.join()
    assert sent == ["a"]


def test_a_sink_whose_last_delivery_died_is_served_again_later(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    write(outbox, "a")

    # As if the process had ended before it could say that it is done.
    assert outbox._claim("here")
    later, now = Kept(), time.time()
    assert outbox.deliver("here", later.send)[0] == 0
    monkeypatch.setattr("resources.alerts.outbox.time.time", lambda: now + BUSY_S + 1)
    assert outbox.deliver("here", later.send) == (1, None)


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


def test_half_a_line_of_a_crash_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_text('{"key": "to')
    JsonLinesSink(path).send(envelope("b"))
    assert json.loads(path.read_text().splitlines()[1])["key"] == "b"


def test_a_file_that_cannot_be_written_is_a_sink_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError):
        JsonLinesSink(tmp_path / "file" / "alerts.jsonl").send(envelope("a"))


def test_a_url_that_apprise_does_not_know_takes_no_other_away_and_is_not_shown() -> None:
    sinks, problems = configured_sinks(
        {"SCREENALYTICS_ALERT_URLS": "json://one.example/x  nonsense://user:secret@host\njson://two.example"}
    )
    assert [sink.label for sink in sinks] == ["alerts.jsonl", "1: json://one.example/x", "3: json://two.example/"]
    assert len(problems) == 1
    assert "entry 2" in problems[0]
    assert "secret" not in problems[0]
    with pytest.raises(ConfigurationError):
        AppriseSink("nonsense://x", 1)


def test_what_the_outbox_and_people_see_of_a_url_has_no_password_in_it() -> None:
    sink = AppriseSink("jsons://user:secretword@host.example/x?token=secretword", 1)
    assert "secretword" not in sink.name + sink.label
    assert sink.name == AppriseSink("jsons://user:secretword@host.example/x?token=secretword", 2).name


def test_links_lead_to_where_people_see_the_ui() -> None:
    assert ui_url({"SCREENALYTICS_UI_URL": "https://dagster.example/"}) == "https://dagster.example"
    assert ui_url({}) == "http://127.0.0.1:3000"


class Named(Kept):
    def __init__(self, name: str, *, down: bool = False) -> None:
        super().__init__(down=down)
        self.name = self.label = name


def test_a_round_says_what_was_sent_and_what_waits_and_nothing_when_there_is_nothing(outbox: Outbox) -> None:
    here, there = Named("here"), Named("there", down=True)
    assert deliver_all(outbox, [here, there]) == []
    write(outbox, "a")
    assert sorted(deliver_all(outbox, [here, there])) == ["here: 1 sent", "there: 1 waiting (down)"]
