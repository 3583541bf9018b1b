"""Tracks and screen time in the formats of other programs."""

import json
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import pyarrow as pa

from screenalytics_assets.core.common.csv_text import csv_text
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.documents.screen_time import ScreenTime

Format = Literal["csv", "jsonl", "mot"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl", "mot")
CSV_COLUMNS = (
    "person",
    "name",
    "visual_s",
    "least_s",
    "most_s",
    "share",
    "first_s",
    "last_s",
    "longest_s",
    "appearances",
    "tracks",
    "faces",
    "confidence",
    "weak_link_s",
    "bridged_s",
)


def screen_time_csv(screen_time: ScreenTime) -> str:
    """The people of an episode as a spreadsheet."""
    rows = [
        {**person.to_dict(), "person": person.person_id, "appearances": len(person.intervals)}
        for person in screen_time.people
    ]
    return csv_text([CSV_COLUMNS, *([row[column] for column in CSV_COLUMNS] for row in rows)])


class ExportedBox(NamedTuple):
    """A face in a frame; left, top, width and height in pixels of the source.

    ``person_id`` is that of ``screen_time.csv``: the person, or the identity of one without a name. ``person`` is the
    name, or the same id.
    """

    frame_idx: int
    ts_s: float
    track_id: str
    identity_id: str | None
    person_id: str | None
    person: str | None
    left_px: float
    top_px: float
    width_px: float
    height_px: float
    confidence: float


def exported_boxes(
    tracks: pa.Table, detections: pa.Table, identities: Identities, *, width: int, height: int
) -> list[ExportedBox]:
    """The boxes of all tracks, by frame and then by track.

    Args:
        tracks: Rows of the tracks table.
        detections: detection_id and confidence.
        identities: The people of these tracks.
        width: Frame width in pixels.
        height: Frame height in pixels.
    """
    confidence = dict(zip(detections["detection_id"].to_pylist(), detections["confidence"].to_pylist(), strict=True))
    identity_of = identities.identity_of
    found = []
    for track in tracks.select(["track_id", "boxes"]).to_pylist():
        identity = identity_of.get(track["track_id"])
        for box in track["boxes"]:
            x1, y1, x2, y2 = (side * size for side, size in zip(box["bbox"], (width, height) * 2, strict=True))
            found.append(
                ExportedBox(
                    frame_idx=box["frame_idx"],
                    ts_s=round(box["ts_s"], 4),
                    track_id=track["track_id"],
                    identity_id=identity.identity_id if identity else None,
                    person_id=identity.person_key if identity else None,
                    person=(identity.name or identity.person_key) if identity else None,
                    left_px=round(x1, 2),
                    top_px=round(y1, 2),
                    width_px=round(x2 - x1, 2),
                    height_px=round(y2 - y1, 2),
                    confidence=round(confidence[box["detection_id"]], 4),
                )
            )
    return sorted(found, key=lambda box: (box.frame_idx, box.track_id))


def export_texts(boxes: Sequence[ExportedBox], screen_time: ScreenTime, format_: Format) -> dict[str, str]:
    """The text of each file of an export, by name.

    ``mot`` is the MOTChallenge format (motchallenge.net/instructions): one line per box, ``frame, id, left, top, width,
    height, confidence, -1, -1, -1``, in pixels, frames and ids counted from 1, ids in the order of the tracks. It has
    no field for screen time.

    Args:
        boxes: From `exported_boxes`.
        screen_time: The screen time of the episode.
        format_: One of `FORMATS`.
    """
    if format_ == "mot":
        return {"tracks.txt": "".join(_mot_lines(boxes))}
    if format_ == "jsonl":
        return {
            "tracks.jsonl": "".join(json.dumps(box._asdict(), ensure_ascii=False) + "\n" for box in boxes),
            "screen_time.jsonl": "".join(
                json.dumps(person.to_dict(), ensure_ascii=False) + "\n" for person in screen_time.people
            ),
        }
    return {"tracks.csv": csv_text([ExportedBox._fields, *boxes]), "screen_time.csv": screen_time_csv(screen_time)}


def _mot_lines(boxes: Sequence[ExportedBox]) -> Iterable[str]:
    numbers = {track_id: number for number, track_id in enumerate(sorted({box.track_id for box in boxes}), start=1)}
    for box in boxes:
        place = f"{box.left_px:.2f},{box.top_px:.2f},{box.width_px:.2f},{box.height_px:.2f}"
        yield f"{box.frame_idx + 1},{numbers[box.track_id]},{place},{box.confidence:.4f},-1,-1,-1\n"
