"""Invariants between the artifacts of an episode, whatever the footage; each violation is described in words."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.core.common.arrow import boxes_of, column_of, landmarks_of
from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION, EMBEDDING_NORM_TOLERANCE
from screenalytics_assets.core.common.vectors import row_norms
from screenalytics_assets.core.documents.identities import Identities

_SHOWN = 3


def schema_breaches(name: str, table: pa.Table, schema: pa.Schema) -> list[str]:
    """The table has the declared columns and types, and no null where none is allowed."""
    if not table.schema.equals(schema):
        return [f"{name}: columns {table.schema.names} are not as declared: {schema.names}"]
    nulls = [field.name for field in schema if not field.nullable and table[field.name].null_count]
    return [f"{name}: nulls in {', '.join(nulls)}"] if nulls else []


def box_breaches(name: str, table: pa.Table) -> list[str]:
    """Boxes lie inside the frame and have an area."""
    boxes = boxes_of(table["bbox"])
    outside = ~((boxes >= 0) & (boxes <= 1)).all(axis=1)
    empty = ~(boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return _rows(name, "box outside the frame", outside) + _rows(name, "box without area", empty)


def range_breaches(name: str, table: pa.Table, columns: Iterable[str]) -> list[str]:
    """Scores are between 0 and 1."""
    return [
        breach
        for column in columns
        for breach in _rows(
            name,
            f"{column} not between 0 and 1",
            ~((column_of(table, column) >= 0) & (column_of(table, column) <= 1)),
        )
    ]


def landmark_breaches(name: str, table: pa.Table) -> list[str]:
    """Landmarks are finite."""
    return _rows(name, "landmarks not finite", ~np.isfinite(landmarks_of(table["landmarks"])).all(axis=(1, 2)))


def unique_breaches(name: str, ids: Iterable[str]) -> list[str]:
    """Ids are unique."""
    seen: set[str] = set()
    repeated = [i for i in ids if i in seen or seen.add(i)]  # type: ignore[func-returns-value]
    return _listed(f"{name}: duplicate ids", repeated)


def reference_breaches(name: str, references: Iterable[str], existing: Iterable[str]) -> list[str]:
    """Every referenced id exists."""
    return _listed(f"{name}: references to ids that do not exist", sorted(set(references) - set(existing)))


def partition_breaches(name: str, whole: Iterable[str], *parts: Iterable[str]) -> list[str]:
    """Each member of the whole is in exactly one part, and nothing else is in any."""
    members = set(whole)
    pieces = [member for part in parts for member in part]
    missing = sorted(members - set(pieces))
    return (
        _listed(f"{name}: unaccounted for", missing)
        + reference_breaches(name, pieces, members)
        + unique_breaches(name, pieces)
    )


def shot_breaches(tracks: pa.Table, shots: pa.Table) -> list[str]:
    """Shots follow one another without a gap, and no track crosses a cut."""
    start, end = column_of(shots, "start_frame"), column_of(shots, "end_frame")
    gaps = np.flatnonzero(start[1:] != end[:-1] + 1)
    breaches = [f"shots: shot {i + 1} does not begin where shot {i} ends" for i in gaps[:_SHOWN]]
    idx = column_of(tracks, "shot_idx")
    known = (idx >= 0) & (idx < shots.num_rows)
    inside = np.flatnonzero(known)
    before = column_of(tracks, "start_frame")[inside] < start[idx[inside]]
    after = column_of(tracks, "end_frame")[inside] > end[idx[inside]]
    ids = tracks["track_id"].to_pylist()
    return (
        breaches
        + _listed("tracks: tracks in a shot that does not exist", [ids[i] for i in np.flatnonzero(~known)])
        + _listed("tracks: tracks across a cut", [ids[i] for i in inside[before | after]])
    )


def vector_breaches(vectors: NDArray[np.float32], rows: int, name: str = "faces.npy") -> list[str]:
    """One vector of length 1 for each row."""
    if vectors.shape != (rows, EMBEDDING_DIMENSION):
        return [f"{name}: shape {vectors.shape}, expected ({rows}, {EMBEDDING_DIMENSION})"]
    lengths = row_norms(vectors)
    wrong = ~(np.abs(lengths - 1) <= EMBEDDING_NORM_TOLERANCE)
    return _rows(name, f"length not 1 ± {EMBEDDING_NORM_TOLERANCE}", wrong)


def rank_breaches(faces: pa.Table) -> list[str]:
    """Within a track the ranks are 1, 2, 3, ... and a better rank has no lower quality."""
    order = faces.sort_by([("track_id", "ascending"), ("quality_rank", "ascending")])
    tracks, ranks = order["track_id"].to_pylist(), column_of(order, "quality_rank")
    quality = column_of(order, "quality_score")
    broken = []
    for i, track in enumerate(tracks):
        first = i == 0 or tracks[i - 1] != track
        expected = 1 if first else ranks[i - 1] + 1
        if ranks[i] != expected or (not first and quality[i] > quality[i - 1]):
            broken.append(track)
    return _listed("faces: quality_rank is wrong in", sorted(set(broken)))


def identity_track_ids(identities: Identities) -> tuple[list[str], list[str]]:
    """Ids of the tracks in identities, and of the unassigned tracks."""
    assigned = [track_id for identity in identities.identities for track_id in identity.track_ids]
    return assigned, [track.track_id for track in identities.unassigned]


def reason_breaches(identities: Identities) -> list[str]:
    """Every unassigned track and every outlier has a reason."""
    silent = [track.track_id for track in identities.unassigned if not track.reason]
    silent += [entry.identity_id for entry in identities.identities if entry.outlier and not entry.reason]
    return _listed("identities: no reason given for", silent)


def cannot_link_breaches(identities: Identities, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """No identity has two tracks that cannot be linked."""
    owner = {track_id: identity.identity_id for track_id, identity in identities.identity_of.items()}
    joined = [f"{a} and {b} ({owner[a]})" for a, b in pairs if a in owner and owner[a] == owner.get(b)]
    return _listed("identities: tracks that overlap in time in one identity", joined)


def _rows(name: str, what: str, broken: NDArray[np.bool_] | np.bool_) -> list[str]:
    return _listed(f"{name}: {what}", [f"row {row}" for row in np.flatnonzero(broken)])


def _listed(what: str, offenders: list[str]) -> list[str]:
    if not offenders:
        return []
    more = f" and {len(offenders) - _SHOWN} more" if len(offenders) > _SHOWN else ""
    return [f"{what}: {', '.join(offenders[:_SHOWN])}{more}"]
