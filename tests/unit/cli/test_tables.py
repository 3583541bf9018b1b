import io

import pytest
from rich.console import Console
from rich.table import Table

from screenalytics_assets.cli.options import uncut
from screenalytics_assets.cli.terminal import totals_line
from screenalytics_assets.core.documents.damage import Damage
from screenalytics_assets.core.documents.screen_time import ScreenTime, ScreenTimeTotals


@pytest.mark.parametrize("width", [40, 80])
def test_no_cell_of_a_table_is_cut(width: int) -> None:
    table = Table()
    for column in ("episode", "state", *(f"asset {i}" for i in range(6)), "checks"):
        table.add_column(column, no_wrap=True)
    table.add_row("a-rather-long-show-s01e01", "stale", *["missing"] * 6, "singleton_fraction, tracks_per_minute")
    text = io.StringIO()
    Console(file=text, width=width).print(uncut(table))
    columns = zip(
        *(line.split("│")[1:-1] for line in text.getvalue().splitlines() if line.startswith("│")), strict=True
    )
    cells = ["".join(part.strip() for part in column) for column in columns]
    assert cells == ["a-rather-long-show-s01e01", "stale", *["missing"] * 6, "singleton_fraction,tracks_per_minute"]


def screen_time_of(damage: Damage | None = None, **totals: float) -> ScreenTime:
    return ScreenTime(
        ep_id="a-s01e01",
        config={},
        duration_s=60.0,
        people=(),
        totals=ScreenTimeTotals(union_s=50.0, sum_s=70.0, overlap_s=20.0, **{"unassigned_s": 0.0, **totals}),
        together=(),
        damage=damage,
    )


def test_the_last_line_gives_the_uncertain_seconds() -> None:
    damage = Damage(damaged_s=1.5, intervals=((3.0, 4.5),))
    assert totals_line(screen_time_of(damage, unassigned_s=7.34, picture_s=15.0)) == (
        "someone on screen 50.0 s of 60.0 s, two or more 20.0 s, an unassigned face 7.3 s, "
        "a picture of a face 15.0 s, 1.5 s of the video damaged"
    )


def test_the_last_line_leaves_out_what_there_is_none_of() -> None:
    assert totals_line(screen_time_of()) == "someone on screen 50.0 s of 60.0 s, two or more 20.0 s"
