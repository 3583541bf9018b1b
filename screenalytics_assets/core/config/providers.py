"""Devices that models run on, and the names of their ONNX Runtime providers."""

from typing import Literal

Device = Literal["auto", "cpu", "cuda"]

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
