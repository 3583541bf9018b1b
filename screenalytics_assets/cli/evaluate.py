"""``screenalytics evaluate``: an episode against a truth file."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from screenalytics_assets.core.evaluate import EpisodeScores


def evaluate(
    ep_id: Annotated[str, typer.Argument(help="A published episode.")],
    truth: Annotated[Path, typer.Option(help="The truth file, JSON.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_root: Annotated[Path | None, typer.Option(help="Folder of all data, instead of data/.")] = None,
) -> None:
    """Detection recall and precision, track purity, B-cubed, WCP, NMI, and clusters against people."""
    from resources.artifact_store import ArtifactStoreResource
    from screenalytics_assets.partitions import parse_ep_id
    from screenalytics_assets.scoring import read_truth, score_published

    parse_ep_id(ep_id)
    if data_root is not None:
        os.environ["SCREENALYTICS_DATA_ROOT"] = str(data_root.resolve())
    scores = score_published(ArtifactStoreResource().store(), ep_id, read_truth(truth))
    if as_json:
        typer.echo(json.dumps(scores.to_dict(), indent=2))
        return
    console = Console()
    console.print(_figures(ep_id, scores))
    console.print(_people(scores))


def _figures(ep_id: str, scores: "EpisodeScores") -> Table:
    table = Table("figure", "value", title=ep_id)
    for name, value in scores.to_dict().items():
        if isinstance(value, int | float):
            table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    return table


def _people(scores: "EpisodeScores") -> Table:
    table = Table("person", "seconds", "found", "identities")
    for person in scores.per_person:
        table.add_row(person.person, f"{person.presence_s:.1f}", f"{person.found:.3f}", ", ".join(person.identity_ids))
    return table
