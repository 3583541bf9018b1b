"""Contact sheets and timelines, small enough for the event log."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from resources.crop_file import decode_jpeg
from screenalytics_assets.metadata import MAX_PICTURE_BYTES

_CELL_PX = 72
_LABEL_PX = 150
_PER_ROW = 8
_MAX_ROWS = 24
_INK = (40, 40, 40)


class SheetRow(NamedTuple):
    """A line of a contact sheet: a name, a remark, and JPEG crops."""

    label: str
    remark: str
    crops: Sequence[bytes]


class TimelineRow(NamedTuple):
    """A line of a timeline: a name and when it is seen, in seconds."""

    label: str
    intervals_s: Sequence[tuple[float, float]]


def contact_sheet(rows: Sequence[SheetRow]) -> bytes:
    """Crops in rows, as a JPEG that fits the event log.

    At most the first rows are drawn; the caller says in the metadata how many there are.
    """
    shown = rows[:_MAX_ROWS]
    width = _LABEL_PX + _PER_ROW * _CELL_PX
    sheet = np.full((max(1, len(shown)) * _CELL_PX, width, 3), 255, np.uint8)
    for line, row in enumerate(shown):
        top = line * _CELL_PX
        for text, offset in ((row.label, 30), (row.remark, 50)):
            cv2.putText(sheet, text, (6, top + offset), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
        for column, crop in enumerate(row.crops[:_PER_ROW]):
            left = _LABEL_PX + column * _CELL_PX
            sheet[top : top + _CELL_PX, left : left + _CELL_PX] = _thumbnail(crop)
    return _jpeg_that_fits(sheet)


def timeline(rows: Sequence[TimelineRow], *, cuts_s: Sequence[float], duration_s: float) -> bytes:
    """When each person is seen, with the cuts as thin lines, as a PNG."""
    shown = rows[:_MAX_ROWS]
    figure = Figure(figsize=(10, 0.8 + 0.32 * max(1, len(shown))), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for line, row in enumerate(shown):
        spans = [(start_s, max(end_s - start_s, duration_s / 500)) for start_s, end_s in row.intervals_s]
        axes.broken_barh(spans, (line - 0.38, 0.76), color=f"C{line % 10}")
    axes.vlines(cuts_s, -0.5, max(0.5, len(shown) - 0.5), color="0.75", linewidth=0.6, zorder=0)
    axes.set_yticks(range(len(shown)), [row.label for row in shown], fontsize=8)
    axes.set_ylim(max(0.5, len(shown) - 0.5), -0.5)
    axes.set_xlim(0, duration_s)
    axes.set_xlabel("seconds", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _thumbnail(crop_jpeg: bytes) -> NDArray[np.uint8]:
    return cv2.resize(decode_jpeg(crop_jpeg), (_CELL_PX, _CELL_PX), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _jpeg_that_fits(picture: NDArray[np.uint8]) -> bytes:
    encoded = b""
    for quality in (85, 70, 55, 40, 25, 10):
        encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(encoded) <= MAX_PICTURE_BYTES:
            break
    return encoded
