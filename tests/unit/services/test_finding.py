"""The photo that `find` is given."""

from pathlib import Path
from typing import cast

import pytest

from resources.configuration.run_settings import RunSettings
from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.common.errors import FacebankError
from screenalytics_assets.services.finding import find_photo


def test_a_folder_in_place_of_a_photo_is_called_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FacebankError, match="this is a folder; expected a file"):
        find_photo(tmp_path, cast("RunSettings", None), LocalArtifactStore(tmp_path), show=None)
