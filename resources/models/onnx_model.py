"""An ONNX model made ready to run: what it computes stays the same."""

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from screenalytics_assets.core.common.errors import ModelPackError

_FIRST_IR_WITH_CONSTANT_WEIGHTS = 4


def prepare_model(model_bytes: bytes, *, free_axes: tuple[int, ...] = ()) -> bytes:
    """Free axes of the input, and make weights constants.

    Files of before ONNX's IR version 4 list their weights as inputs too. ONNX Runtime then takes them for values that
    may change, and folds none of the normalisations into the convolutions: CenterFace takes 2.2 times as long.

    Args:
        model_bytes: An ONNX model, whole.
        free_axes: Axes of the input whose fixed size in the file is to be any size.

    Raises:
        ModelPackError: The bytes are no ONNX model.
    """
    model = parse_model(model_bytes)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) < len(model.graph.input):
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        model.ir_version = max(model.ir_version, _FIRST_IR_WITH_CONSTANT_WEIGHTS)
    elif not free_axes:
        return model_bytes
    if free_axes:
        _free(model, free_axes)
    return bytes(model.SerializeToString())


def in_half_precision(model_bytes: bytes) -> bytes:
    """The model with weights and sums of 16 bits; its inputs and outputs keep 32."""
    # Imported here, because it brings much that only this needs.
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(parse_model(model_bytes), keep_io_types=True)
    # The converter adds a cast twice where two nodes read the same value; names must be unique.
    nodes = list({node.SerializeToString(): node for node in model.graph.node}.values())
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def parse_model(model_bytes: bytes) -> onnx.ModelProto:
    """The model in these bytes.

    Raises:
        ModelPackError: They hold none.
    """
    try:
        model = onnx.load_from_string(model_bytes)
    except DecodeError as error:
        raise ModelPackError("not an ONNX model: the content cannot be parsed as one") from error
    if not model.graph.node:
        raise ModelPackError("not an ONNX model: it holds no operations")
    return model


def _free(model: onnx.ModelProto, axes: tuple[int, ...]) -> None:
    for value in model.graph.input:
        sizes = value.type.tensor_type.shape.dim
        for axis in axes:
            sizes[axis].dim_param = f"{value.name}_{axis}"
    # Sizes further down follow from the input; those in the file hold for its fixed size only.
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
