from pathlib import Path

import pytest

from resources.models.packs import ModelPack
from tests.orchestration.command_line import Cli


@pytest.fixture
def cli(tmp_path: Path, open_pack: ModelPack) -> Cli:
    assert open_pack.name == "open"
    return Cli(tmp_path)
