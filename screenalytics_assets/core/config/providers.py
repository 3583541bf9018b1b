"""Where models run, and what ONNX Runtime calls it."""

from typing import Literal

Device = Literal["auto", "cpu", "cuda"]

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
