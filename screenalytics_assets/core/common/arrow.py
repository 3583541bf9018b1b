"""Conversion between Arrow tables and NumPy arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def table_of(schema: pa.Schema, columns: Mapping[str, Any]) -> pa.Table:
    """A table with exactly the columns of a schema, in its order.

    Args:
        schema: The declared schema.
        columns: A sequence or array for each column; NaN becomes null in fields that allow
            nulls.

    Raises:
        pyarrow.ArrowInvalid: A value does not fit, or a field that allows no nulls has one.
    """
    arrays = [_column(field, columns[field.name]) for field in schema]
    table = pa.Table.from_arrays(arrays, schema=schema)
    table.validate(full=True)
    return table


def _column(field: pa.Field, values: Any) -> pa.Array:  # noqa: ANN401 - arrays, lists and Arrow arrays alike
    if isinstance(values, np.ndarray) and values.ndim > 1:
        return _fixed_lists(field.type, values)
    if isinstance(values, pa.ChunkedArray):
        array = values.combine_chunks()
    elif isinstance(values, pa.Array):
        array = values
    else:
        array = pa.array(values, type=field.type, from_pandas=field.nullable)
    if array.null_count and not field.nullable:
        raise pa.ArrowInvalid(f"column {field.name}: {array.null_count} nulls, but the column allows none")
    return array


def _fixed_lists(kind: pa.DataType, values: NDArray[Any]) -> pa.Array:
    inner = kind.value_type
    flat = values.reshape(-1, *values.shape[2:])
    items = _fixed_lists(inner, flat) if flat.ndim > 1 else pa.array(flat, type=inner)
    return pa.FixedSizeListArray.from_arrays(items, type=kind)


def boxes_of(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """A ``bbox`` column as (N, 4) float32."""
    return _floats(column, (4,))


def landmarks_of(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """A ``landmarks`` column as (N, 5, 2) float32."""
    return _floats(column, (5, 2))


def _floats(column: pa.ChunkedArray, shape: Sequence[int]) -> NDArray[np.float32]:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    for _ in shape:
        array = array.flatten()
    return np.asarray(array.to_numpy(zero_copy_only=False), np.float32).reshape(-1, *shape)


def column_of(table: pa.Table, name: str) -> NDArray[Any]:
    """A column of numbers or text as a NumPy array; nulls in a float column become NaN."""
    return table.column(name).to_numpy()
