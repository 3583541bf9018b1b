"""Where models run, and what ONNX Runtime calls it."""

from typing import Literal, NamedTuple

Device = Literal["auto", "cpu", "cuda"]

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"


class Cuda(NamedTuple):
    """How a session runs where it runs on CUDA; the CPU knows nothing of it.

    Attributes:
        fp16: Compute in 16 bits.
        memory_gb: Most memory of the card that the session's arena takes; 0 is no limit.
        free_batch: Free the first axis of the input.
    """

    fp16: bool = False
    memory_gb: float = 0.0
    free_batch: bool = False
