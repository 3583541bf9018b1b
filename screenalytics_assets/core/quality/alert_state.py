"""Which results of a run are worth an alert: new, changed or over; and the one message about them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["ok", "warning", "failure"]
Change = Literal["begun", "changed", "over"]

_WORDS: Mapping[Level, str] = {"warning": "WARN", "failure": "FAIL", "ok": "OK"}


@dataclass(frozen=True)
class AlertEvent:
    """The result of one check or step of an episode.

    Attributes:
        ep_id: The episode; empty for a run without one.
        subject: The check or step, for example ``track_metrics/clusters`` or ``step detections``.
        level: The result.
        message: The result in words.
        state: Two events of the same level with the same state are the same, for example the value of a metric.
        at: Seconds since the epoch.
        value: Value of the metric.
        limits: Limits of the metric, by name.
        advice: What to do.
        docs: The page of the documentation with more about it.
        link: Its page in the UI.
    """

    ep_id: str
    subject: str
    level: Level
    message: str
    state: str
    at: float
    value: float | None = None
    limits: Mapping[str, float] | None = None
    advice: str = ""
    docs: str = ""
    link: str = ""


@dataclass(frozen=True)
class LastState:
    """The last reported result of a check or step of an episode."""

    level: Level
    state: str
    at: float


@dataclass(frozen=True)
class StateChange:
    """An event that differs from the last reported one."""

    event: AlertEvent
    change: Change


@dataclass(frozen=True)
class Message:
    """A message to all sinks.

    Attributes:
        title: One line.
        body: The rest, as plain text.
        level: The worst level of its events; ``ok`` if all are back in range.
        document: The same as JSON, for programs.
    """

    title: str
    body: str
    level: Level
    document: Mapping[str, Any]


def change_of(last: LastState | None, event: AlertEvent) -> StateChange | None:
    """The change that an event makes to the last reported state, or None if there is nothing to report.

    A breach is reported when it begins and whenever its level or state changes; its end is reported once. An event
    older than the last reported one is ignored, because a run may be read twice.
    """
    if last is None:
        return None if event.level == "ok" else StateChange(event, "begun")
    if event.at <= last.at:
        return None
    if event.level == "ok":
        return None if last.level == "ok" else StateChange(event, "over")
    if last.level == "ok":
        return StateChange(event, "begun")
    same = (last.level, last.state) == (event.level, event.state)
    return None if same else StateChange(event, "changed")


def message_of_run(changes: Sequence[StateChange], *, run_id: str, run_link: str) -> Message:
    """One message about all changes of a run.

    Args:
        changes: At least one.
        run_id: The run.
        run_link: Its page in the UI.
    """
    levels = [item.event.level for item in changes]
    level: Level = "failure" if "failure" in levels else "warning" if "warning" in levels else "ok"
    episodes = sorted({item.event.ep_id for item in changes if item.event.ep_id})
    about = ", ".join(episodes) or f"run {run_id[:8]}"
    counts = [
        f"{number} {word}"
        for word, number in (
            ("failed", levels.count("failure")),
            ("warned", levels.count("warning")),
            ("back in range", levels.count("ok")),
        )
        if number
    ]
    ordered = sorted(changes, key=lambda item: -("ok", "warning", "failure").index(item.event.level))
    body = "\n".join([*(line for item in ordered for line in _lines(item, episodes)), f"Run: {run_link}"])
    document = {
        "run_id": run_id,
        "link": run_link,
        "episodes": episodes,
        "findings": [{"change": item.change, **asdict(item.event)} for item in ordered],
    }
    return Message(f"{about}: {', '.join(counts)}", body, level, document)


def _lines(item: StateChange, episodes: Sequence[str]) -> list[str]:
    event = item.event
    episode = f"{event.ep_id} " if len(episodes) > 1 else ""
    change = {"begun": "", "changed": "changed, ", "over": "back in range, "}[item.change]
    lines = [f"{_WORDS[event.level]} {episode}{event.subject}: {change}{event.message}"]
    if item.change != "over" and event.advice:
        lines.append(f"  do: {event.advice}" + (f" ({event.docs})" if event.docs else ""))
    if event.link:
        lines.append(f"  {event.link}")
    return lines
