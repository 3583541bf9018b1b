"""Thresholds that belong to the models, and how they get into the configuration."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.config.keys import Settings, section_of_key
from screenalytics_assets.core.config.layers import Resolved


class Thresholds(NamedTuple):
    """The thresholds of a run, all with a value.

    Attributes:
        confidence_th: Minimum score of a detection, the verifier's or, without one, the detector's.
        track_thresh: Minimum score that starts a track.
        min_confidence: Minimum score of an embedded face.
        cluster_thresh: Mean cosine similarity at which clusters of many faces are merged.
        tight_thresh: The same for two clusters of a single face each.
        min_identity_sim: Minimum mean cosine similarity of a track to the others of its identity.
        min_cohesion: Minimum mean cosine similarity within an identity that is not flagged.
        gate_hard_sim: Cosine similarity to its track below which a detection is another face.
        gate_soft_sim: The same below which it is ambiguous; at or above it, two tracklets are one face.
        recluster_thresh: ``cluster_thresh`` of the cleanup.
        recluster_tight_thresh: ``tight_thresh`` of the cleanup.
        name_similarity: Minimum mean cosine similarity of an identity to the photos of its person.
        name_margin: Minimum lead of that similarity over the second best person.
        min_photo_sim: Minimum cosine similarity of a photo to a track or photo of the same person.
    """

    confidence_th: float
    track_thresh: float
    min_confidence: float
    cluster_thresh: float
    tight_thresh: float
    min_identity_sim: float
    min_cohesion: float
    gate_hard_sim: float
    gate_soft_sim: float
    recluster_thresh: float
    recluster_tight_thresh: float
    name_similarity: float
    name_margin: float
    min_photo_sim: float


def thresholds_of(settings: Settings) -> Thresholds:
    """The thresholds of a configuration that `fill_from_models` has completed.

    Raises:
        ConfigurationError: One of them is null.
    """
    values = {name: _value_of(settings, name) for name in Thresholds._fields}
    empty = [name for name, value in values.items() if value is None]
    if empty:
        raise ConfigurationError(f"no value for {', '.join(empty)}: neither the configuration nor the models give one")
    return Thresholds(**values)


def fill_from_models(resolved: Resolved, model_values: Mapping[str, float | None], source: str) -> Resolved:
    """Set the keys that are null to the values that the models declare.

    Args:
        resolved: The configuration of the layers.
        model_values: Values declared for the detector and the embedder; None if not declared.
        source: Name of the pack, for the provenance and messages.

    Raises:
        ConfigurationError: A threshold has no value in either.
    """
    missing = {key: value for key, value in model_values.items() if _value_of(resolved.settings, key) is None}
    undeclared = sorted(key for key, value in missing.items() if value is None)
    if undeclared:
        raise ConfigurationError(
            f"{source} declares no {', '.join(undeclared)}: set it with --set {undeclared[0]}=VALUE, or declare it "
            "in the pack.yaml of the model folder"
        )
    settings = resolved.settings
    for key, value in missing.items():
        section = section_of_key()[key]
        changed = getattr(settings, section).model_copy(update={key: value})
        settings = settings.model_copy(update={section: changed})
    return Resolved(settings, {**resolved.provenance, **dict.fromkeys(missing, source)})


def _value_of(settings: Settings, key: str) -> Any:  # noqa: ANN401 - any key
    return getattr(getattr(settings, section_of_key()[key]), key)
