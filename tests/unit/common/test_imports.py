"""What is imported before anybody needs it; each of these takes a tenth of a second to half a second."""

import subprocess
import sys

import pytest

_LATER = [
    "supervision",
    "trackers",
    "matplotlib",
    "sklearn",
    "jinja2",
    "psycopg",
    "boto3",
    "alembic",
    "insightface",
    "onnxruntime",
]


@pytest.mark.parametrize("module", ["screenalytics_assets.definitions", "screenalytics_assets.services.running.runs"])
def test_the_definitions_load_without_the_packages_of_single_steps(module: str) -> None:
    code = f"import sys, {module}; print(*(name for name in {_LATER!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
