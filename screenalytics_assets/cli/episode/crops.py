"""``screenalytics crops``: which crops were embedded, which were rejected and why, and the borderline crops."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from screenalytics_assets.cli.options import AsJson, DataRoot, PublishedEpisode, new_console, use_data_root

if TYPE_CHECKING:
    from screenalytics_assets.core.quality.crop_review import Spread
    from screenalytics_assets.services.crop_reviews import EpisodeCrops

_BLOCKS = " ▁▂▃▄▅▆▇█"
_DECIMALS = {"quality_score": 2, "face_px": 0}


def crops(
    ep_id: PublishedEpisode,
    out: Annotated[
        Path | None, typer.Option(help="File for the contact sheet, .jpg or .png; default: reports/EP/crops.jpg.")
    ] = None,
    as_json: AsJson = False,
    data_root: DataRoot = None,
) -> None:
    """Show rejected crops by reason and the distribution of the measures; draw the worst and the borderline crops."""
    from resources.artifact_store import ArtifactStoreResource
    from screenalytics_assets.reports.pictures.crop_sheet import check_sheet_path
    from screenalytics_assets.services.crop_reviews import review_published, write_sheet

    use_data_root(data_root)
    if out is not None:
        check_sheet_path(out)
    store = ArtifactStoreResource().store()
    reviewed = review_published(store, ep_id)
    place = write_sheet(reviewed, store, out)
    if as_json:
        typer.echo(json.dumps({**reviewed.to_dict(), "sheet": place}, indent=2))
        return
    console = new_console()
    rejected = sum(reviewed.review.reasons.values())
    console.print(f"{ep_id}: {reviewed.review.accepted} embedded, {rejected} rejected")
    if rejected:
        console.print(_reasons(reviewed, rejected))
    console.print(_measures(reviewed))
    console.print(f"contact sheet: {place}")


def _reasons(reviewed: "EpisodeCrops", rejected: int) -> Table:
    review, limits = reviewed.review, {criterion.reason: criterion for criterion in reviewed.criteria}
    table = Table("reason", "limit")
    table.add_column("crops", justify="right")
    table.add_column("share", justify="right")
    for reason, count in review.reasons.items():
        limit = limits.get(reason)
        table.add_row(reason, f"{limit.key} = {limit.limit:g}" if limit else "", str(count), f"{count / rejected:.0%}")
    return table


def _measures(reviewed: "EpisodeCrops") -> Table:
    table = Table(
        title="measures (angles as magnitudes); bars over the range of both",
        box=None,
        pad_edge=False,
    )
    for name in ("measure", "crops"):
        table.add_column(name, no_wrap=True)
    for name in ("n", "min", "25 %", "50 %", "75 %", "max"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for measure, spreads in reviewed.review.spreads.items():
        for kind, spread in zip(("embedded", "rejected"), spreads, strict=True):
            name = measure if kind == "embedded" else ""
            table.add_row(name, kind, str(spread.crops), *_quartiles(spread, _DECIMALS.get(measure, 1)), _bars(spread))
    return table


def _quartiles(spread: "Spread", decimals: int) -> list[str]:
    figures = (spread.minimum, spread.lower_quartile, spread.median, spread.upper_quartile, spread.maximum)
    return ["" if math.isnan(figure) else f"{figure:.{decimals}f}" for figure in figures]


def _bars(spread: "Spread") -> str:
    """A bar for each bin of the histogram; any crop at all gives at least the smallest bar."""
    most = max(spread.histogram)
    return "".join(_BLOCKS[math.ceil(count / most * (len(_BLOCKS) - 1))] if most else " " for count in spread.histogram)
