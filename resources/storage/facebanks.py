"""Reads the vectors of a published facebank."""

import numpy as np
from numpy.typing import NDArray

from resources.storage.artifacts import Artifact, command_for
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.documents.facebank import PublishedFacebank


def read_vectors(facebank: Artifact, document: PublishedFacebank) -> NDArray[np.float32]:
    """(N, 512) float32, unit norm: the face of each accepted photo, in the order of ``facebank.json``.

    Raises:
        ArtifactError: The facebank was published by a version that kept its vectors only in the database, or it does
            not hold a vector for each accepted photo.
    """
    manifest = facebank.manifest
    if not manifest.has("facebank.npy"):
        raise ArtifactError(
            f"the facebank of {manifest.ep_id} was published without facebank.npy, by an older version: run "
            f"`{command_for(manifest.asset, manifest.ep_id)}` again"
        )
    return facebank.vectors("facebank.npy", len(document.accepted))
