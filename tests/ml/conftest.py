from pathlib import Path

import cv2
import insightface
import numpy as np
import pytest
from numpy.typing import NDArray

from resources.model_packs import ModelPack, load_pack
from tests.conftest import shared_dir


@pytest.fixture(scope="session")
def scrfd_pack(registry: Path) -> ModelPack:
    """A folder with SCRFD-2.5G, from the material beside the project."""
    folder = shared_dir() / "models" / "scrfd_2.5g_mbf512"
    if not folder.is_dir():
        pytest.skip(f"no SCRFD weights: {folder} is not there")
    return load_pack("open", folder, registry)


@pytest.fixture(scope="session")
def group_photo() -> NDArray[np.uint8]:
    """InsightFace's sample photograph of six people, (886, 1280, 3) BGR."""
    picture = cv2.imread(str(Path(insightface.__file__).parent / "data" / "images" / "t1.jpg"))
    assert picture is not None
    return np.asarray(picture, np.uint8)
