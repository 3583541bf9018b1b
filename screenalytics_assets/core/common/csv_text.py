"""The one way in which tables are written as CSV."""

import csv
import io
from collections.abc import Iterable

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A spreadsheet takes a text that begins with one of these for a formula (OWASP, "CSV Injection"). The last four are
the full-width forms of the first four, which some spreadsheets read alike."""


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV with lines that end in a line feed.

    A text that a spreadsheet would take for a formula gets an apostrophe in front, so that it is shown and not run.
    Numbers stay numbers, negative ones too; None is an empty cell.

    Args:
        rows: The cells, the header first.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = f"'{value}" if value.startswith(FORMULA_STARTS) else value
    return text.replace("\r", "\n")  # the csv module quotes a line feed, but not a carriage return
