import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from resources.models.packs import ModelFile, load_pack, pack_dir
from resources.models.registry import load_registry
from resources.system.paths import config_dir
from screenalytics_assets.core.common.errors import ModelPackError

DETECTOR, EMBEDDER = b"weights of a detector", b"weights of an embedder"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


GATE = {
    "gate_hard_sim": 0.1,
    "gate_soft_sim": 0.35,
    "name_similarity": 0.44,
    "name_margin": 0.12,
    "min_photo_sim": 0.33,
}


def pack_file(name: str, content: bytes) -> dict[str, Any]:
    source = {"client": "pip", "package": "weights", "version": "1.0", "member": name}
    return {"file": name, "sha256": sha256(content), "bytes": len(content), "source": source}


def detector_entry(**changes: object) -> dict[str, Any]:
    entry = {"name": "Finder", "kind": "scrfd", "licence": "MIT", "commercial_use": True}
    return {**entry, "confidence_th": 0.3, "track_thresh": 0.6, **changes}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of one pack, ``tiny``; the cache is an empty folder."""
    monkeypatch.setenv("SCREENALYTICS_CACHE_DIR", str(tmp_path / "cache"))
    embedder = {"name": "Vectors", "licence": "MIT", "commercial_use": True, "cluster_thresh": 0.4}
    content = {
        "model_pack": "tiny",
        "packs": {
            "tiny": {
                "detector": pack_file("det_tiny.onnx", DETECTOR),
                "embedder": pack_file("vec.onnx", EMBEDDER),
            }
        },
        "detectors": {
            sha256(DETECTOR): detector_entry(),
            "scrfd": detector_entry(confidence_th=0.5, commercial_use=False, licence="not declared"),
            "centerface": detector_entry(kind="centerface", confidence_th=0.2, commercial_use=False),
        },
        "embedders": {sha256(EMBEDDER): embedder},
    }
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def store(folder: Path, **contents: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.onnx").write_bytes(content)
    return folder


def test_a_pack_that_was_pulled_loads_with_the_thresholds_of_its_weights(registry: Path) -> None:
    store(pack_dir("tiny"), det_tiny=DETECTOR, vec=EMBEDDER)
    pack = load_pack("tiny", None, registry)
    assert pack.thresholds == {
        "confidence_th": 0.3,
        "track_thresh": 0.6,
        "cluster_thresh": 0.4,
        "tight_thresh": None,
        "min_identity_sim": None,
        "min_cohesion": None,
        "gate_hard_sim": None,
        "gate_soft_sim": None,
        "name_similarity": None,
        "name_margin": None,
        "min_photo_sim": None,
    }
    assert pack.detector.file.read_verified() == DETECTOR
    assert pack.embedder.file.read_verified() == EMBEDDER
    assert pack.licence_notice is None


def test_a_missing_pack_names_the_command_that_fetches_it(registry: Path) -> None:
    store(pack_dir("tiny"), det_tiny=DETECTOR)
    with pytest.raises(ModelPackError, match=r"no vec\.onnx.*screenalytics models pull tiny"):
        load_pack("tiny", None, registry)


def test_an_unknown_pack_lists_the_known_ones(registry: Path) -> None:
    with pytest.raises(ModelPackError, match="unknown model pack 'big'; known packs: tiny"):
        load_pack("big", None, registry)


def test_an_altered_file_is_refused_with_both_digests_and_what_to_do(registry: Path) -> None:
    store(pack_dir("tiny"), det_tiny=DETECTOR, vec=EMBEDDER + b"!")
    pack = load_pack("tiny", None, registry)
    with pytest.raises(ModelPackError) as refusal:
        pack.embedder.file.read_verified()
    for part in (sha256(EMBEDDER), sha256(EMBEDDER + b"!"), "vec.onnx", "screenalytics models pull tiny"):
        assert part in str(refusal.value)


def test_a_file_is_missing_or_altered_or_verified(tmp_path: Path) -> None:
    file = ModelFile(tmp_path / "vec.onnx", sha256(EMBEDDER), "pull it")
    assert file.state() == "missing"
    file.path.write_bytes(b"other")
    assert file.state() == "altered"
    file.path.write_bytes(EMBEDDER)
    assert file.state() == "verified"


def test_a_folder_of_known_weights_takes_their_thresholds_whatever_the_files_are_called(
    registry: Path, tmp_path: Path
) -> None:
    folder = store(tmp_path / "mine", det_renamed=DETECTOR, renamed=EMBEDDER)
    pack = load_pack("ignored", folder, registry)
    assert pack.name == "mine"
    assert pack.thresholds["confidence_th"] == 0.3
    assert pack.thresholds["cluster_thresh"] == 0.4
    assert pack.commercial_use


def test_unknown_weights_load_without_an_embedding_threshold_and_count_as_not_free(
    registry: Path, tmp_path: Path
) -> None:
    folder = store(tmp_path / "mine", det_new=b"new detector", new=b"new embedder")
    pack = load_pack("ignored", folder, registry)
    assert pack.thresholds["confidence_th"] == 0.5
    assert pack.thresholds["cluster_thresh"] is None
    assert pack.licence_notice is not None
    assert "not declared" in pack.licence_notice


def test_pack_yaml_takes_precedence_over_the_registry(registry: Path, tmp_path: Path) -> None:
    folder = store(tmp_path / "mine", centerface=b"new detector", vec=EMBEDDER)
    declared = {
        "licence": "bought",
        "commercial_use": True,
        "detector": {"confidence_th": 0.25},
        "embedder": {
            "cluster_thresh": 0.5,
            "tight_thresh": 0.7,
            "min_identity_sim": 0.6,
            "min_cohesion": 0.3,
            **GATE,
        },
    }
    (folder / "pack.yaml").write_text(yaml.safe_dump(declared))
    pack = load_pack("ignored", folder, registry)
    assert pack.detector.entry.kind == "centerface"
    assert pack.thresholds == {
        "confidence_th": 0.25,
        "track_thresh": 0.6,
        "cluster_thresh": 0.5,
        "tight_thresh": 0.7,
        "min_identity_sim": 0.6,
        "min_cohesion": 0.3,
        "gate_hard_sim": 0.1,
        "gate_soft_sim": 0.35,
        "name_similarity": 0.44,
        "name_margin": 0.12,
        "min_photo_sim": 0.33,
    }
    assert (pack.licence, pack.licence_notice) == ("bought", None)


def test_a_folder_file_that_changes_after_it_was_found_is_refused(registry: Path, tmp_path: Path) -> None:
    folder = store(tmp_path / "mine", det_tiny=DETECTOR, vec=EMBEDDER)
    pack = load_pack("ignored", folder, registry)
    (folder / "vec.onnx").write_bytes(b"swapped")
    with pytest.raises(ModelPackError, match="altered"):
        pack.embedder.file.read_verified()


def test_a_folder_file_that_is_not_the_declared_one_is_refused(registry: Path, tmp_path: Path) -> None:
    folder = store(tmp_path / "mine", det_tiny=DETECTOR, vec=EMBEDDER)
    (folder / "pack.yaml").write_text(yaml.safe_dump({"sha256": {"vec.onnx": "0" * 64}}))
    with pytest.raises(ModelPackError, match="altered"):
        load_pack("ignored", folder, registry).embedder.file.read_verified()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "expected one detector .* found none"),
        ({"det_a": b"1", "det_b": b"2", "vec": b"3"}, r"expected one detector .* found det_a\.onnx, det_b\.onnx"),
        ({"det_a": b"1"}, "expected one embedder .* found none"),
        ({"det_a": b"1", "vec": b"2", "more": b"3"}, r"expected one embedder .* found more\.onnx, vec\.onnx"),
    ],
)
def test_a_folder_without_exactly_one_detector_and_one_embedder_is_refused_with_what_was_found(
    registry: Path, tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(ModelPackError, match=message):
        load_pack("ignored", store(tmp_path / "mine", **files), registry)


def test_a_folder_that_does_not_exist_is_named(registry: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelPackError, match="absent: no such folder"):
        load_pack("ignored", tmp_path / "absent", registry)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"license": "MIT"}, "license"),
        ({"embedder": {"cluster_tresh": 0.4}}, r"embedder\.cluster_tresh"),
        ({"sha256": {"other.onnx": "0" * 64}}, r"no such model in the folder: other\.onnx"),
    ],
)
def test_a_mistake_in_pack_yaml_names_the_key(
    registry: Path, tmp_path: Path, declared: dict[str, object], message: str
) -> None:
    folder = store(tmp_path / "mine", det_tiny=DETECTOR, vec=EMBEDDER)
    (folder / "pack.yaml").write_text(yaml.safe_dump(declared))
    with pytest.raises(ModelPackError, match=message):
        load_pack("ignored", folder, registry)


def test_a_registry_whose_pack_uses_unlisted_weights_is_refused(registry: Path) -> None:
    content = yaml.safe_load(registry.read_text())
    content["embedders"] = {}
    registry.write_text(yaml.safe_dump(content))
    with pytest.raises(ModelPackError, match=sha256(EMBEDDER)):
        load_registry(registry)


def test_in_the_shipped_registry_only_open_is_free_for_commerce_and_every_pack_has_all_thresholds() -> None:
    known = load_registry(config_dir() / "pipeline" / "models.yaml")
    free = set()
    for name, pack in known.packs.items():
        detector, embedder = known.detectors[pack.detector.sha256], known.embedders[pack.embedder.sha256]
        if detector.commercial_use and embedder.commercial_use:
            free.add(name)
        assert detector.confidence_th is not None
        assert detector.track_thresh is not None
        assert detector.confidence_th <= detector.track_thresh
        assert embedder.cluster_thresh is not None
        assert embedder.tight_thresh is not None
        assert embedder.tight_thresh >= embedder.cluster_thresh
        assert embedder.min_identity_sim is not None
        assert embedder.calibration
    assert free == {"open"}


def test_packs_are_cached_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SCREENALYTICS_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert pack_dir("open") == tmp_path / ".cache/screenalytics/models/open"
    assert pack_dir("buffalo_l") == tmp_path / ".insightface/models/buffalo_l"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert pack_dir("open") == tmp_path / "xdg/screenalytics/models/open"
    monkeypatch.setenv("SCREENALYTICS_CACHE_DIR", str(tmp_path / "mine"))
    assert pack_dir("open") == tmp_path / "mine/models/open"


def test_a_registry_of_an_earlier_version_serves_all_but_newer_kinds_of_detectors(
    registry: Path, tmp_path: Path
) -> None:
    folder = store(tmp_path / "mine", yunet=b"1", vec=EMBEDDER)
    with pytest.raises(ModelPackError, match=r"yunet\.onnx: models\.yaml has no entry 'yunet' below detectors"):
        load_pack("ignored", folder, registry)
    store(pack_dir("tiny"), det_tiny=DETECTOR, vec=EMBEDDER)
    assert load_pack("tiny", None, registry).verifier is None
    assert load_pack("tiny", None, registry, verifier_pack="tiny").verifier is None


def test_a_folder_can_ask_for_the_verifier(registry: Path, tmp_path: Path) -> None:
    folder = store(tmp_path / "mine", det_a=b"1", vec=EMBEDDER)
    assert load_pack("ignored", folder, registry, verifier_pack="tiny").verifier is None
    (folder / "pack.yaml").write_text("detector: {verify: true}\n")
    with pytest.raises(ModelPackError, match="'tiny' has no verifier; packs that have one: none"):
        load_pack("ignored", folder, registry, verifier_pack="tiny")
