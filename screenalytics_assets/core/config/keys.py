"""The whole configuration of a run, and the names of its keys.

A key has one name everywhere: in the stage's YAML file, in a profile, as ``SCREENALYTICS_<KEY>`` in the
environment (a dot becomes two underscores), on the command line and in the run configuration.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, Field

from screenalytics_assets.core.common.digests import digest_of
from screenalytics_assets.core.config.detection_keys import DetectionSettings, TrackingSettings
from screenalytics_assets.core.config.people_keys import (
    CleanupSettings,
    ClusteringSettings,
    FacebankSettings,
    FacesSettings,
)
from screenalytics_assets.core.config.providers import Device
from screenalytics_assets.core.config.ranges import DAY_S
from screenalytics_assets.core.config.section import Section


class ScreenTimeSettings(Section):
    """From tracks to screen time (``screen_time.yaml``)."""

    gap_tolerance_s: float = Field(
        1.0, ge=0, le=DAY_S, description="Longest gap within a shot over which a person still counts as on screen."
    )
    edge_padding_s: float = Field(
        0.0, ge=0, le=DAY_S, description="Time added at both ends of each interval, within its shot."
    )


class ModelSettings(Section):
    """Which weights run where (``models.yaml``)."""

    model_pack: str = Field("open", min_length=1, description="Name of a pack in models.yaml.")
    model_dir: str | None = Field(None, description="A folder with a detector and an embedder; overrides model_pack.")
    verifier_pack: str | None = Field(
        "open",
        min_length=1,
        description="The pack whose verifier looks at the boxes of detectors that need it; null is off.",
    )
    device: Device = Field("auto", description="cuda fails without a GPU; auto uses the GPU if there is one.")
    cpu_threads: int = Field(
        0, ge=0, le=1024, description="Threads of the model runtime; 0 is as many as the CPU quota."
    )
    cuda_memory_gb: float = Field(
        0.0, ge=0, le=1024, description="On CUDA, memory limit of each model, in GB; 0 is no limit."
    )


class OutputSettings(Section):
    """Optional output besides the tables that the graph reads (``output.yaml``)."""

    write_jsonl: bool = Field(True, description="Write the JSONL twin of each table, for people and other programs.")


class Settings(Section):
    """The whole configuration of a run."""

    detection: DetectionSettings = DetectionSettings()
    tracking: TrackingSettings = TrackingSettings()
    faces: FacesSettings = FacesSettings()
    clustering: ClusteringSettings = ClusteringSettings()
    cleanup: CleanupSettings = CleanupSettings()
    facebank: FacebankSettings = FacebankSettings()
    screen_time: ScreenTimeSettings = ScreenTimeSettings()
    models: ModelSettings = ModelSettings()
    output: OutputSettings = OutputSettings()

    def digest(self) -> str:
        """SHA-256 of the values, in hexadecimal."""
        return digest_of(self.model_dump(mode="json"))


STAGE_FILES: Mapping[str, str] = {
    "detection": "detection.yaml",
    "tracking": "tracking.yaml",
    "faces": "faces_embed_sampling.yaml",
    "clustering": "clustering.yaml",
    "cleanup": "cleanup.yaml",
    "facebank": "facebank.yaml",
    "screen_time": "screen_time.yaml",
    "models": "models.yaml",
    "output": "output.yaml",
}


def _leaves(model: type[BaseModel], prefix: str = "") -> Iterable[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def section_of_key() -> dict[str, str]:
    """Each key, for example ``outlier_handling.mark_low_cohesion``, and the section it belongs to."""
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {
        key: name
        for name, model in sections.items()
        if isinstance(model, type) and issubclass(model, BaseModel)
        for key in _leaves(model)
    }


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
