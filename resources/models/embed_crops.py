"""Embeds stored crops, with one batch in memory at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from resources.storage.artifacts import StagedArtifact
from resources.storage.crop_file import read_crops
from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION
from screenalytics_assets.core.detection.alignment import decode_jpeg, decode_reduced_gray, embedding_crop
from screenalytics_assets.core.tracking.near_duplicates import PATCH_PX, face_patch

if TYPE_CHECKING:
    from resources.models.embedder import FaceEmbedder

_BATCH = 64


def embed_crops(
    faces: pa.Table,
    crop_file: Path,
    load: Callable[[], "FaceEmbedder"],
    output: StagedArtifact,
    *,
    known: Mapping[str, NDArray[np.float32]],
    on_face: Callable[[], None],
) -> NDArray[np.float32]:
    """Embed each face that has no vector yet, and write the crops that the table names a file for.

    Args:
        faces: Rows of the faces table.
        crop_file: The crops of all detections.
        load: Loads the embedder; not called if every face has a vector.
        output: Where the JPEG files are written, unchanged.
        known: Vectors of this embedder by detection id.
        on_face: Called once for each face.

    Returns:
        (N, 512) float32, row i for face i.
    """
    ids, places = faces["detection_id"].to_pylist(), faces["crop_path"].to_pylist()
    vectors = np.empty((faces.num_rows, EMBEDDING_DIMENSION), np.float32)

    def unknown_crops() -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for row, jpeg in _crops_by_row(ids, crop_file):
            if places[row] is not None:
                output.write_below_root(places[row], jpeg)
            on_face()
            if ids[row] in known:
                vectors[row] = known[ids[row]]
            else:
                yield row, embedding_crop(decode_jpeg(jpeg))

    _embed_in_batches(unknown_crops(), load, vectors)
    return vectors


def embed_detections(
    detection_ids: Sequence[str], crop_file: Path, embedder: "FaceEmbedder", *, on_face: Callable[[], None]
) -> NDArray[np.float32]:
    """Embed the crops of detections; each must have one.

    Returns:
        (N, 512) float32, row i for id i.
    """
    vectors = np.empty((len(detection_ids), EMBEDDING_DIMENSION), np.float32)

    def crops() -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for row, jpeg in _crops_by_row(detection_ids, crop_file):
            on_face()
            yield row, embedding_crop(decode_jpeg(jpeg))

    _embed_in_batches(crops(), lambda: embedder, vectors)
    return vectors


def face_patches(detection_ids: Sequence[str], crop_file: Path) -> NDArray[np.uint8]:
    """The patches by which near-duplicate crops are found.

    Returns:
        (N, 20, 20), row i for id i; zeros for a detection without a crop.
    """
    patches = np.zeros((len(detection_ids), PATCH_PX, PATCH_PX), np.uint8)
    for row, jpeg in _crops_by_row(detection_ids, crop_file):
        patches[row] = face_patch(decode_reduced_gray(jpeg))
    return patches


def _crops_by_row(detection_ids: Sequence[str], crop_file: Path) -> Iterator[tuple[int, bytes]]:
    """The position in ``detection_ids`` of each stored crop, and the JPEG, in file order."""
    row_of = {detection_id: row for row, detection_id in enumerate(detection_ids)}
    return ((row_of[detection_id], jpeg) for detection_id, jpeg in read_crops(crop_file, row_of.keys()))


def _embed_in_batches(
    crops: Iterator[tuple[int, NDArray[np.uint8]]], load: Callable[[], "FaceEmbedder"], vectors: NDArray[np.float32]
) -> None:
    embedder = None
    while batch := list(islice(crops, _BATCH)):
        embedder = embedder or load()
        rows, pictures = zip(*batch, strict=True)
        vectors[list(rows)] = embedder.embed(np.stack(pictures))
