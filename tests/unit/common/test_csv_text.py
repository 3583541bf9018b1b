import csv
import io
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.system.paths import project_dir
from screenalytics_assets.core.common.csv_text import FORMULA_STARTS, csv_text


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_a_text_that_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe(start: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_text([[f"{start}1+1", "a"]]), newline=""))
    assert row == [f"'{start}1+1".replace("\r", "\n"), "a"]


def test_numbers_stay_numbers_and_none_is_empty() -> None:
    assert csv_text([["a", "b", "c", "d"], [-1.5, -2, None, 0.25]]) == "a,b,c,d\n-1.5,-2,,0.25\n"


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_every_text_is_read_back_but_for_the_apostrophe_and_carriage_returns(cells: list[str]) -> None:
    (row,) = csv.reader(io.StringIO(csv_text([cells]), newline=""))
    assert not any(cell.startswith(FORMULA_STARTS) for cell in row)
    for cell, text in zip(row, cells, strict=True):
        assert cell.removeprefix("'") == text.replace("\r", "\n").removeprefix("'")


def test_no_other_module_writes_csv() -> None:
    found = subprocess.run(
        ["grep", "-rlE", r"csv\.(writer|DictWriter)|to_csv|write_csv", "screenalytics_assets", "resources"],
        cwd=project_dir(),
        capture_output=True,
        text=True,
        check=True,
    )
    modules = [name for name in found.stdout.split() if name.endswith(".py")]
    assert modules == ["screenalytics_assets/core/common/csv_text.py"]
