"""``screenalytics correct``: what a person knows better than the clustering, for this run and all that follow."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from screenalytics_assets.core.people.corrections import Correction
    from screenalytics_assets.services.correcting import CorrectionDesk

correct_app = typer.Typer(help="Merge, split, name or ignore identities of an episode.", no_args_is_help=True)

_Apply = Annotated[bool, typer.Option("--apply", help="Carry it out at once: group_clusters and what follows.")]


@correct_app.callback()
def correct(
    context: typer.Context,
    ep_id: Annotated[str, typer.Argument(help="The episode.")],
    data_root: Annotated[
        str | None, typer.Option(help="Folder of all data, or s3://bucket/prefix, instead of data/.")
    ] = None,
) -> None:
    """Write `corrections/EP.yaml`, which every later run of the cleanup obeys."""
    if data_root is not None:
        os.environ["SCREENALYTICS_DATA_ROOT"] = data_root
    context.obj = ep_id


@correct_app.command()
def merge(
    context: typer.Context,
    identities: Annotated[list[str], typer.Argument(help="Identities that are one person; the first keeps its name.")],
    apply: _Apply = False,
) -> None:
    """Say that identities are one person."""
    _add(context, lambda desk: desk.merge(identities), apply=apply)


@correct_app.command()
def split(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(help="The identity.")],
    track: Annotated[list[str], typer.Option(help="A track that is somebody else; may be given several times.")],
    apply: _Apply = False,
) -> None:
    """Say that tracks of an identity are somebody else."""
    _add(context, lambda desk: desk.split(identity, track), apply=apply)


@correct_app.command()
def name(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(help="The identity.")],
    name: Annotated[str, typer.Argument(help='Who it is, for example "Jane Doe".')],
    person_id: Annotated[
        str | None, typer.Option(help="The person's id in the facebank, where it is not made from the name.")
    ] = None,
    apply: _Apply = False,
) -> None:
    """Say who an identity is."""
    _add(context, lambda desk: desk.name(identity, name, person_id), apply=apply)


@correct_app.command("not-this-person")
def not_this_person(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(help="The identity.")],
    person_id: Annotated[str, typer.Argument(help="Who it is not.")],
    apply: _Apply = False,
) -> None:
    """Say who an identity is not."""
    _add(context, lambda desk: desk.not_this_person(identity, person_id), apply=apply)


@correct_app.command()
def ignore(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(help="The identity.")],
    apply: _Apply = False,
) -> None:
    """Say that an identity is nobody."""
    _add(context, lambda desk: desk.ignore(identity), apply=apply)


@correct_app.command("list")
def list_corrections(context: typer.Context) -> None:
    """Show the corrections, and what became of each in the last run."""
    from rich.table import Table

    from screenalytics_assets.core.people.corrections import describe

    desk = _desk(context)
    outcomes = desk.outcomes()
    if not desk.corrections.corrections:
        Console().print(f"{desk.ep_id} has no corrections", highlight=False)
        return
    table = Table("number", "correction", "in the last run", "remarks", title=desk.ep_id)
    for entry in desk.corrections.corrections:
        outcome = outcomes.get(entry.number)
        status, remarks = (outcome["status"], "; ".join(outcome["remarks"])) if outcome else ("not yet", "")
        table.add_row(str(entry.number), escape(describe(entry)), status, escape(remarks))
    Console().print(table)


@correct_app.command()
def undo(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="Number of the correction, as `list` shows it.")],
    apply: _Apply = False,
) -> None:
    """Take a correction out of the file."""
    from screenalytics_assets.core.people.corrections import describe

    desk = _desk(context)
    _tell(desk, f"correction {number} taken out: {describe(desk.undo(number))}", apply=apply)


def _add(context: typer.Context, make: "Callable[[CorrectionDesk], Correction]", *, apply: bool) -> None:
    from screenalytics_assets.core.people.corrections import describe

    desk = _desk(context)
    entry = make(desk)
    _tell(desk, f"correction {entry.number}: {describe(entry)}", apply=apply)


def _desk(context: typer.Context) -> "CorrectionDesk":
    from resources.artifact_store import ArtifactStoreResource
    from screenalytics_assets.services.correcting import CorrectionDesk

    return CorrectionDesk(ArtifactStoreResource().store(), context.obj)


def _tell(desk: "CorrectionDesk", done: str, *, apply: bool) -> None:
    from screenalytics_assets.services.runs import downstream_of

    console = Console(highlight=False, soft_wrap=True)
    console.print(escape(done))
    console.print(f"written to {desk.location}")
    follows: Sequence[str] = downstream_of("corrections")
    if apply:
        from screenalytics_assets.cli.episode.run import execute

        raise typer.Exit(0 if execute(console, desk.ep_id, None, {}, force=False, select=list(follows)) else 1)
    selection = " ".join(f"--select {asset}" for asset in follows)
    console.print(f"to carry it out: screenalytics run --ep-id {desk.ep_id} {selection}")
