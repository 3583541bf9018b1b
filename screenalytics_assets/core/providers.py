"""What ONNX Runtime calls the places where it computes."""

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
