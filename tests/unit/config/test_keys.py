import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from resources.configuration.run_settings import (
    RunSettings,
    declared_thresholds,
    environment_layer,
    parse_assignment,
    profile_layer,
    read_yaml,
    resolve_settings,
)
from resources.models.packs import DetectorSpec, EmbedderSpec, ModelFile, ModelPack
from resources.models.registry import load_registry
from resources.settings import SettingsResource
from resources.system.paths import project_dir
from screenalytics_assets.automation.seasons.season_config import Season
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.core.config.keys import STAGE_FILES, Settings, flatten, section_of_key
from screenalytics_assets.core.config.layers import Layer, Resolved, resolve
from screenalytics_assets.core.config.thresholds import Thresholds, fill_from_models, thresholds_of
from screenalytics_assets.services.running.runs import run_config_of

WriteFile = Callable[[str, dict[str, Any]], None]

OTHER_VALUES: dict[str, Any] = {
    "frame_stride": 7,
    "detection_fps_limit": 3.5,
    "detector_input_px": 320,
    "closeup_input_px": 0,
    "close_look_scale": 2.0,
    "close_look_interval_s": 1.5,
    "still_interval_s": 0.25,
    "every_frame": True,
    "confidence_th": 0.11,
    "weak_confidence_fraction": 0.75,
    "nms_iou": 0.3,
    "min_box_px": 20.0,
    "thumb_size": 128,
    "jpeg_quality": 80,
    "cut_threshold": 0.9,
    "cut_ratio": 3.0,
    "flash_max_s": 0.15,
    "min_shot_s": 0.15,
    "track_thresh": 0.77,
    "match_thresh": 0.6,
    "track_buffer_s": 2.0,
    "gate_enabled": False,
    "gate_interval_s": 0.25,
    "gate_still_s": 3.0,
    "gate_hard_sim": 0.11,
    "gate_soft_sim": 0.55,
    "gate_streak": 5,
    "gate_iou": 0.3,
    "rejoin_gap_s": 4.0,
    "min_quality_score": 0.6,
    "min_confidence": 0.66,
    "min_face_size": 64.0,
    "min_sharpness": 30.0,
    "min_inside_fraction": 0.5,
    "max_yaw_angle": 30.0,
    "max_pitch_angle": 20.0,
    "sampling_strategy": "uniform",
    "max_crops_per_track": 4,
    "max_crops_per_episode": 50,
    "save_crops": False,
    "cluster_thresh": 0.44,
    "tight_thresh": 0.66,
    "min_identity_sim": 0.22,
    "min_cohesion": 0.33,
    "min_cluster_size": 3,
    "cannot_link_enabled": False,
    "cannot_link_min_frames": 5,
    "cannot_link_max_iou": 0.1,
    "count_pictures": True,
    "outlier_handling.treat_as_singletons": False,
    "outlier_handling.mark_low_cohesion": False,
    "actions": ["recluster"],
    "reembed_min_quality_score": 0.7,
    "reembed_max_yaw_angle": 20.0,
    "reembed_min_faces": 2,
    "recluster_thresh": 0.41,
    "recluster_tight_thresh": 0.61,
    "name_similarity": 0.51,
    "name_margin": 0.2,
    "join_probability": 0.8,
    "gap_tolerance_s": 0.3,
    "edge_padding_s": 0.2,
    "photo_min_face_size": 64.0,
    "photo_min_sharpness": 30.0,
    "photo_min_inside_fraction": 0.8,
    "photo_max_second_face": 0.25,
    "min_photo_sim": 0.5,
    "model_pack": "buffalo_l",
    "verifier_pack": "checked",
    "model_dir": "weights",
    "device": "cpu",
    "cpu_threads": 3,
    "cuda_memory_gb": 2.5,
    "write_jsonl": False,
}


@pytest.fixture(autouse=True)
def write_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteFile:
    """The shipped configuration in a folder of the test's own, no settings in the environment."""
    shutil.copytree(project_dir() / "config", tmp_path / "config")
    for name in environment_names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SCREENALYTICS_PROFILE", raising=False)
    monkeypatch.setenv("SCREENALYTICS_CONFIG_DIR", str(tmp_path / "config"))

    def write(name: str, content: dict[str, Any]) -> None:
        (tmp_path / "config" / "pipeline" / name).write_text(yaml.safe_dump(content), encoding="utf-8")

    return write


def environment_names() -> list[str]:
    return [f"SCREENALYTICS_{key.upper().replace('.', '__')}" for key in section_of_key()]


