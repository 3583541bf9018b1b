"""Face vectors in a text file, short enough for people to scroll past."""

import base64
import binascii
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from screenalytics_assets.core.common.vectors import unit_rows

_LEVELS = 127
"""Largest magnitude of a signed byte. Rounding to it turns a vector of 512 numbers by less than 2 degrees."""


def packed(vector: NDArray[np.floating]) -> str:
    """A vector of N numbers as the base64 text of N signed bytes: 684 characters for 512."""
    scaled = np.asarray(vector, np.float64) * (_LEVELS / np.abs(vector).max())
    return base64.b64encode(np.rint(scaled).astype(np.int8).tobytes()).decode()


def unpacked(text: str) -> NDArray[np.float32]:
    """The (N,) unit vector of a text.

    Raises:
        ValueError: The text is not what `packed` writes.
    """
    try:
        vector = np.frombuffer(base64.b64decode(text, validate=True), np.int8).astype(np.float32)
    except binascii.Error as error:
        raise ValueError("not a vector: expected base64") from error
    if not vector.any():
        raise ValueError("not a vector: it is empty or zero")
    return unit_rows(vector[None])[0]


def _checked(text: str) -> str:
    unpacked(text)
    return text


PackedVector = Annotated[str, AfterValidator(_checked)]
"""A text that `unpacked` reads."""
