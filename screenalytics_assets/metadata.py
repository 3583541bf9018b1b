"""Values as the UI shows them: numbers, tables, pictures."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np

from screenalytics_assets.reports.pictures import MAX_PICTURE_BYTES


def to_metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values as Dagster metadata, floats to four decimals.

    Numbers that are not finite are left out; within documents they are null.
    """
    plain = {key: _plain(value) for key, value in values.items() if not _is_not_finite(value)}
    return {
        key: dg.MetadataValue.json(value) if isinstance(value, dict | list) else value for key, value in plain.items()
    }


def _is_not_finite(value: object) -> bool:
    return isinstance(value, float | np.floating) and not math.isfinite(float(value))


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever Dagster takes as metadata
    if isinstance(value, dg.MetadataValue):
        return value
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def picture(content: bytes, alt: str) -> dg.MarkdownMetadataValue:
    """A JPEG, PNG or SVG picture, one click away in the UI, which shows Markdown of this length on demand.

    Raises:
        ValueError: The picture is too large for the event log.
    """
    if len(content) > MAX_PICTURE_BYTES:
        raise ValueError(f"{alt}: {len(content)} bytes, at most {MAX_PICTURE_BYTES} fit the event log")
    kind = "png" if content.startswith(b"\x89PNG") else "svg+xml" if content.startswith(b"<svg") else "jpeg"
    return dg.MetadataValue.md(f"![{alt}](data:image/{kind};base64,{base64.b64encode(content).decode()})")


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows of plain values as a table; columns and their types from the first row."""
    kinds = {bool: "bool", int: "int", float: "float"}
    columns = [
        dg.TableColumn(name, kinds.get(type(value), "string")) for name, value in (rows[0] if rows else {}).items()
    ]
    records = [dg.TableRecord(dict(row)) for row in rows]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))
