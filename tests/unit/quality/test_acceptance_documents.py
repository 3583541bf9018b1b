import re
from pathlib import Path

import pytest
import yaml

from resources.configuration.acceptance_limits import load_acceptance
from resources.system.paths import config_dir, project_dir
from screenalytics_assets.automation.alerts import run_events
from screenalytics_assets.core.config.keys import section_of_key
from screenalytics_assets.core.quality.acceptance import AcceptanceTable, parse_acceptance
from screenalytics_assets.core.quality.acceptance_matrix import matrix_text
from screenalytics_assets.core.quality.acceptance_metrics import METRICS, TROUBLESHOOTING

PAGE = (project_dir() / TROUBLESHOOTING).read_text(encoding="utf-8")
ANCHORS = {
    re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
    for heading in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
}
DESIGN = {
    "tracks_per_minute": {"target": 30, "warn": 50},
    "short_track_fraction": {"target": 0.2, "warn": 0.3},
    "id_switch_rate": {"target": 0.05, "warn": 0.1},
    "runtime_per_duration_cpu": {"target": 1, "warn": 3},
    "quality_mean": {"target": 0.75, "warn": 0.6},
    "rejection_rate": {"target": 0.3, "warn": 0.5},
    "clusters": {"target": (3, 50), "warn": (3, 50)},
    "singleton_fraction": {"target": 0.3, "warn": 0.5, "note_below": 0.2},
    "largest_cluster_fraction": {"target": 0.4, "warn": 0.6},
}


def test_the_matrix_is_what_the_configuration_gives() -> None:
    page = (project_dir() / "docs" / "ACCEPTANCE_MATRIX.md").read_text(encoding="utf-8")
    assert page == matrix_text(load_acceptance()), "run: screenalytics config acceptance > docs/ACCEPTANCE_MATRIX.md"


def test_another_limit_is_another_matrix() -> None:
    content = yaml.safe_load((config_dir() / "acceptance.yaml").read_text(encoding="utf-8"))
    content["metrics"]["clusters"] = {"target": [4, 40]}
    content["seasons"] = {"rhobh-s05": {"quality_mean": {"warn": 0.5}}}
    page = matrix_text(parse_acceptance(content, "test"))
    assert "| `clusters` | identities of the episode | 4–40 | – | – |" in page
    assert "| rhobh-s05 | `quality_mean` | ≥ 0.75 | < 0.5 | – |" in page


@pytest.mark.parametrize("metric", DESIGN)
def test_the_limits_are_those_that_were_agreed(metric: str) -> None:
    table: AcceptanceTable = load_acceptance()
    assert table.metrics[metric].model_dump(exclude_none=True) == DESIGN[metric]


@pytest.mark.parametrize("metric", METRICS)
def test_every_advice_leads_to_a_section_that_exists(metric: str) -> None:
    assert METRICS[metric].anchor in ANCHORS
    assert len(METRICS[metric].advice) > 20


def test_the_advice_about_runs_and_other_checks_leads_somewhere_too() -> None:
    source = run_events.__file__
    with Path(source).open(encoding="utf-8") as file:
        named = re.findall(r"TROUBLESHOOTING\}#([a-z-]+)", file.read())
    assert set(named) == {"failed-runs", "other-checks"} <= ANCHORS


def test_every_section_is_led_to() -> None:
    assert {anchor for anchor in ANCHORS if anchor != "when-a-figure-is-out-of-range"} == {
        *(metric.anchor for metric in METRICS.values()),
        "failed-runs",
        "other-checks",
    }


def test_the_keys_that_are_advised_exist() -> None:
    figures = {name for metric in METRICS.values() for name in (metric.name, *metric.path.split("."))} | {
        *("shots", "splits", "rebirths", "runtimes_s", "rejected", "crops_debug", "track_metrics"),
        *("detections", "tracks", "faces", "identities", "low_cohesion_count", "max_concurrent_runs", "_integrity"),
        *("too_small", "blurry", "pose_yaw", "pose_pitch", "low_confidence", "cut_off", "low_quality"),
    }
    named = set(re.findall(r"`([a-z][a-z0-9_]*_[a-z0-9_]+)(?:=0)?`", PAGE))
    advised = {word for metric in METRICS.values() for word in re.findall(r"[a-z]+(?:_[a-z]+)+", metric.advice)}
    assert (named | advised) - figures - set(section_of_key()) - {"fast_cpu"} == set()
