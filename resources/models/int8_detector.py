"""A detector in 8 bits: quantised on frames, and written as a pack of its own."""

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import yaml
from numpy.typing import NDArray

from resources.models.detector import detector_on, free_axes, input_sizes
from resources.models.model_packs import PACK_FILE, ModelPack, sha256_of
from resources.models.onnx_model import parse_model, prepare_model
from resources.models.onnx_session import create_session
from screenalytics_assets.core.common.errors import ModelPackError
from screenalytics_assets.core.config.detection_keys import DetectionSettings

_FIRST_OPSET_WITH_SCALES_PER_CHANNEL = 13
_CLOSE_LOOK_EVERY = 8
Picture = NDArray[np.uint8]
Blob = NDArray[np.float32]


class _Recorder:
    """A session that keeps what it is fed."""

    def __init__(self, session: Any) -> None:  # noqa: ANN401 - onnxruntime has no types
        self._session = session
        self.fed: list[Blob] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._session, name)

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, Blob]) -> Any:  # noqa: ANN401
        self.fed += feeds.values()
        return self._session.run(names, feeds)


def detector_inputs(pack: ModelPack, frames: Iterable[Picture], settings: DetectionSettings) -> list[Blob]:
    """What the detector's net sees of these frames, close looks and close-up passes included."""
    spec = pack.detector
    session = create_session(spec.file.read_verified(), device="cpu", threads=0, free_axes=free_axes(spec))
    recorder = _Recorder(session)
    sizes = input_sizes(settings.detector_input_px, settings.closeup_input_px, settings.close_look_scale)
    detector = detector_on(recorder, spec, sizes, settings.nms_iou)
    for i, frame in enumerate(frames):
        detector.detect(frame, confidence_th=spec.entry.confidence_th or 0.5, closely=i % _CLOSE_LOOK_EVERY == 0)
    return recorder.fed


def quantise_detector(pack: ModelPack, inputs: Sequence[Blob]) -> bytes:
    """The detector with weights and maps of 8 bits, scaled for each channel to the values that these inputs lead to.

    Raises:
        ModelPackError: The model cannot be brought to the version that 8 bits ask for.
    """
    # Imported here, because it brings much that only this needs.
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    spec = pack.detector
    model = parse_model(prepare_model(spec.file.read_verified(), free_axes=free_axes(spec)))
    try:
        model = onnx.version_converter.convert_version(model, _FIRST_OPSET_WITH_SCALES_PER_CHANNEL)
    except RuntimeError as error:
        raise ModelPackError(
            f"{spec.file.path} cannot be converted to opset {_FIRST_OPSET_WITH_SCALES_PER_CHANNEL}: {error}"
        ) from error
    name = model.graph.input[0].name
    # The tools make sessions of their own, which warn of every weight that is not used.
    onnxruntime.set_default_logger_severity(3)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(inputs)

        def get_next(self) -> dict[str, Blob] | None:
            blob = next(self._left, None)
            return None if blob is None else {name: blob}

    with tempfile.TemporaryDirectory() as scratch:
        whole, folded, small = (str(Path(scratch) / f"{stem}.onnx") for stem in ("whole", "folded", "int8"))
        # The converter lists weights as inputs again.
        Path(whole).write_bytes(prepare_model(model.SerializeToString()))
        quant_pre_process(whole, folded, skip_symbolic_shape=True)
        quantize_static(
            folded,
            small,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return Path(small).read_bytes()


def write_int8_pack(pack: ModelPack, detector: bytes, folder: Path) -> None:
    """A folder for ``model_dir``: the detector in 8 bits, the same embedder, and what is known about both."""
    folder.mkdir(parents=True)
    names = {"centerface": "centerface.onnx", "scrfd": "det_int8.onnx"}
    detector_path, embedder_path = folder / names[pack.detector.entry.kind], folder / "embedder.onnx"
    detector_path.write_bytes(detector)
    shutil.copyfile(pack.embedder.file.path, embedder_path)
    embedder = pack.embedder.entry.model_dump(exclude_none=True)
    for key in ("name", "licence", "commercial_use", "dimension", "calibration"):
        embedder.pop(key)
    declaration = {
        "licence": pack.licence,
        "commercial_use": pack.commercial_use,
        "sha256": {path.name: sha256_of(path.read_bytes()) for path in (detector_path, embedder_path)},
        "detector": pack.detector.entry.model_dump(include={"confidence_th", "track_thresh"}, exclude_none=True),
        "embedder": embedder,
    }
    (folder / PACK_FILE).write_text(yaml.safe_dump(declaration, sort_keys=False), encoding="utf-8")
