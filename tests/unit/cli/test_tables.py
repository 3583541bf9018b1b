import io

import pytest
from rich.console import Console
from rich.table import Table

from screenalytics_assets.cli.options import uncut


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
