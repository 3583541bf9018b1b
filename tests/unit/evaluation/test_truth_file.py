from pathlib import Path

import pytest

from screenalytics_assets.core.common.errors import TruthError
from screenalytics_assets.services.scoring import read_truth


@pytest.mark.parametrize("content", ["[]", "{}", '{"fps": 0}', "{"])
def test_a_truth_file_that_is_refused_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "demo-s01e01.truth.json"
    path.write_text(content)
    with pytest.raises(TruthError, match=f"^{path}: "):
        read_truth(path)
