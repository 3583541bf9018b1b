"""What is worth telling: which findings of a run are new, changed or over, and the one message about them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["ok", "warning", "failure"]
Change = Literal["begun", "changed", "over"]

_WORDS: Mapping[Level, str] = {"warning": "WARN", "failure": "FAIL", "ok": "OK"}


@dataclass(frozen=True)
class AlertEvent:
    """How one check or step of an episode ended.

    Attributes:
        ep_id: The episode, empty where a run is about none.
        subject: What was looked at, for example ``track_metrics/clusters`` or ``step detections``.
        level: How it ended.
        message: That in words.
        state: What makes two findings of the same level the same, for example the value of a metric.
        at: Seconds since the epoch.
        value: Of a metric.
        limits: Of a metric, by their names.
        advice: What to do.
        docs: Where more about it stands.
        link: Where it is in the UI.
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
    """The last finding about a subject of an episode that was told."""

    level: Level
    state: str
    at: float


@dataclass(frozen=True)
class StateChange:
    """A finding that differs from the one before."""

    finding: AlertEvent
    change: Change


@dataclass(frozen=True)
class Message:
    """What every sink is sent.

    Attributes:
        title: One line.
        body: The rest, as plain text.
        level: The worst there is in it; ``ok`` if it only tells that something is over.
        document: The same for programs.
    """

    title: str
    body: str
    level: Level
    document: Mapping[str, Any]


def news_of(standing: LastState | None, finding: AlertEvent) -> StateChange | None:
    """Whether a finding is worth telling after what was told before.

    A breach is told when it begins, and again when its level or its state changes; that it is over, once. A finding
    older than the one told last is not: runs may be looked at twice.
    """
    if standing is None:
        return None if finding.level == "ok" else StateChange(finding, "begun")
    if finding.at <= standing.at:
        return None
    if finding.level == "ok":
        return None if standing.level == "ok" else StateChange(finding, "over")
    if standing.level == "ok":
        return StateChange(finding, "begun")
    same = (standing.level, standing.state) == (finding.level, finding.state)
    return None if same else StateChange(finding, "changed")


def message_of_run(news: Sequence[StateChange], *, run_id: str, run_link: str) -> Message:
    """One message about everything new in a run.

    Args:
        news: At least one piece.
        run_id: The run.
        run_link: Where it is in the UI.
    """
    levels = [item.finding.level for item in news]
    level: Level = "failure" if "failure" in levels else "warning" if "warning" in levels else "ok"
    episodes = sorted({item.finding.ep_id for item in news if item.finding.ep_id})
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
    ordered = sorted(news, key=lambda item: -("ok", "warning", "failure").index(item.finding.level))
    body = "\n".join([*(line for item in ordered for line in _lines(item, episodes)), f"Run: {run_link}"])
    document = {
        "run_id": run_id,
        "link": run_link,
        "episodes": episodes,
        "findings": [{"change": item.change, **asdict(item.finding)} for item in ordered],
    }
    return Message(f"{about}: {', '.join(counts)}", body, level, document)


def _lines(item: StateChange, episodes: Sequence[str]) -> list[str]:
    finding = item.finding
    where = f"{finding.ep_id} " if len(episodes) > 1 else ""
    what = {"begun": "", "changed": "changed, ", "over": "back in range, "}[item.change]
    lines = [f"{_WORDS[finding.level]} {where}{finding.subject}: {what}{finding.message}"]
    if item.change != "over" and finding.advice:
        lines.append(f"  do: {finding.advice}" + (f" ({finding.docs})" if finding.docs else ""))
    if finding.link:
        lines.append(f"  {finding.link}")
    return lines
