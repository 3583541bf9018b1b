"""A contact sheet of crops with their figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.detection.alignment import decode_jpeg

_CELL_PX = 112
_CAPTION_PX = 32
_HEADING_PX = 28
_GAP_PX = 6
_PER_ROW = 8
_INK = (40, 40, 40)
_SUFFIXES = (".jpg", ".jpeg", ".png")


class CropCell(NamedTuple):
    """A crop of a detection with two lines of caption."""

    detection_id: str
    captions: tuple[str, str]


class SheetSection(NamedTuple):
    """A heading and the crops below it."""

    heading: str
    cells: Sequence[CropCell]


def check_sheet_path(path: Path) -> None:
    """Refuse a file format that `draw_sheet` cannot write.

    Raises:
        ConfigurationError: The name does not end in .jpg, .jpeg or .png.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigurationError(f"--out {path}: expected a name that ends in {', '.join(_SUFFIXES)}")


def draw_sheet(sections: Sequence[SheetSection], crops: Mapping[str, bytes], suffix: str) -> bytes:
    """The sections below each other, as a picture in the format of the suffix.

    Args:
        sections: The sections to draw.
        crops: The JPEG crops by detection id.
        suffix: ``.jpg``, ``.jpeg`` or ``.png``.
    """
    sheet = np.concatenate([_section(section, crops) for section in sections])
    return cv2.imencode(suffix.lower(), sheet)[1].tobytes()


def _section(section: SheetSection, crops: Mapping[str, bytes]) -> NDArray[np.uint8]:
    rows = max(1, -(-len(section.cells) // _PER_ROW))
    step_x, step_y = _CELL_PX + _GAP_PX, _CELL_PX + _CAPTION_PX + _GAP_PX
    canvas = np.full((_HEADING_PX + rows * step_y, _GAP_PX + _PER_ROW * step_x, 3), 255, np.uint8)
    _write(canvas, section.heading if section.cells else f"{section.heading}: none", _GAP_PX, 19, 0.5)
    for number, cell in enumerate(section.cells):
        top = _HEADING_PX + number // _PER_ROW * step_y
        left = _GAP_PX + number % _PER_ROW * step_x
        crop = cv2.resize(decode_jpeg(crops[cell.detection_id]), (_CELL_PX, _CELL_PX), interpolation=cv2.INTER_AREA)
        canvas[top : top + _CELL_PX, left : left + _CELL_PX] = crop
        for line, caption in enumerate(cell.captions):
            _write(canvas, caption, left, top + _CELL_PX + 12 + 14 * line, 0.34)
    return canvas


def _write(canvas: NDArray[np.uint8], text: str, x_px: int, y_px: int, scale: float) -> None:
    cv2.putText(canvas, text, (x_px, y_px), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)
