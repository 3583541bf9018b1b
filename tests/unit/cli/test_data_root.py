"""``--data-root`` with a place that is not there."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from screenalytics_assets.cli import app
from screenalytics_assets.core.common.errors import ArtifactError


@pytest.mark.parametrize("command", [["database", "rebuild"], ["crops", "show-s01e01"]])
def test_a_misspelt_data_root_is_refused_and_not_made(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_DATA_ROOT", "")  # put back after the test
    misspelt = tmp_path / "dtaa"
    refused = CliRunner().invoke(app, [*command, "--data-root", str(misspelt)])
    assert isinstance(refused.exception, ArtifactError)
    assert not misspelt.exists()
