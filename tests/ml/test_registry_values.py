"""The values that ``models.yaml`` declares for its models reach the runs that leave their keys null."""

import shutil
from pathlib import Path

import pytest
import yaml

from resources.models.packs import ModelPack
from resources.settings import SettingsResource
from resources.system.paths import project_dir
from screenalytics_assets.core.config.keys import section_of_key

DECLARED = {
    "confidence_th": "verifiers",
    "track_thresh": "verifiers",
    "cluster_thresh": "embedders",
    "tight_thresh": "embedders",
    "min_identity_sim": "embedders",
    "min_cohesion": "embedders",
    "gate_hard_sim": "embedders",
    "gate_soft_sim": "embedders",
    "min_photo_sim": "embedders",
    "name_similarity": "embedders",
    "name_margin": "embedders",
}
FOLLOWS = {
    "min_confidence": "track_thresh",
    "recluster_thresh": "cluster_thresh",
    "recluster_tight_thresh": "tight_thresh",
}
"""Limits that take the value of another one."""


@pytest.mark.parametrize("key", DECLARED)
def test_a_value_that_a_model_declares_is_the_limit_of_a_run(
    key: str, open_pack: ModelPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in section_of_key():
        monkeypatch.delenv(f"SCREENALYTICS_{name.upper().replace('.', '__')}", raising=False)
    shutil.copytree(project_dir() / "config", tmp_path / "config")
    monkeypatch.setenv("SCREENALYTICS_CONFIG_DIR", str(tmp_path / "config"))
    before = SettingsResource().load().thresholds
    path = tmp_path / "config" / "pipeline" / "models.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    spec = open_pack.verifier if DECLARED[key] == "verifiers" else open_pack.embedder
    assert spec is not None
    content[DECLARED[key]][spec.file.sha256][key] = 0.77
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    after = SettingsResource().load().thresholds
    changed = {name for name in after._fields if getattr(after, name) != getattr(before, name)}
    assert getattr(after, key) == 0.77
    assert changed == {key, *(name for name, source in FOLLOWS.items() if source == key)}


def test_every_limit_of_a_run_is_declared_by_a_model_or_follows_from_one() -> None:
    thresholds = set(SettingsResource().load().thresholds._fields)
    assert thresholds == {*DECLARED, *FOLLOWS}
