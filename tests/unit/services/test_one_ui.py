"""An instance has one UI."""

import subprocess
import sys
from pathlib import Path

import pytest

from resources.system.paths import project_dir
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.services.dagster_instance.one_ui import claim_ui

SERVE = """
import sys
from screenalytics_assets.services.dagster_instance.one_ui import claim_ui
held = claim_ui("http://127.0.0.1:4000")
print("served", flush=True)
sys.stdin.read()
"""


def test_a_second_ui_is_refused_with_the_address_of_the_first_until_that_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    first = subprocess.Popen(
        [sys.executable, "-c", SERVE], cwd=project_dir(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert first.stdout is not None
    assert first.stdout.readline() == b"served\n"
    with pytest.raises(
        ConfigurationError, match=rf"at http://127.0.0.1:4000 by process {first.pid} of .*stop it first"
    ):
        claim_ui("http://127.0.0.1:4001")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "other"))
    claim_ui("http://127.0.0.1:4001").release()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    first.kill()
    first.communicate()
    claim_ui("http://127.0.0.1:4001").release()
