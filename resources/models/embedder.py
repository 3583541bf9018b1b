"""Face embedders: an aligned crop in, a unit vector out."""

import io
from typing import Any, Protocol

import numpy as np
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from numpy.typing import NDArray

from resources.models.onnx_session import create_session
from resources.models.packs import EmbedderSpec, ModelPack
from screenalytics_assets.core.common.errors import ModelPackError
from screenalytics_assets.core.config.providers import CUDA, Device
from screenalytics_assets.core.detection.alignment import ARCFACE_PX

BATCH_SIZE = 8
"""On 2 CPU threads MobileFaceNet takes 3.8 ms a face in batches of 8, 5.4 ms one by one."""
CUDA_BATCH_SIZE = 64
"""A GPU needs larger batches to be busy. Not measured on one."""


class FaceEmbedder(Protocol):
    """Turns aligned face crops into vectors; their dot product is the similarity of two faces.

    Safe to call from several threads.
    """

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""

    @property
    def provider(self) -> str:
        """The ONNX Runtime provider that runs it, for example ``CPUExecutionProvider``."""

    def embed(self, crops_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 112, 112, 3) crops to (N, dimension) vectors of unit norm; N may be 0."""


class ArcFaceEmbedder:
    """ArcFace through InsightFace, in batches."""

    def __init__(self, spec: EmbedderSpec, net: ArcFaceONNX) -> None:
        self.digest = spec.file.sha256
        self.provider = str(net.session.get_providers()[0])
        self._spec = spec
        self._net = net

    def embed(self, crops_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 112, 112, 3) crops to (N, dimension) vectors of unit norm; N may be 0.

        Raises:
            ValueError: The crops have another shape or type.
            ModelPackError: The net gave a zero or non-finite vector.
        """
        if crops_bgr.shape[1:] != (ARCFACE_PX, ARCFACE_PX, 3) or crops_bgr.dtype != np.uint8:
            raise ValueError(f"expected (N, 112, 112, 3) uint8, found {crops_bgr.shape} {crops_bgr.dtype}")
        size = CUDA_BATCH_SIZE if self.provider == CUDA else BATCH_SIZE
        batches = [self._run(crops_bgr[start : start + size]) for start in range(0, len(crops_bgr), size)]
        if not batches:
            return np.empty((0, self._spec.entry.dimension), np.float32)
        return _unit(np.concatenate(batches), self._spec)

    def _run(self, crops_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        # Nets that were exported for a single crop return a batch as (1, N·dimension).
        output: NDArray[np.float32] = self._net.get_feat(list(crops_bgr))
        return output.reshape(len(crops_bgr), -1)

    def check_form(self) -> None:
        """Embed two crops, together and one by one.

        Raises:
            ModelPackError: The vectors have another dimension, or depend on what else is in the batch.
        """
        crops = np.random.default_rng(0).integers(0, 256, (2, ARCFACE_PX, ARCFACE_PX, 3), dtype=np.uint8)
        together = self._run(crops)
        alone = np.concatenate([self._run(crops[:1]), self._run(crops[1:])])
        dimension = self._spec.entry.dimension
        if together.shape != (2, dimension):
            raise ModelPackError(
                f"{self._spec.file.path} gives vectors of {together.shape[1]} numbers; expected {dimension}"
            )
        # A net that mixes the crops of a batch differs in the first digit; another order of summation, in the last.
        if not np.allclose(_unit(together, self._spec), _unit(alone, self._spec), atol=1e-3):
            raise ModelPackError(
                f"{self._spec.file.path} gives other vectors in a batch than one by one; "
                "export it with a free batch axis"
            )


def load_embedder(pack: ModelPack, *, device: Device, threads: int, cuda_memory_gb: float = 0.0) -> FaceEmbedder:
    """Load the embedder of a pack after verifying its file.

    Args:
        pack: The pack.
        device: Where it runs.
        threads: CPU threads; 0 takes what the quota allows.
        cuda_memory_gb: On CUDA, the most GPU memory that the model takes; 0 is no limit.

    Raises:
        ModelPackError: The file is missing, altered, or no such embedder.
        DeviceError: CUDA was asked for and is not available.
    """
    spec = pack.embedder
    model_bytes = spec.file.read_verified()
    try:
        session = create_session(
            model_bytes, device=device, threads=threads, free_axes=(0,), cuda_memory_gb=cuda_memory_gb
        )
    except ModelPackError as error:
        raise ModelPackError(f"{spec.file.path}: {error}") from error
    _check_input(spec, session)
    # From the operations in the file InsightFace finds out how the input is scaled.
    net = ArcFaceONNX(model_file=io.BytesIO(model_bytes), session=session)
    if spec.entry.input_mean is not None:
        net.input_mean = spec.entry.input_mean
    if spec.entry.input_std is not None:
        net.input_std = spec.entry.input_std
    embedder = ArcFaceEmbedder(spec, net)
    embedder.check_form()
    return embedder


def _check_input(spec: EmbedderSpec, session: Any) -> None:  # noqa: ANN401
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape
    if len(inputs) != 1 or len(outputs) != 1 or list(shape[1:]) != [3, ARCFACE_PX, ARCFACE_PX]:
        raise ModelPackError(
            f"{spec.file.path} does not have the form of an embedder: {len(inputs)} input(s), the "
            f"first {shape}, and {len(outputs)} output(s); expected one (N, 3, {ARCFACE_PX}, {ARCFACE_PX}) in and "
            "one out"
        )


def _unit(vectors: NDArray[np.float32], spec: EmbedderSpec) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(norms[:, 0]) & (norms[:, 0] > 0)))
    if bad.size:
        raise ModelPackError(
            f"{spec.file.path} gave a zero or non-finite vector for crop {bad[0]} of {len(vectors)}; the "
            "weights do not run correctly on this device, try another (device: cpu)"
        )
    unit: NDArray[np.float32] = vectors / norms
    return unit