def value_of(resolved: Resolved, key: str) -> object:
    return flatten(resolved.settings.model_dump())[f"{section_of_key()[key]}.{key}"]


def profiles(**values: Any) -> dict[str, Any]:
    return {"default_profile": "plain", "aliases": {"mine": "own"}, "profiles": {"plain": {}, "own": values}}


# The keys


def test_keys_are_unique_across_sections() -> None:
    leaves = [f"{section}.{key}" for key, section in section_of_key().items()]
    assert sorted(leaves) == sorted(flatten(Settings().model_dump()))


def test_the_values_of_these_tests_are_not_the_defaults() -> None:
    assert set(OTHER_VALUES) == set(section_of_key())
    defaults = resolve([])
    assert not [key for key, value in OTHER_VALUES.items() if value_of(defaults, key) == value]


@pytest.mark.parametrize("key", section_of_key())
def test_any_key_can_be_set_and_changes_the_digest(key: str) -> None:
    resolved, plain = resolve_settings(overrides={key: OTHER_VALUES[key]}), resolve_settings()
    assert value_of(resolved, key) == OTHER_VALUES[key]
    assert resolved.settings.digest() != plain.settings.digest()
    assert [other for other in section_of_key() if value_of(resolved, other) != value_of(plain, other)] == [key]


def test_the_digest_depends_on_the_values_and_not_on_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    by_run = resolve_settings(overrides={"frame_stride": 7}).settings.digest()
    monkeypatch.setenv("SCREENALYTICS_FRAME_STRIDE", "7")
    assert resolve_settings().settings.digest() == by_run


