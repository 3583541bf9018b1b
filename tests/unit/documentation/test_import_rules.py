"""`make lint` refuses an import that breaks the layers declared in pyproject.toml."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from resources.system.paths import project_dir

_LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree and its contracts."""
    copy = tmp_path_factory.mktemp("checkout")
    shutil.copy(project_dir() / "pyproject.toml", copy)
    for package in ("screenalytics_assets", "resources"):
        shutil.copytree(project_dir() / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def _lint(checkout: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(checkout), "COLUMNS": "300"}
    command = [str(_LINT_IMPORTS), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def test_the_import_rules_hold(checkout: Path) -> None:
    outcome = _lint(checkout)
    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("screenalytics_assets.core.tracking.resplit", "dagster"),
        ("screenalytics_assets.core.tracking.resplit", "resources.storage.artifacts"),
        ("screenalytics_assets.core.tracking.resplit", "screenalytics_assets.partitions"),
        ("screenalytics_assets.core.tracking.resplit", "screenalytics_assets.core.people.naming"),
        ("screenalytics_assets.core.common.geometry", "screenalytics_assets.core.config.keys"),
        ("resources.storage.artifacts", "screenalytics_assets.partitions"),
        ("screenalytics_assets.reports.timeline", "dagster"),
        ("screenalytics_assets.reports.timeline", "screenalytics_assets.partitions"),
        ("screenalytics_assets.assets.detect.tracks", "screenalytics_assets.services.running.runs"),
        ("screenalytics_assets.services.running.runs", "screenalytics_assets.cli.terminal"),
    ],
)
def test_an_import_from_a_layer_above_is_refused_by_name(checkout: Path, importer: str, imported: str) -> None:
    path = checkout.joinpath(*importer.split(".")).with_suffix(".py")
    original = path.read_text(encoding="utf-8")
    path.write_text(f"{original}\nimport {imported}\n", encoding="utf-8")
    try:
        outcome = _lint(checkout)
    finally:
        path.write_text(original, encoding="utf-8")
    assert outcome.returncode != 0
    assert f"{importer} -> {imported}" in outcome.stdout


def test_a_new_top_level_folder_must_be_given_a_layer(checkout: Path) -> None:
    folder = checkout / "screenalytics_assets" / "helpers"
    folder.mkdir()
    (folder / "__init__.py").touch()
    try:
        outcome = _lint(checkout)
    finally:
        shutil.rmtree(folder)
    assert outcome.returncode != 0
    assert "helpers" in outcome.stdout
