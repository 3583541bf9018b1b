import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from resources.configuration.run_settings import REGISTRY_KEYS
from resources.models.registry import load_registry
from resources.system.paths import project_dir
from screenalytics_assets.core.config.keys import STAGE_FILES, flatten, section_of_key
from screenalytics_assets.core.config.layers import Layer, resolve
from screenalytics_assets.docs_generator.stage_files import stage_file_text

PIPELINE = project_dir() / "config" / "pipeline"
PROFILES: dict[str, Any] = yaml.safe_load((PIPELINE / "performance_profiles.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("section", "name"), STAGE_FILES.items())
def test_a_stage_file_begins_with_every_key_of_its_section(section: str, name: str) -> None:
    text = (PIPELINE / name).read_text(encoding="utf-8")
    assert text.startswith(stage_file_text(section))


@pytest.mark.parametrize("section", STAGE_FILES)
def test_uncommenting_a_stage_file_gives_the_keys_of_its_section_with_their_defaults(section: str) -> None:
    lines = stage_file_text(section).splitlines()
    uncommented = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[lines.index("#") :])
    values = flatten(yaml.safe_load(uncommented))
    assert set(values) == {key for key, own in section_of_key().items() if own == section}
    assert resolve([Layer("file", values)]).settings == resolve([]).settings


@pytest.mark.parametrize("section", STAGE_FILES)
def test_every_key_has_a_description(section: str) -> None:
    lines = stage_file_text(section).splitlines()
    for number, line in enumerate(lines):
        if re.fullmatch(r"# +\w+: \S.*", line):
            assert re.fullmatch(r"# +# .{10,}", lines[number - 1]), line


@pytest.mark.parametrize("section", STAGE_FILES)
def test_stage_files_fit_the_line_length(section: str) -> None:
    assert max(map(len, stage_file_text(section).splitlines())) <= 120


def test_a_section_that_does_not_exist_has_no_stage_file() -> None:
    with pytest.raises(KeyError):
        stage_file_text("no_such_section")


def test_every_configuration_file_is_read() -> None:
    assert {path.name for path in PIPELINE.iterdir()} == {*STAGE_FILES.values(), "performance_profiles.yaml"}


@pytest.mark.parametrize("profile", PROFILES["profiles"])
def test_every_profile_has_known_keys_and_allowed_values(profile: str) -> None:
    values = PROFILES["profiles"][profile]
    assert set(flatten(values)) <= set(section_of_key())
    resolve([Layer(f"profile {profile}", values)])


def test_the_profiles_are_those_of_the_contract() -> None:
    assert set(PROFILES["profiles"]) == {"fast_cpu", "balanced", "high_accuracy"}
    assert PROFILES["aliases"] == {"low_power": "fast_cpu"}
    assert PROFILES["default_profile"] == "balanced"


@pytest.mark.parametrize("profile", PROFILES["profiles"])
def test_no_profile_analyses_so_few_frames_that_tracks_break(profile: str) -> None:
    settings = resolve([Layer(f"profile {profile}", PROFILES["profiles"][profile])]).settings
    for fps in (24, 25, 30, 60):
        between_frames_s = max(settings.detection.frame_stride / fps, 1 / settings.detection.detection_fps_limit)
        assert 2 * between_frames_s <= settings.tracking.track_buffer_s


def test_the_keys_of_the_contract_exist() -> None:
    contract = """frame_stride detection_fps_limit cluster_thresh min_cluster_size min_identity_sim min_quality_score
        min_face_size max_yaw_angle max_pitch_angle max_crops_per_track max_crops_per_episode sampling_strategy
        thumb_size jpeg_quality outlier_handling.treat_as_singletons outlier_handling.mark_low_cohesion"""
    assert set(contract.split()) <= set(section_of_key())
    defaults = resolve([]).settings
    assert (defaults.faces.max_crops_per_track, defaults.faces.max_crops_per_episode) == (16, 10_000)


def test_models_yaml_holds_the_registry_and_nothing_unknown() -> None:
    content = yaml.safe_load((PIPELINE / "models.yaml").read_text(encoding="utf-8"))
    assert set(content) == REGISTRY_KEYS


def test_every_pack_declares_every_threshold_that_is_null_by_default() -> None:
    registry = load_registry(PIPELINE / "models.yaml")
    defaults = resolve([]).settings
    undeclared = {
        f"{name}: {key}"
        for name, pack in registry.packs.items()
        for entry, keys in (
            (registry.detectors[pack.detector.sha256], ("confidence_th", "track_thresh")),
            (
                registry.embedders[pack.embedder.sha256],
                (
                    "cluster_thresh",
                    "tight_thresh",
                    "min_identity_sim",
                    "min_cohesion",
                    "gate_hard_sim",
                    "gate_soft_sim",
                    "name_similarity",
                    "name_margin",
                    "min_photo_sim",
                ),
            ),
        )
        for key in keys
        if getattr(entry, key) is None
    }
    assert not undeclared
    assert defaults.detection.confidence_th is None


def test_no_pack_starts_tracks_below_the_threshold_of_its_detector() -> None:
    for entry in load_registry(PIPELINE / "models.yaml").detectors.values():
        assert entry.track_thresh is not None
        assert entry.confidence_th is not None
        assert entry.track_thresh >= entry.confidence_th


def test_no_path_in_the_configuration_belongs_to_one_machine() -> None:
    for path in Path(PIPELINE).iterdir():
        assert not re.search(r"/(home|root|work|Users|tmp)/", path.read_text(encoding="utf-8")), path.name
