"""Reads the vectors of a published facebank."""

import numpy as np
from numpy.typing import NDArray

from resources.storage.artifacts import Artifact
from screenalytics_assets.core.common.errors import ArtifactError


def read_vectors(facebank: Artifact) -> NDArray[np.float32]:
    """(N, 512) float32, unit norm: the face of each accepted photo, in the order of ``facebank.json``.

    Raises:
        ArtifactError: The facebank was published by a version that kept its vectors only in the database.
    """
    show = facebank.manifest.ep_id
    if not facebank.manifest.has("facebank.npy"):
        raise ArtifactError(
            f"the facebank of {show} was published without facebank.npy, by an older version: run "
            f"`screenalytics facebank {show}` again"
        )
    return facebank.array("facebank.npy")
