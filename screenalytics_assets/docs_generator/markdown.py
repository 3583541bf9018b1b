"""Tables and text in Markdown."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars within cells are escaped, line breaks become blanks."""
    lines = [_row(header), f"|{'---|' * len(header)}", *map(_row, rows)]
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    """Text as code, empty text as nothing."""
    return f"`{text}`" if text else ""


def _row(cells: Sequence[str]) -> str:
    escaped = (" ".join(cell.replace("|", r"\|").split()) for cell in cells)
    return f"| {' | '.join(escaped)} |"
