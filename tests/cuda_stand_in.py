"""Stands in for a GPU: what would run on CUDA runs on the CPU, and reports CUDA as its provider."""

from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import onnxruntime
import pytest

from resources.models import onnx_session
from screenalytics_assets.core.config.providers import CPU, CUDA


class Asked(NamedTuple):
    """The options of a session on CUDA."""

    options: dict[str, str]


class _OnTheCard:
    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get_providers(self) -> list[str]:
        return [CUDA, CPU]


def stand_in_for_cuda(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Install it; returns the list to which each new session on CUDA is added."""
    asked: list[Asked] = []
    on_providers = onnx_session._session_on

    def session_on(providers: list[Any], model_bytes: bytes, threads: int) -> Any:
        session = on_providers([CPU], model_bytes, threads)
        if providers == [CPU]:
            return session
        assert providers[0][0] == CUDA
        asked.append(Asked(providers[0][1]))
        return _OnTheCard(session)

    monkeypatch.setattr(onnx_session, "_sessions", WeakValueDictionary())
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnx_session, "_preload_cuda", lambda: None)
    monkeypatch.setattr(onnx_session, "_session_on", session_on)
    return asked
