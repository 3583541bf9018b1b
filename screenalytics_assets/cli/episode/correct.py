"""``screenalytics correct``: corrections of identities that apply to every later run."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from screenalytics_assets.cli.options import DataRoot, new_console, uncut, use_data_root

if TYPE_CHECKING:
    from screenalytics_assets.core.people.corrections.corrections import Correction
    from screenalytics_assets.services.corrections.correcting import CorrectionDesk

correct_app = typer.Typer(
    help="Merge, split, name or ignore identities of an episode, or give tracks to them.", no_args_is_help=True
)

_Number = Annotated[int, typer.Argument(min=1, max=10_000_000, help="Number of the correction as shown by `list`.")]
_PersonId = Annotated[
    str | None, typer.Option(help="The person's id in the facebank, if it differs from the one made from the name.")
]
_Yes = Annotated[bool, typer.Option("--yes", help="A new person, even if the name is close to a known one.")]
_Apply = Annotated[bool, typer.Option("--apply", help="Run group_clusters and everything after it at once.")]


@correct_app.callback()
def correct(
    context: typer.Context,
    ep_id: Annotated[str, typer.Argument(help="The episode.")],
    data_root: DataRoot = None,
) -> None:
    """Write `corrections/EP.yaml`, which every later run of the cleanup applies."""
    use_data_root(data_root)
    context.obj = ep_id


@correct_app.command()
def merge(
    context: typer.Context,
    identities: Annotated[list[str], typer.Argument(help="Identities of one person; the first keeps its name.")],
    apply: _Apply = False,
) -> None:
    """Merge identities that are the same person."""
    desk = _desk(context)
    _warn_if_together(desk.shared_s(identities))
    _write(desk, lambda: desk.merge(identities), apply=apply)


@correct_app.command()
def split(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(help="The identity.")],
    track: Annotated[list[str], typer.Option(help="A track that shows another person; can be repeated.")],
    apply: _Apply = False,
) -> None:
    """Split off tracks of an identity that show another person."""
    _add(context, lambda desk: desk.split(identity, track), apply=apply)


@correct_app.command()
def name(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(help="The identity.")],
    name: Annotated[str, typer.Argument(help='The name, for example "Jane Doe".')],
    person_id: _PersonId = None,
    yes: _Yes = False,
    apply: _Apply = False,
) -> None:
    """Name an identity.

    A new name that is close to a known one needs confirmation; without a terminal it is refused.
    """
    desk = _desk(context)
    _write_name(desk, name, lambda sure: desk.name(identity, name, person_id, confirmed=sure), yes=yes, apply=apply)


@correct_app.command()
def give(
    context: typer.Context,
    track: Annotated[str, typer.Argument(help="The track; the episode's report lists the unassigned ones.")],
    person: Annotated[str, typer.Argument(help='An identity, or a name: a known one or a new one, "Jane Doe".')],
    person_id: _PersonId = None,
    yes: _Yes = False,
    apply: _Apply = False,
) -> None:
    """Give a track to the person whom it shows: an unassigned one, or one of another person.

    A new name that is close to a known one needs confirmation; without a terminal it is refused.
    """
    desk = _desk(context)
    _warn_if_together(desk.shared_with_s(track, person, person_id))
    if (number := desk.ignored_by(person)) is not None:
        new_console().print(f"[yellow]warning:[/yellow] this takes back correction {number}, which ignores {person}")
    _write_name(desk, person, lambda sure: desk.give(track, person, person_id, confirmed=sure), yes=yes, apply=apply)


@correct_app.command("not-this-person")
def not_this_person(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(help="The identity.")],
    person_id: Annotated[str, typer.Argument(help="Id of the person that it is not.")],
    apply: _Apply = False,
) -> None:
    """Rule out a person for an identity."""
    _add(context, lambda desk: desk.not_this_person(identity, person_id), apply=apply)


@correct_app.command()
def ignore(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(help="The identity.")],
    apply: _Apply = False,
) -> None:
    """Ignore an identity, for example a face on a poster."""
    _add(context, lambda desk: desk.ignore(identity), apply=apply)


@correct_app.command("list")
def list_corrections(context: typer.Context) -> None:
    """Show the corrections and their outcome in the last run."""
    desk = _desk(context)
    if not desk.corrections.corrections:
        new_console().print(f"{desk.ep_id} has no corrections")
        return
    _print_outcomes(desk)


def _print_outcomes(desk: "CorrectionDesk") -> None:
    """What each correction came to in the last run."""
    from rich.table import Table

    from screenalytics_assets.core.people.corrections.corrections import describe

    outcomes = desk.outcomes()
    table = Table("number", "correction", "last run", "remarks", title=desk.ep_id)
    for entry in desk.corrections.corrections:
        outcome = outcomes.get(entry.number)
        status, remarks = (outcome.status, "; ".join(outcome.remarks)) if outcome else ("not applied yet", "")
        table.add_row(str(entry.number), escape(describe(entry)), status, escape(remarks))
    new_console().print(uncut(table))


@correct_app.command()
def confirm(
    context: typer.Context,
    number: _Number,
    apply: _Apply = False,
) -> None:
    """Confirm a correction whose video was replaced, or at whose places another face is now."""
    from screenalytics_assets.core.people.corrections.corrections import describe

    desk = _desk(context)
    _finish(desk, f"correction {number} confirmed: {describe(desk.confirm(number))}", apply=apply)


@correct_app.command()
def undo(
    context: typer.Context,
    number: _Number,
    apply: _Apply = False,
) -> None:
    """Remove a correction from the file."""
    from screenalytics_assets.core.people.corrections.corrections import describe

    desk = _desk(context)
    _finish(desk, f"correction {number} removed: {describe(desk.undo(number))}", apply=apply)


def _add(context: typer.Context, make: "Callable[[CorrectionDesk], Correction]", *, apply: bool) -> None:
    desk = _desk(context)
    _write(desk, lambda: make(desk), apply=apply)


def _write_name(
    desk: "CorrectionDesk", name: str, make: "Callable[[bool], Correction]", *, yes: bool, apply: bool
) -> None:
    """Write a correction with a name; ask whether it is another person if it is close to a known one."""
    from screenalytics_assets.services.corrections.correctable_people import CloseNameError

    def add() -> "Correction":
        try:
            return make(yes)
        except CloseNameError as error:
            if not sys.stdin.isatty():
                raise
            known = ", ".join(f"{one.person.name} ({one.difference})" for one in error.close)
            typer.confirm(f"{name} is new, but close to {known}. Is it another person?", abort=True)
            return make(True)

    _write(desk, add, apply=apply)


def _warn_if_together(shared_s: float) -> None:
    if shared_s > 0:
        new_console().print(
            f"[yellow]warning:[/yellow] they are on screen together for {shared_s:.1f} s: one person cannot be, "
            "except in a mirror or a split screen"
        )


def _write(desk: "CorrectionDesk", make: "Callable[[], Correction]", *, apply: bool) -> None:
    from screenalytics_assets.core.people.corrections.corrections import describe

    before = {entry.number for entry in desk.corrections.corrections}
    entry = make()
    is_there = " is there already" if entry.number in before else ""
    _finish(desk, f"correction {entry.number}{is_there}: {describe(entry)}", apply=apply, written=not is_there)


def _desk(context: typer.Context) -> "CorrectionDesk":
    from resources.artifact_store import ArtifactStoreResource
    from screenalytics_assets.services.corrections.correcting import CorrectionDesk

    return CorrectionDesk(ArtifactStoreResource().store(), context.obj)


def _finish(desk: "CorrectionDesk", done: str, *, apply: bool, written: bool = True) -> None:
    from screenalytics_assets.services.running.runs import downstream_of

    console = new_console()
    console.print(escape(done))
    console.print(f"written to {desk.location}" if written else f"nothing was written to {desk.location}")
    follows: Sequence[str] = downstream_of("corrections")
    if apply:
        from screenalytics_assets.cli.episode.run import execute

        with desk.applying():
            ok = execute(console, desk.ep_id, None, {}, force=False, select=list(follows))
        if ok and desk.corrections.corrections:
            _print_outcomes(desk)
        raise typer.Exit(0 if ok else 1)
    selection = " ".join(f"--select {asset}" for asset in follows)
    console.print(f"to apply it: screenalytics run --ep-id {desk.ep_id} {selection}")
