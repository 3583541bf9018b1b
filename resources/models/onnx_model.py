"""Prepares an ONNX model for the runtime; what it computes stays the same."""

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from screenalytics_assets.core.common.errors import ModelPackError

_FIRST_IR_WITH_CONSTANT_WEIGHTS = 4


def prepare_model(model_bytes: bytes, *, free_axes: tuple[int, ...] = ()) -> bytes:
    """Make axes of the input dynamic, and the weights constant.

    Before IR version 4, ONNX files list their weights among the inputs. ONNX Runtime then treats them as variable and
    does not fold normalisations into convolutions: CenterFace takes 2.2 times as long.

    Args:
        model_bytes: A whole ONNX model.
        free_axes: Axes of the input to make dynamic; the file gives them a fixed size.

    Raises:
        ModelPackError: The bytes are not an ONNX model.
    """
    model = _parse_model(model_bytes)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) < len(model.graph.input):
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        model.ir_version = max(model.ir_version, _FIRST_IR_WITH_CONSTANT_WEIGHTS)
    elif not free_axes:
        return model_bytes
    if free_axes:
        _make_dynamic(model, free_axes)
    return bytes(model.SerializeToString())


def _parse_model(model_bytes: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_from_string(model_bytes)
    except DecodeError as error:
        raise ModelPackError("not an ONNX model: the content cannot be parsed as one") from error
    if not model.graph.node:
        raise ModelPackError("not an ONNX model: it holds no operations")
    return model


def _free_reshapes(model: onnx.ModelProto) -> None:
    """Let the reshapes to (1, rows, columns) follow the size of the input: as many pictures, and whatever rows."""
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for tensor in model.graph.initializer:
        sizes = onnx.numpy_helper.to_array(tensor) if tensor.name in shapes else np.empty(0)
        if sizes.shape == (3,) and sizes[0] == 1 and sizes[1] > 1:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.array([0, -1, sizes[2]], np.int64), tensor.name))


def _make_dynamic(model: onnx.ModelProto, axes: tuple[int, ...]) -> None:
    for value in model.graph.input:
        sizes = value.type.tensor_type.shape.dim
        for axis in axes:
            sizes[axis].dim_param = f"{value.name}_{axis}"
    _free_reshapes(model)
    # Later shapes follow from the input; those in the file are only true for its fixed size.
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