@pytest.mark.parametrize("key", section_of_key())
def test_any_key_can_be_set_in_the_environment(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SCREENALYTICS_{key.upper().replace('.', '__')}", str(OTHER_VALUES[key]))
    resolved = resolve_settings()
    assert value_of(resolved, key) == OTHER_VALUES[key]
    assert resolved.provenance[key] == "environment"


@pytest.mark.parametrize("key", section_of_key())
def test_any_key_can_be_set_in_its_stage_file_and_only_there(key: str, write_file: WriteFile) -> None:
    own = STAGE_FILES[section_of_key()[key]]
    other = "tracking.yaml" if own != "tracking.yaml" else "detection.yaml"
    parent, _, leaf = key.rpartition(".")
    content = {parent: {leaf: OTHER_VALUES[key]}} if parent else {key: OTHER_VALUES[key]}
    write_file(own, content)
    assert value_of(resolve_settings(), key) == OTHER_VALUES[key]
    write_file(own, {})
    write_file(other, content)
    with pytest.raises(ConfigurationError, match=rf"{other}.*{key}.*{own}"):
        resolve_settings()


# Precedence


def test_the_run_overrides_the_environment_the_profile_the_file_and_the_default(
    write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stride_and_source(profile: str | None = None, **overrides: int) -> tuple[int, str]:
        resolved = resolve_settings(profile, overrides)
        return resolved.settings.detection.frame_stride, resolved.provenance["frame_stride"]

    assert stride_and_source() == (3, "default")
    write_file("detection.yaml", {"frame_stride": 4})
    assert stride_and_source() == (4, "config/pipeline/detection.yaml")
    write_file("performance_profiles.yaml", profiles(frame_stride=5))
    assert stride_and_source() == (4, "config/pipeline/detection.yaml")
    assert stride_and_source("own") == (5, "profile own")
    monkeypatch.setenv("SCREENALYTICS_FRAME_STRIDE", "6")
    assert stride_and_source("own") == (6, "environment")
    assert stride_and_source("own", frame_stride=7) == (7, "run configuration")


def test_a_layer_without_a_key_leaves_it_to_the_layers_below(write_file: WriteFile) -> None:
    write_file("clustering.yaml", {"outlier_handling": {"treat_as_singletons": False}})
    resolved = resolve_settings(overrides={"outlier_handling.mark_low_cohesion": False})
    assert resolved.settings.clustering.outlier_handling.model_dump() == {
        "treat_as_singletons": False,
        "mark_low_cohesion": False,
    }
    assert resolved.provenance["outlier_handling.treat_as_singletons"] == "config/pipeline/clustering.yaml"


def test_null_in_a_higher_layer_leaves_a_threshold_to_the_models(write_file: WriteFile) -> None:
    write_file("clustering.yaml", {"cluster_thresh": 0.9})
    assert resolve_settings(overrides={"cluster_thresh": None}).settings.clustering.cluster_thresh is None


def test_every_key_has_a_provenance() -> None:
    assert set(resolve_settings().provenance) == set(section_of_key())


# Profiles


def test_low_power_is_an_alias_of_fast_cpu() -> None:
    assert profile_layer("low_power") == profile_layer("fast_cpu")
    assert profile_layer("low_power").source == "profile fast_cpu"


def test_the_profile_of_the_environment_applies_unless_the_run_names_one(
    write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file("performance_profiles.yaml", profiles(frame_stride=5))
    monkeypatch.setenv("SCREENALYTICS_PROFILE", "mine")
    assert resolve_settings().settings.detection.frame_stride == 5
    assert resolve_settings("plain").settings.detection.frame_stride == 3


def test_a_profile_may_set_any_key(write_file: WriteFile) -> None:
    write_file("performance_profiles.yaml", profiles(**OTHER_VALUES))
    resolved = resolve_settings("own")
    assert {key: value_of(resolved, key) for key in OTHER_VALUES} == OTHER_VALUES


@pytest.mark.parametrize("source", ["run", "environment"])
def test_an_unknown_profile_is_refused_with_a_list_of_the_known_ones(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "environment":
        monkeypatch.setenv("SCREENALYTICS_PROFILE", "turbo")
    with pytest.raises(ConfigurationError, match=r"'turbo'.*balanced, fast_cpu, high_accuracy, low_power"):
        resolve_settings("turbo" if source == "run" else None)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"default_profile": "balanced", "profiles": {"balanced": {}}, "alias": {}},
        {"default_profile": "balanced", "aliases": {}, "profiles": {"balanced": ["frame_stride"]}},
        {"default_profile": "balanced", "aliases": {}, "profiles": ["balanced"]},
        {"default_profile": "gone", "aliases": {}, "profiles": {"balanced": {}}},
    ],
)
def test_a_malformed_profiles_file_is_refused_by_name(content: dict[str, Any], write_file: WriteFile) -> None:
    write_file("performance_profiles.yaml", content)
    with pytest.raises(ConfigurationError, match=r"performance_profiles\.yaml: "):
        resolve_settings()


# Unknown keys


def test_an_unknown_key_in_a_stage_file_is_refused_with_a_suggestion(write_file: WriteFile) -> None:
    write_file("detection.yaml", {"frame_strid": 4})
    with pytest.raises(ConfigurationError, match=r"detection\.yaml: unknown.*'frame_strid'.*mean 'frame_stride'"):
        resolve_settings()


def test_an_unknown_key_in_a_profile_is_refused_with_a_suggestion(write_file: WriteFile) -> None:
    write_file("performance_profiles.yaml", profiles(min_size=90, jpeg_qualty=80))
    with pytest.raises(ConfigurationError, match=r"profile own: unknown.*"):
        resolve_settings("own")


def test_an_unknown_environment_variable_is_refused_with_a_suggestion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENALYTICS_CLUSTER_TRESH", "0.4")
    with pytest.raises(ConfigurationError, match=r"SCREENALYTICS_CLUSTER_TRESH: unknown.*mean 'cluster_thresh'"):
        resolve_settings()


def test_an_unknown_key_of_the_run_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigurationError, match=r"run configuration: unknown.*'match_tresh'.*mean 'match_thresh'"):
        resolve_settings(overrides={"match_tresh": 0.5})


@pytest.mark.parametrize("key", ["outlier_handling.typo", "frame_stride.more", "clustering.cluster_thresh"])
def test_an_unknown_part_of_a_dotted_key_is_refused(key: str) -> None:
    parent, leaf = key.split(".")
    for overrides in ({key: 1}, {parent: {leaf: 1}}):
        with pytest.raises(ConfigurationError, match=f"unknown configuration key '{key}'"):
            resolve_settings(overrides=overrides)


def test_a_key_unlike_any_other_is_refused_with_a_list_of_all_keys() -> None:
    with pytest.raises(ConfigurationError, match=r"known keys: .*cluster_thresh, .*frame_stride"):
        resolve_settings(overrides={"xyzzy": 1})


@pytest.mark.parametrize("name", [name for name in STAGE_FILES.values() if name != "models.yaml"])
def test_the_model_registry_is_allowed_in_models_yaml_only(name: str, write_file: WriteFile) -> None:
    write_file(name, {"packs": {"open": {}, "more": 1}})
    with pytest.raises(ConfigurationError, match=rf"{name}: unknown configuration key 'packs"):
        resolve_settings()


