"""Contact sheets and timelines, small enough for the event log."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.detection.alignment import decode_jpeg
from screenalytics_assets.reports.pictures import MAX_PICTURE_BYTES
from screenalytics_assets.reports.timeline import COLOURS, ticks_of

_CELL_PX = 72
_LABEL_PX = 150
_PER_ROW = 8
_MAX_ROWS = 24
_INK = (40, 40, 40)
_NAME_PX, _SECONDS_PX, _MARGIN_PX = 190, 640, 20
_LANE_PX, _AXIS_PX = 26, 24


class SheetRow(NamedTuple):
    """A row of a contact sheet: a name, a remark, and JPEG crops."""

    label: str
    remark: str
    crops: Sequence[bytes]


class TimelineRow(NamedTuple):
    """A row of a timeline: a name and its intervals in seconds."""

    label: str
    intervals_s: Sequence[tuple[float, float]]


def contact_sheet(rows: Sequence[SheetRow]) -> bytes:
    """Crops in rows, as a JPEG small enough for the event log. Only the first rows are drawn."""
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


def sample_sheet(crops: Sequence[bytes]) -> bytes:
    """Crops in rows of eight, each row labelled with their numbers, as a JPEG that fits the event log."""
    rows = [crops[start : start + _PER_ROW] for start in range(0, len(crops), _PER_ROW)]
    return contact_sheet(
        [SheetRow(f"{i * _PER_ROW + 1} to {i * _PER_ROW + len(row)}", "", row) for i, row in enumerate(rows)]
    )


def timeline(rows: Sequence[TimelineRow], *, cuts_s: Sequence[float], duration_s: float) -> bytes:
    """When each person is on screen, with thin lines for cuts, as an SVG small enough for the event log."""
    shown = rows[:_MAX_ROWS]
    bottom = _LANE_PX * max(1, len(shown))
    width, height = _NAME_PX + _SECONDS_PX + _MARGIN_PX, bottom + _AXIS_PX
    per_s = _SECONDS_PX / duration_s
    cuts = "".join(f"M{_NAME_PX + x} 0V{bottom}" for x in sorted({round(ts_s * per_s) for ts_s in cuts_s}))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<path d="{cuts}" stroke="#bbb" stroke-width="0.6"/>',
    ]
    for line, row in enumerate(shown):
        middle = line * _LANE_PX + _LANE_PX // 2
        spans = "".join(f"M{_NAME_PX + x0} {middle}H{_NAME_PX + x1}" for x0, x1 in _pixels(row.intervals_s, per_s))
        colour = COLOURS[line % len(COLOURS)]
        parts.append(f'<text x="{_NAME_PX - 8}" y="{middle + 4}" text-anchor="end">{escape(row.label)}</text>')
        parts.append(f'<path d="{spans}" stroke="{colour}" stroke-width="{_LANE_PX * 3 // 4}"/>')
    parts.append(f'<path d="M{_NAME_PX} 0V{bottom}H{_NAME_PX + _SECONDS_PX}" fill="none" stroke="#444"/>')
    for ts_s, label in ticks_of(duration_s):
        x = _NAME_PX + round(ts_s * per_s)
        parts.append(f'<text x="{x}" y="{bottom + 15}" text-anchor="middle" fill="#444">{label}</text>')
    return "".join([*parts, "</svg>"]).encode()


def _pixels(intervals_s: Sequence[tuple[float, float]], per_s: float) -> list[tuple[int, int]]:
    """Intervals in whole pixels, at least one wide; touching intervals are merged to keep the SVG small."""
    merged: list[tuple[int, int]] = []
    for start_s, end_s in sorted(intervals_s):
        start = int(start_s * per_s)
        end = max(start + 1, round(end_s * per_s))
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _thumbnail(crop_jpeg: bytes) -> NDArray[np.uint8]:
    return cv2.resize(decode_jpeg(crop_jpeg), (_CELL_PX, _CELL_PX), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _jpeg_that_fits(picture: NDArray[np.uint8]) -> bytes:
    encoded = b""
    for quality in (85, 70, 55, 40, 25, 10):
        encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(encoded) <= MAX_PICTURE_BYTES:
            break
    return encoded
