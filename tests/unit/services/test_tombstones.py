"""Records of retirements."""

import json
from pathlib import Path

import pytest

from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.automation.retention.tombstones import Retirement, read_tombstone, write_tombstone
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.common.layout import tombstone_path

EP = "show-s01e01"


@pytest.mark.parametrize("where", ["record", "retirement"])
def test_a_record_of_a_newer_version_is_refused_and_left_as_it_is(where: str, tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    retirement = Retirement(at="2026-01-01T00:00:00Z", removed={"files": 3})
    write_tombstone(store, EP, retirement)
    path = tmp_path / tombstone_path(EP)
    content = json.loads(path.read_text())
    (content if where == "record" else content["retirements"][0])["reason"] = "a key that comes later"
    path.write_text(json.dumps(content))
    before = path.read_bytes()
    for use in (lambda: read_tombstone(store, EP), lambda: write_tombstone(store, EP, retirement)):
        with pytest.raises(ArtifactError, match="a newer version of screenalytics retired the episode"):
            use()
    assert path.read_bytes() == before