@pytest.mark.parametrize("key", [1, True])
def test_a_key_that_is_not_text_is_refused(key: object, write_file: WriteFile) -> None:
    write_file("detection.yaml", {key: 1})  # type: ignore[dict-item]
    with pytest.raises(ConfigurationError, match="unknown configuration key"):
        resolve_settings()


@pytest.mark.parametrize(
    "name",
    [
        "CACHE_DIR",
        "DATA_ROOT",
        "DATABASE_URL",
        "FACEBANK_ROOT",
        "LOGS_BUCKET",
        "S3_CACHE_DIR",
        "S3_CACHE_GB",
        "SHARED_DIR",
    ],
)
def test_environment_variables_for_locations_are_not_settings(name: str) -> None:
    assert environment_layer({f"SCREENALYTICS_{name}": "somewhere"}).values == {}


def test_empty_variables_and_those_of_other_programs_are_ignored() -> None:
    assert environment_layer({"HOME": "x", "FRAME_STRIDE": "9", "SCREENALYTICS_FRAME_STRIDE": ""}).values == {}


# Wrong values


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("frame_stride", 0),
        ("frame_stride", 1.5),
        ("frame_stride", "often"),
        ("detection_fps_limit", 0),
        ("detection_fps_limit", float("inf")),
        ("nms_iou", float("nan")),
        ("thumb_size", 113),
        ("thumb_size", 100),
        ("jpeg_quality", 101),
        ("close_look_scale", 0.5),
        ("close_look_interval_s", 0),
        ("still_interval_s", -0.1),
        ("confidence_th", 1.1),
        ("weak_confidence_fraction", 0),
        ("cut_threshold", 1.0),
        ("flash_max_s", 0.3),
        ("min_shot_s", 0.3),
        ("match_thresh", 0),
        ("match_thresh", 1),
        ("match_thresh", None),
        ("track_buffer_s", -1),
        ("gate_enabled", "perhaps"),
        ("gate_interval_s", 0),
        ("gate_still_s", -1),
        ("gate_hard_sim", 1.0),
        ("gate_soft_sim", -1.0),
        ("gate_streak", 1),
        ("gate_iou", 1.0),
        ("rejoin_gap_s", -0.1),
        ("min_quality_score", 1.5),
        ("max_yaw_angle", 120),
        ("sampling_strategy", "random"),
        ("max_crops_per_track", 0),
        ("save_crops", "maybe"),
        ("cluster_thresh", 1.0),
        ("tight_thresh", -1.0),
        ("cannot_link_enabled", "perhaps"),
        ("cannot_link_min_frames", 0),
        ("cannot_link_max_iou", 0),
        ("outlier_handling.mark_low_cohesion", "sometimes"),
        ("reembed_min_quality_score", 1.1),
        ("reembed_max_yaw_angle", 0),
        ("reembed_min_faces", 0),
        ("recluster_thresh", 1.0),
        ("recluster_tight_thresh", -1.0),
        ("name_similarity", 1.0),
        ("name_margin", -0.1),
        ("gap_tolerance_s", -1),
        ("edge_padding_s", -0.1),
        ("photo_min_face_size", 0),
        ("photo_min_sharpness", -1),
        ("photo_min_inside_fraction", 1.1),
        ("photo_max_second_face", 2),
        ("min_photo_sim", 1.0),
        ("device", "gpu"),
        ("cuda_memory_gb", -1),
        ("model_pack", ""),
        ("verifier_pack", ""),
    ],
)
def test_a_wrong_value_is_refused_with_key_value_and_source(key: str, value: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve_settings(overrides={key: value})
    assert str(caught.value).startswith(f"run configuration: {key} = {value!r} is not allowed: ")


def test_an_unknown_cleanup_phase_is_refused_with_a_list_of_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"^run configuration: actions = 'regroup'.*'split_tracks'"):
        resolve_settings(overrides={"actions": ["reembed", "regroup"]})


