"""From stored crops to vectors, one batch in memory at a time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from resources.artifact_store import StagedArtifact
from resources.crop_file import decode_jpeg, read_crops
from resources.embedder import FaceEmbedder
from screenalytics_assets.core.align import embedding_crop
from screenalytics_assets.core.schemas import EMBEDDING_DIMENSION

_BATCH = 64


def embed_crops(
    faces: pa.Table,
    crop_file: Path,
    embedder: FaceEmbedder,
    output: StagedArtifact,
    *,
    on_face: Callable[[], None],
) -> NDArray[np.float32]:
    """Embed each face once, and write its crop where the table says so.

    Args:
        faces: Rows of the faces table.
        crop_file: The crops of all detections.
        embedder: Makes the vectors.
        output: Takes the JPEG files, unchanged.
        on_face: Called once a face.

    Returns:
        (N, 512) float32, row i for face i.
    """
    row_of = {detection_id: row for row, detection_id in enumerate(faces["detection_id"].to_pylist())}
    places = faces["crop_path"].to_pylist()
    vectors = np.empty((faces.num_rows, EMBEDDING_DIMENSION), np.float32)
    rows: list[int] = []
    crops: list[NDArray[np.uint8]] = []
    for detection_id, jpeg in read_crops(crop_file, row_of.keys()):
        row = row_of[detection_id]
        if places[row] is not None:
            output.path_below_root(places[row]).write_bytes(jpeg)
        rows.append(row)
        crops.append(embedding_crop(decode_jpeg(jpeg)))
        on_face()
        if len(rows) == _BATCH:
            vectors[rows] = embedder.embed(np.stack(crops))
            rows, crops = [], []
    if rows:
        vectors[rows] = embedder.embed(np.stack(crops))
    return vectors
