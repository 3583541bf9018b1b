import gc
import weakref

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from resources.models import onnx_session
from resources.models.onnx_model import prepare_model
from resources.models.onnx_session import create_session
from screenalytics_assets.core.common.errors import DeviceError, ModelPackError
from screenalytics_assets.core.config.providers import CPU, CUDA


def doubling_model(batch: int = 1) -> bytes:
    """A model that adds its input (batch, 3) to itself."""
    shape = [batch, 3]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def test_a_freed_axis_takes_any_size() -> None:
    session = create_session(doubling_model(), device="cpu", threads=1, free_axes=(0,))
    output = session.run(None, {"x": np.ones((5, 3), np.float32)})[0]
    np.testing.assert_array_equal(output, np.full((5, 3), 2, np.float32))


def model_with_weights_among_its_inputs() -> bytes:
    """A sum of x and w as files of before version 4 had it: w is an input that has a value."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in ("x", "w", "y")]
    weights = helper.make_tensor("w", TensorProto.FLOAT, [1, 3], [1.0, 2.0, 3.0])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "old", values[:2], values[2:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=3)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("free_axes", [(), (0,)])
def test_weights_that_a_file_lists_as_inputs_become_constants(free_axes: tuple[int, ...]) -> None:
    old = model_with_weights_among_its_inputs()
    prepared = onnx.load_from_string(prepare_model(old, free_axes=free_axes))
    assert [value.name for value in prepared.graph.input] == ["x"]
    session = create_session(old, device="cpu", threads=1, free_axes=free_axes)
    output = session.run(None, {"x": np.ones((1, 3), np.float32)})[0]
    np.testing.assert_array_equal(output, [[2, 3, 4]])


def test_a_model_that_needs_no_change_is_left_unchanged() -> None:
    assert prepare_model(doubling_model()) == doubling_model()


def test_a_model_that_is_in_use_is_not_loaded_again() -> None:
    first = create_session(doubling_model(2), device="cpu", threads=1)
    assert create_session(doubling_model(2), device="cpu", threads=1) is first
    assert create_session(doubling_model(3), device="cpu", threads=1) is not first
    assert create_session(doubling_model(2), device="cpu", threads=2) is not first


def test_a_model_that_is_no_longer_used_leaves_the_memory() -> None:
    released = weakref.ref(create_session(doubling_model(5), device="cpu", threads=1))
    gc.collect()
    assert released() is None


@pytest.mark.parametrize("content", [b"", b"this is no model", doubling_model()[: len(doubling_model()) // 2]])
def test_bytes_that_are_not_a_model_are_refused_in_plain_words(content: bytes) -> None:
    with pytest.raises(ModelPackError, match="ONNX"):
        create_session(content, device="cpu", threads=1)


def test_cuda_on_a_build_without_it_is_an_error_that_says_what_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    monkeypatch.setattr(onnx_session, "installed_runtimes", lambda: {"onnxruntime": "1.31.1"})
    with pytest.raises(DeviceError, match=r"onnxruntime 1\.31\.1.*GPU=1"):
        create_session(doubling_model(4), device="cuda", threads=1)


def test_two_installed_runtimes_are_named_as_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    both = {"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.0"}
    monkeypatch.setattr(onnx_session, "installed_runtimes", lambda: both)
    with pytest.raises(DeviceError, match="uninstall both"):
        create_session(doubling_model(5), device="cuda", threads=1)


@pytest.fixture
def cuda_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that lists CUDA and turns to the CPU when a session is made, as without a driver."""
    on_providers = onnx_session._session_on
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnx_session, "_preload_cuda", lambda: None)
    monkeypatch.setattr(
        onnx_session,
        "_session_on",
        lambda _providers, model_bytes, threads: on_providers([CPU], model_bytes, threads),
    )


@pytest.mark.usefixtures("cuda_that_does_not_start")
def test_cuda_that_does_not_start_is_an_error_and_not_a_silent_cpu() -> None:
    with pytest.raises(DeviceError, match="does not start"):
        create_session(doubling_model(6), device="cuda", threads=1)


@pytest.mark.usefixtures("cuda_that_does_not_start")
def test_auto_takes_the_cpu_and_says_so_when_cuda_does_not_start(caplog: pytest.LogCaptureFixture) -> None:
    session = create_session(doubling_model(7), device="auto", threads=1)
    assert session.get_providers() == [CPU]
    assert "running on the CPU" in caplog.text
