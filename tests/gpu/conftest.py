import numpy as np
import onnxruntime
import pytest

from resources.models.onnx_session import create_session
from screenalytics_assets.core.common.errors import DeviceError
from screenalytics_assets.core.config.providers import CUDA
from tests.unit.models.test_onnx_session import doubling_model


def why_no_card() -> str | None:
    """Why nothing runs on CUDA here, or None where it does."""
    if CUDA not in onnxruntime.get_available_providers():
        return f"this build of ONNX Runtime has no {CUDA}"
    try:
        session = create_session(doubling_model(), device="cuda", threads=1)
    except DeviceError as error:
        return str(error)
    session.run(None, {"x": np.ones((1, 3), np.float32)})
    return None


@pytest.fixture(scope="session", autouse=True)
def _card() -> None:
    reason = why_no_card()
    if reason is not None:
        pytest.skip(f"no card: {reason}")
