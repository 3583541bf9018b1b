"""``screenalytics check``: judge the published figures of episodes without computing anything."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from screenalytics_assets.cli.options import DataRoot, new_console, uncut, use_data_root

if TYPE_CHECKING:
    from screenalytics_assets.services.running.acceptance_runs import CheckOutcome

_COLOURS = {"met": "green", "noted": "cyan", "warning": "yellow", "failure": "red", "not_applicable": "dim"}


def check(
    ep_ids: Annotated[list[str], typer.Argument(metavar="EP...", help="Episodes, for example rhobh-s05e02.")],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="METRIC.LIMIT=VALUE", help="A limit for this run.")
    ] = None,
    data_root: DataRoot = None,
) -> None:
    """Judge the published figures of episodes by config/acceptance.yaml, and show what changed.

    Exits with 1 when a check fails, with 2 when the input is refused; a warning is not a failure.
    """
    from screenalytics_assets.services.dagster_instance.instance import open_instance
    from screenalytics_assets.services.running.acceptance_runs import run_acceptance_checks

    use_data_root(data_root)
    overrides = _overrides(assignments or [])
    console = new_console()
    failed = False
    with open_instance() as instance:
        for ep_id in ep_ids:
            outcomes = run_acceptance_checks(instance, ep_id, overrides)
            console.print(_table(ep_id, outcomes))
            for outcome in outcomes:
                if changes := outcome.changes():
                    console.print(f"changed: {outcome.metric}: {', '.join(changes)}")
            not_passed = [outcome for outcome in outcomes if not outcome.passed]
            for outcome in not_passed:
                console.print(f"{outcome.severity}: {escape(outcome.message)}")
            failed = failed or any(outcome.severity == "ERROR" for outcome in not_passed)
    raise typer.Exit(1 if failed else 0)


def _overrides(assignments: list[str]) -> dict[str, dict[str, Any]]:
    from resources.configuration.run_settings import parse_assignment
    from screenalytics_assets.core.common.errors import ConfigurationError

    overrides: dict[str, dict[str, Any]] = {}
    for text in assignments:
        key, value = parse_assignment(text)
        metric, dot, limit = key.partition(".")
        if not dot:
            raise ConfigurationError(
                f"--set {text!r}: expected METRIC.LIMIT=VALUE, for example tracks_per_minute.warn=60"
            )
        overrides.setdefault(metric, {})[limit] = value
    return overrides


def _table(ep_id: str, outcomes: "list[CheckOutcome]") -> Table:
    table = Table(title=ep_id)
    for name in ("metric", "value", "target", "warn", "fail", "verdict"):
        table.add_column(name, no_wrap=True)
    for outcome in outcomes:
        colour = _COLOURS[outcome.verdict]
        table.add_row(
            outcome.metric,
            _cell(outcome.figures, "value"),
            *(_cell(outcome.figures, name) for name in ("target", "warn", "fail")),
            f"[{colour}]{outcome.verdict.replace('_', ' ')}[/{colour}]",
        )
    return uncut(table)


def _cell(figures: dict[str, float], name: str) -> str:
    ends = [figures[key] for key in (name, f"{name}_min", f"{name}_max") if key in figures]
    return " to ".join(f"{end:.4g}" for end in ends)