@pytest.mark.parametrize("text", ["recluster,split_tracks", "[recluster, split_tracks, recluster]"])
def test_cleanup_phases_run_in_their_own_order_whatever_the_order_given(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_ACTIONS", text)
    assert resolve_settings().settings.cleanup.actions == ["split_tracks", "recluster"]


def test_the_cleanup_may_have_no_phases() -> None:
    assert resolve_settings(overrides={"actions": ""}).settings.cleanup.actions == []


def test_an_error_about_a_value_names_its_source(write_file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file("detection.yaml", {"frame_stride": -1})
    with pytest.raises(ConfigurationError, match=r"^config/pipeline/detection\.yaml: frame_stride = -1"):
        resolve_settings()
    write_file("detection.yaml", {})
    write_file("performance_profiles.yaml", profiles(frame_stride=-2))
    with pytest.raises(ConfigurationError, match=r"^profile own: frame_stride = -2"):
        resolve_settings("own")
    monkeypatch.setenv("SCREENALYTICS_FRAME_STRIDE", "-3")
    with pytest.raises(ConfigurationError, match=r"^environment: frame_stride = -3"):
        resolve_settings("own")


def test_all_wrong_values_are_reported_together() -> None:
    with pytest.raises(ConfigurationError, match=r"frame_stride.*; .*nms_iou"):
        resolve_settings(overrides={"frame_stride": 0, "nms_iou": 7})


def test_a_wrong_value_that_is_overridden_does_no_harm(write_file: WriteFile) -> None:
    write_file("detection.yaml", {"frame_stride": -1})
    assert resolve_settings(overrides={"frame_stride": 2}).settings.detection.frame_stride == 2


# Files and assignments


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("[1, 2]", "expected a mapping"), ("just text", "expected a mapping"), ("a: [", "not valid YAML")],
)
def test_a_stage_file_that_is_not_a_mapping_is_refused_by_name(content: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "config" / "pipeline" / "tracking.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"tracking\.yaml: {complaint}"):
        resolve_settings()


def test_a_missing_stage_file_is_reported_by_name(tmp_path: Path) -> None:
    (tmp_path / "config" / "pipeline" / "tracking.yaml").unlink()
    with pytest.raises(ConfigurationError, match=r"tracking\.yaml: no such file"):
        resolve_settings()


def test_a_binary_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "config" / "pipeline" / "tracking.yaml"
    path.write_bytes(b"\xff\xfe\x00match")
    with pytest.raises(ConfigurationError, match=r"tracking\.yaml"):
        resolve_settings()


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# only a remark\n", encoding="utf-8")
    assert read_yaml(path) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("frame_stride=4", ("frame_stride", 4)),
        ("frame_stride = 4", ("frame_stride", 4)),
        ("cluster_thresh=0.4", ("cluster_thresh", 0.4)),
        ("cluster_thresh=null", ("cluster_thresh", None)),
        ("save_crops=false", ("save_crops", False)),
        ("model_dir=/a=b", ("model_dir", "/a=b")),
    ],
)
def test_an_assignment_is_a_key_and_a_value(text: str, expected: tuple[str, object]) -> None:
    assert parse_assignment(text) == expected


@pytest.mark.parametrize("text", ["frame_stride", "", "=4", "  =4", "frame_stride=[1"])
def test_an_assignment_without_a_key_a_sign_or_a_valid_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--set"):
        parse_assignment(text)


@given(st.dictionaries(st.sampled_from(sorted(section_of_key())), st.none()))
def test_flat_and_nested_values_are_equivalent(keys: dict[str, None]) -> None:
    flat = {key: OTHER_VALUES[key] for key in keys}
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        parent, _, leaf = key.rpartition(".")
        (nested.setdefault(parent, {}) if parent else nested)[leaf] = value
    assert flatten(nested) == flat
    assert resolve([Layer("run", nested)]) == resolve([Layer("run", flat)])


# Thresholds of the models


DECLARED: dict[str, float | None] = {
    "confidence_th": 0.2,
    "track_thresh": 0.35,
    "min_confidence": 0.35,
    "cluster_thresh": 0.4,
    "tight_thresh": 0.42,
    "min_identity_sim": 0.45,
    "min_cohesion": 0.5,
    "gate_hard_sim": 0.2,
    "gate_soft_sim": 0.38,
    "recluster_thresh": 0.4,
    "recluster_tight_thresh": 0.42,
    "name_similarity": 0.45,
    "name_margin": 0.1,
    "min_photo_sim": 0.37,
}


def test_null_thresholds_come_from_the_models_and_say_so() -> None:
    complete = fill_from_models(resolve([]), DECLARED, "model pack open")
    assert thresholds_of(complete.settings) == Thresholds(**{k: float(v or 0) for k, v in DECLARED.items()})
    assert {complete.provenance[key] for key in DECLARED} == {"model pack open"}
    assert complete.provenance["frame_stride"] == "default"


