"""Sessions on CUDA: input that stays in one place on the card, and calls that overlap run as one batch.

They have the methods of ``onnxruntime.InferenceSession`` that InsightFace uses, and take one input.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from resources.models.batching import Batcher
from screenalytics_assets.core.config.providers import CPU, CUDA

Blob = NDArray[np.float32]
Outputs = list[NDArray[np.float32]]

_DEVICES = {CUDA: "cuda", CPU: "cpu"}
_SHAPES_KEPT = 8
_PROBE_PX = (64, 96)

_log = logging.getLogger(__name__)


class _AroundSession:
    """What is told of a session by one that runs it in another way."""

    def __init__(self, session: Any) -> None:  # noqa: ANN401 - onnxruntime has no types
        self._session = session

    def get_inputs(self) -> Any:  # noqa: ANN401
        """What the session says of its inputs."""
        return self._session.get_inputs()

    def get_outputs(self) -> Any:  # noqa: ANN401
        """What the session says of its outputs."""
        return self._session.get_outputs()

    def get_providers(self) -> Sequence[str]:
        """Where the session runs."""
        providers: Sequence[str] = self._session.get_providers()
        return providers


class BoundSession(_AroundSession):
    """A session with I/O binding: for each shape of input one place in the device's memory, used again and again."""

    def __init__(self, session: Any) -> None:  # noqa: ANN401 - onnxruntime has no types
        super().__init__(session)
        self._device = _DEVICES[session.get_providers()[0]]
        self._names = [output.name for output in session.get_outputs()]
        self._lock = threading.Lock()
        self._bound: OrderedDict[tuple[int, ...], tuple[Any, Any]] = OrderedDict()

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, Blob]) -> Outputs:
        """All outputs, or those of these names; calls from several threads wait for each other."""
        ((input_name, blob),) = feeds.items()
        with self._lock:
            place, binding = self._binding(input_name, blob.shape)
            place.update_inplace(np.ascontiguousarray(blob))
            self._session.run_with_iobinding(binding)
            outputs: Outputs = binding.copy_outputs_to_cpu()
        if names is None:
            return outputs
        return [outputs[self._names.index(name)] for name in names]

    def _binding(self, input_name: str, shape: tuple[int, ...]) -> tuple[Any, Any]:
        if shape not in self._bound:
            place = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, self._device, 0)
            binding = self._session.io_binding()
            binding.bind_ortvalue_input(input_name, place)
            for name in self._names:
                binding.bind_output(name, self._device)
            self._bound[shape] = place, binding
        self._bound.move_to_end(shape)
        while len(self._bound) > _SHAPES_KEPT:
            self._bound.popitem(last=False)
        return self._bound[shape]


class BatchedSession(_AroundSession):
    """A detector's session that runs the pictures of threads that call at the same time together."""

    def __init__(self, session: Any, most: int, anchors: int) -> None:  # noqa: ANN401
        """Gather calls.

        Args:
            session: Takes batches, and gives all outputs when asked for none by name.
            most: Pictures of a batch.
            anchors: Boxes of each cell in outputs of two axes.
        """
        super().__init__(session)
        # Not a method of this object: a circle would keep the model in memory after the detector is gone.
        self._batcher: Batcher[Blob, Outputs] = Batcher(partial(run_batch, session, anchors), most)

    def run(self, _names: Sequence[str] | None, feeds: Mapping[str, Blob]) -> Outputs:
        """All outputs for one picture (1, 3, H, W), as the session gives them for it alone."""
        ((_, blob),) = feeds.items()
        return self._batcher(blob, blob.shape)


def run_batch(session: Any, anchors: int, blobs: Sequence[Blob]) -> list[Outputs]:  # noqa: ANN401
    """The outputs for each of some pictures of one size, from one run; ``anchors`` as for ``BatchedSession``."""
    outputs = session.run(None, {session.get_inputs()[0].name: np.concatenate(blobs)})
    parts = [split_output(output, len(blobs), anchors) for output in outputs]
    return [[part[i] for part in parts] for i in range(len(blobs))]


def split_output(output: NDArray[np.float32], pictures: int, anchors: int) -> list[NDArray[np.float32]]:
    """The parts of a batch's output that belong to each picture.

    SCRFD's outputs of two axes have the pictures interleaved, (cells, pictures, anchors) in rows: the net moves its
    channels last and the batch with them. Others have the picture as their first axis.
    """
    if output.ndim > 2:
        return [output[i : i + 1] for i in range(pictures)]
    rows = output.reshape(-1, pictures, anchors, output.shape[-1])
    return [np.ascontiguousarray(rows[:, i]).reshape(-1, output.shape[-1]) for i in range(pictures)]


def detector_session(session: Any, overlapping: int, anchors: int) -> Any:  # noqa: ANN401
    """The session as a detector calls it: as it is on the CPU, bound on CUDA, and batched where calls overlap there.

    Args:
        session: An ``onnxruntime.InferenceSession`` of a detector.
        overlapping: How many threads call at the same time.
        anchors: As for ``BatchedSession``.
    """
    if session.get_providers()[0] != CUDA:
        return session
    bound = BoundSession(session)
    if overlapping == 1:
        return bound
    if not batch_equals_singles(bound, anchors):
        _log.warning("this detector gives other maps in a batch than one by one: pictures run one by one")
        return bound
    return BatchedSession(bound, overlapping, anchors)


def batch_equals_singles(session: Any, anchors: int) -> bool:  # noqa: ANN401
    """Whether two pictures of noise give the same maps together as alone.

    Maps that are mixed up differ by their whole range, sums in another order or in 16 bits by a hundredth of it.
    """
    name = session.get_inputs()[0].name
    pictures = np.random.default_rng(0).uniform(-1, 1, (2, 3, *_PROBE_PX)).astype(np.float32)
    together = [split_output(output, 2, anchors) for output in session.run(None, {name: pictures})]
    for i in range(2):
        alone = session.run(None, {name: pictures[i : i + 1]})
        for output, parts in zip(alone, together, strict=True):
            if parts[i].shape != output.shape or np.abs(parts[i] - output).max() > 0.05 * np.abs(output).max():
                return False
    return True
