"""The crops of an episode in one Parquet file: detection id and JPEG, a few hundred per row group."""

from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from resources.system.files import file_named
from screenalytics_assets.core.common.schemas import FACE_CROPS

_ROWS_PER_GROUP = 512


class CropWriter:
    """Writes crops one by one, with one row group in memory."""

    def __init__(self, path: Path) -> None:
        # JPEG data cannot be compressed further.
        self._path = path
        with file_named(path):  # it writes the first bytes
            self._writer = pq.ParquetWriter(
                path, FACE_CROPS, compression="none", use_dictionary=False, write_statistics=False
            )
        self._ids: list[str] = []
        self._jpegs: list[bytes] = []
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        with file_named(self._path):
            self._writer.close()

    def add(self, detection_id: str, jpeg: bytes) -> None:
        """Write one crop."""
        self.count += 1
        self._ids.append(detection_id)
        self._jpegs.append(jpeg)
        if len(self._ids) == _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._ids:
            with file_named(self._path):
                self._writer.write_table(pa.table([self._ids, self._jpegs], schema=FACE_CROPS))
            self._ids, self._jpegs = [], []


def read_crops(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The crops of the wanted detections in file order, with one row group in memory."""
    remaining = set(wanted)
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        if not remaining:
            return
        rows = file.read_row_group(group, columns=["detection_id"])["detection_id"].to_pylist()
        if remaining.isdisjoint(rows):
            continue
        jpegs = file.read_row_group(group, columns=["jpeg"])["jpeg"]
        for row, detection_id in enumerate(rows):
            if detection_id in remaining:
                remaining.discard(detection_id)
                yield detection_id, jpegs[row].as_py()