def test_a_configured_threshold_overrides_the_models() -> None:
    resolved = resolve([Layer("run configuration", {"cluster_thresh": 0.9})])
    complete = fill_from_models(resolved, DECLARED | {"cluster_thresh": None}, "model pack open")
    assert thresholds_of(complete.settings).cluster_thresh == 0.9
    assert complete.provenance["cluster_thresh"] == "run configuration"


@pytest.mark.parametrize("key", DECLARED)
def test_a_threshold_without_any_value_is_an_error_that_says_what_to_do(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        fill_from_models(resolve([]), DECLARED | {key: None}, "model pack weights")
    assert str(caught.value).startswith(f"model pack weights declares no {key}: set it with --set {key}=VALUE")
    assert "pack.yaml" in str(caught.value)


def test_all_thresholds_need_a_value() -> None:
    with pytest.raises(ConfigurationError, match="confidence_th"):
        thresholds_of(Settings())


def test_filling_thresholds_changes_the_digest_and_does_not_mutate_its_input() -> None:
    resolved = resolve([])
    complete = fill_from_models(resolved, DECLARED, "model pack open")
    assert complete.settings.digest() != resolved.settings.digest()
    assert resolved.settings == Settings()


def pack_of_the_registry(name: str) -> ModelPack:
    registry = load_registry(project_dir() / "config" / "pipeline" / "models.yaml")
    entry = registry.packs[name]
    file = ModelFile(Path("none.onnx"), "0" * 64, "")
    return ModelPack(
        name=name,
        licence="",
        commercial_use=True,
        detector=DetectorSpec(file, registry.detectors[entry.detector.sha256]),
        embedder=EmbedderSpec(file, registry.embedders[entry.embedder.sha256]),
    )


@pytest.mark.parametrize("name", ["open", "buffalo_l"])
def test_a_shipped_pack_completes_the_configuration(name: str) -> None:
    pack = pack_of_the_registry(name)
    complete = fill_from_models(resolve_settings(), declared_thresholds(pack), f"model pack {name}")
    thresholds = thresholds_of(complete.settings)
    assert thresholds.min_confidence == thresholds.track_thresh
    assert thresholds.cluster_thresh == pack.embedder.entry.cluster_thresh


def test_a_bad_clustering_threshold_does_not_affect_the_cleanup() -> None:
    pack = pack_of_the_registry("open")
    bad = resolve_settings(overrides={"cluster_thresh": 0.9, "tight_thresh": 0.95})
    thresholds = thresholds_of(fill_from_models(bad, declared_thresholds(pack), "model pack open").settings)
    assert thresholds.recluster_thresh == pack.embedder.entry.cluster_thresh
    assert thresholds.recluster_tight_thresh == pack.embedder.entry.tight_thresh


# The resource


def test_the_resource_takes_a_profile_and_overrides() -> None:
    resolved = SettingsResource(profile="fast_cpu", overrides={"frame_stride": 9}).resolved()
    assert resolved.provenance["frame_stride"] == "run configuration"
    assert resolved.provenance["detection_fps_limit"] == "profile fast_cpu"


@pytest.mark.parametrize(
    "run_config",
    [
        run_config_of(None, dict([parse_assignment("cluster_thresh=null")]), force=False),
        Season(show="demo", season=1, overrides={"cluster_thresh": None}).run_config(),
        yaml.safe_load("resources: {settings: {config: {overrides: {cluster_thresh: null}}}}"),
    ],
    ids=["command line", "season", "launchpad"],
)
def test_null_in_the_run_configuration_leaves_a_threshold_to_the_models(
    run_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_CLUSTER_THRESH", "0.9")
    given: list[float | None] = []

    @dg.asset
    def thresholds(settings: SettingsResource) -> None:
        given.append(settings.resolved().settings.clustering.cluster_thresh)

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(
            [thresholds], instance=instance, resources={"settings": SettingsResource()}, run_config=run_config
        )
    assert given == [None]


def test_a_run_keeps_its_configuration_and_the_next_run_reads_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[RunSettings] = []

    @dg.asset
    def first(settings: SettingsResource) -> None:
        loaded.append(settings.load())
        monkeypatch.setenv("SCREENALYTICS_FRAME_STRIDE", "7")

    @dg.asset(deps=[first])
    def second(settings: SettingsResource) -> None:
        loaded.append(settings.load())

    shared = SettingsResource()
    for _ in range(2):
        with dg.DagsterInstance.ephemeral() as instance:
            dg.materialize([first, second], instance=instance, resources={"settings": shared})
    strides = [run.resolved.settings.detection.frame_stride for run in loaded]
    assert strides[0] == strides[1] != 7
    assert strides[2:] == [7, 7]
