"""Rounds of a comparison as Markdown: who measured what where, medians with their spread, ratios, steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from screenalytics_assets.services.scoring import table_text
from tests.benchmarks.figures import Spread, spread_of
from tests.benchmarks.stages import StageUse

FLOOR_PARTS = ("decode", "detect", "embed")


@dataclass(frozen=True)
class Taken:
    """What a pipeline took as a whole, start-up included."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    peak_all_mb: float
    bcubed_f1: float | None = None


@dataclass(frozen=True)
class Ours:
    """The graph in one round.

    Attributes:
        taken: As a whole.
        floor: What decoding, the detector and the embedder took alone, as `floor` prints it, by part.
        stages: The parts of the run.
        known: Counts of the episode.
    """

    taken: Taken
    floor: Mapping[str, Mapping[str, Any]]
    stages: Sequence[StageUse]
    known: Mapping[str, Any]

    @property
    def floor_s(self) -> float:
        """Decoding, detector and embedder one after the other, each on all cores."""
        return sum(self.floor[part]["wall_s"] for part in FLOOR_PARTS)

    @property
    def floor_cpu_s(self) -> float:
        """CPU seconds of the three together."""
        return sum(self.floor[part]["cpu_s"] for part in FLOOR_PARTS)


@dataclass(frozen=True)
class Round:
    """One turn of everybody.

    Attributes:
        plain: The plain pipeline, unless it was left out.
        ours: The graph by profile.
        others_cores: Cores that other programs had during the measurement.
    """

    plain: Taken | None
    ours: Mapping[str, Ours]
    others_cores: float


def line_of(number: int, one: Round) -> str:
    """A round in one line."""
    parts = [] if one.plain is None else [f"plain {_short(one.plain)}"]
    for profile, ours in one.ours.items():
        parts.append(f"{profile} {_short(ours.taken)}, floor {ours.floor_s:.1f} s")
    return f"round {number}: {'; '.join(parts)}; others had {one.others_cores:.2f} cores"


def _short(taken: Taken) -> str:
    return f"{taken.wall_s:.1f} s (CPU {taken.cpu_s:.1f} s, {taken.peak_mb:.0f} MB)"


def markdown(header: Mapping[str, str], rounds: Sequence[Round], cores: int, warnings: Sequence[str]) -> str:
    """The whole report, to be put under a heading."""
    profiles = list(rounds[0].ours)
    facts = "".join(f"- {name}: {text}\n" for name, text in header.items())
    doubts = "".join(f"- **{warning}**\n" for warning in warnings)
    steps = "".join(f"\nSteps of `{profile}`:\n\n{_stage_table(rounds, profile)}" for profile in profiles)
    return f"{facts}{doubts}\n{_whole_table(rounds, cores)}\n{_ratio_table(rounds, cores)}{steps}"


def _whole_table(rounds: Sequence[Round], cores: int) -> str:
    rows = []
    plain = [one.plain for one in rounds if one.plain is not None]
    if plain:
        rows.append(_row("plain pipeline", plain))
    for profile in rounds[0].ours:
        ours = [one.ours[profile] for one in rounds]
        rows.append(_row(f"ours, `{profile}`", [one.taken for one in ours]))
        rows += [_floor_row(profile, part, ours) for part in FLOOR_PARTS]
        wall, cpu = spread_of([one.floor_s for one in ours]), spread_of([one.floor_cpu_s for one in ours])
        rows.append(_cells(f"floor of `{profile}`, the sum", wall.text(1), cpu.text(1)))
        overlap = spread_of([one.floor_cpu_s / cores for one in ours])
        rows.append(_cells(f"the same CPU seconds on {cores} cores, were all overlapped", overlap.text(1)))
    return table_text(rows, ".md")


def _cells(
    name: str, wall: str, cpu: str = "", peak: str = "", everything: str = "", score: str = ""
) -> dict[str, str]:
    return {
        "": name,
        "wall s": wall,
        "CPU s": cpu,
        "peak MB": peak,
        "with PostgreSQL": everything,
        "B-cubed F": score,
    }


def _row(name: str, taken: Sequence[Taken]) -> dict[str, str]:
    def text(figure: Callable[[Taken], float], digits: int) -> str:
        return spread_of([figure(one) for one in taken]).text(digits)

    scores = [one.bcubed_f1 for one in taken if one.bcubed_f1 is not None]
    return _cells(
        name,
        text(lambda one: one.wall_s, 1),
        text(lambda one: one.cpu_s, 1),
        text(lambda one: one.peak_mb, 0),
        text(lambda one: one.peak_all_mb, 0),
        spread_of(scores).text(4) if scores else "",
    )


def _floor_row(profile: str, part: str, ours: Sequence[Ours]) -> dict[str, str]:
    results = [one.floor[part] for one in ours]
    wall, cpu = (spread_of([result[key] for result in results]).text(1) for key in ("wall_s", "cpu_s"))
    return _cells(f"floor of `{profile}`: {floor_text(part, results[-1])}", wall, cpu)


def floor_text(part: str, result: Mapping[str, Any]) -> str:
    """What a part of the floor did."""
    if part == "decode":
        return f"decoding {result['frames']} frames"
    ways = f"{result['at_once']} at once on {result['threads']} core{'s' * (result['threads'] > 1)}"
    if part == "embed":
        return f"embedder on {result['crops']} crops, batches of {result['batch']}, {ways}"
    usual = result["calls"] - result["close"]
    sizes = f"{usual} frames of {result['input_px']} px and {result['close']} of {result['close_px']} px"
    return f"detector on {sizes}, {ways}"


def _ratio_table(rounds: Sequence[Round], cores: int) -> str:
    rows = []
    for profile in rounds[0].ours:
        ours = [one.ours[profile] for one in rounds]
        faster = [one.plain.wall_s / own.taken.wall_s for one, own in zip(rounds, ours, strict=True) if one.plain]
        to_floor = spread_of([one.taken.wall_s / one.floor_s for one in ours])
        to_overlap = spread_of([one.taken.wall_s * cores / one.floor_cpu_s for one in ours])
        real_time = spread_of([one.known["video"]["duration_s"] / one.taken.wall_s for one in ours])
        rows.append(
            {
                "profile": f"`{profile}`",
                "times as fast as plain": _or_nothing(faster),
                "ours / floor": to_floor.text(2),
                "ours / overlapped floor": to_overlap.text(2),
                "times real time": real_time.text(1),
            }
        )
    return table_text(rows, ".md")


def _or_nothing(values: Sequence[float]) -> str:
    return spread_of(values).text(2) if values else ""


def _stage_table(rounds: Sequence[Round], profile: str) -> str:
    by_name: dict[str, list[StageUse]] = {}
    for one in rounds:
        for use in one.ours[profile].stages:
            by_name.setdefault(use.name, []).append(use)
    rows = []
    for name, uses in by_name.items():
        wall, cpu = _spreads(uses)
        rows.append(
            {
                "step": name,
                "wall s": wall.text(2),
                "CPU s": cpu.text(2),
                "peak MB": f"{max(use.peak_mb for use in uses):.0f}",
                "what": uses[-1].amount,
            }
        )
    return table_text(rows, ".md")


def _spreads(uses: Sequence[StageUse]) -> tuple[Spread, Spread]:
    return spread_of([use.wall_s for use in uses]), spread_of([use.cpu_s for use in uses])
