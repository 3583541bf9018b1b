"""The tracks split and linked by appearance again, with the vectors that already exist; nothing is embedded.

Splits tracks of two people, for the reason ``hard``, ``streak`` or ``iou``, and links tracklets of one face.
Consistent tracks keep their ids. If the appearance split was on in ``tracks``, this normally changes nothing.
Switched by ``actions``; if switched off, the tracks pass through.
"""

from collections.abc import Mapping
from typing import Any

from resources.storage.artifacts import Artifact
from screenalytics_assets.assets.face_spec import face_vectors, split_vectors
from screenalytics_assets.assets.track_spec import TrackTables, split_limits, track_spec
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.tracking.resplit import Resplit, cut_counts, resplit_tracks, unsplit
from screenalytics_assets.metadata import table
from screenalytics_assets.run_context import Run


def _is_enabled(run: Run) -> bool:
    return "split_tracks" in run.keys.cleanup.actions


def config(run: Run) -> dict[str, Any]:
    """Whether the phase is on; if so, the keys of the appearance split, and the embedder."""
    if not _is_enabled(run):
        return {"enabled": False}
    keys = run.keys.tracking.model_dump()
    split = {name: value for name, value in keys.items() if name.startswith(("gate_", "rejoin_"))}
    return {"enabled": True, **split, "embedder": run.pack.embedder.file.sha256}


def find(run: Run) -> TrackTables:
    """Split the tracks again, or pass them through."""
    before = run.inputs["tracks"]
    tracks = before.table("tracks.parquet")
    found = _resplit(run) if _is_enabled(run) else unsplit(tracks)
    return TrackTables(
        found.tracks,
        before.table("untracked.parquet"),
        before.table("gate.parquet"),
        before.array("gate.npy"),
        {"cuts": found.cuts},
    )


def _resplit(run: Run) -> Resplit:
    tracks, faces = run.inputs["tracks"], run.inputs["faces"]
    model_digest = run.pack.embedder.file.sha256
    known = {**split_vectors(tracks, model_digest), **face_vectors(faces, model_digest)}
    if not known and faces.manifest.rows("faces.parquet"):
        raise ArtifactError(
            f"the faces of {run.key} were embedded by another model than {run.pack.name}: run "
            f"`screenalytics run --ep-id {run.key}` with this model first, or clean up with the one that made them"
        )
    return resplit_tracks(
        tracks.table("tracks.parquet"),
        run.inputs["detections"].table("detections.parquet"),
        known,
        split_limits(run),
        interval_s=run.keys.tracking.gate_interval_s,
        max_gap_s=run.keys.tracking.rejoin_gap_s,
    )


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """How many tracks there were and are, and why new ones begin."""
    cuts = artifact.table("cuts.parquet")
    return {
        "dagster/row_count": artifact.manifest.rows("tracks.parquet"),
        "tracks_before": inputs["tracks"].manifest.rows("tracks.parquet"),
        "tracks_after": artifact.manifest.rows("tracks.parquet"),
        "splits": cut_counts(cuts),
        "cuts": table(cuts.drop_columns(["ep_id", "detection_id"]).to_pylist()),
    }


SPEC = track_spec(
    "split_tracks",
    code_version="2",
    group="cleanup",
    kinds=frozenset({"parquet", "numpy"}),
    description=__doc__,
    reads=("detections", "tracks", "faces"),
    config=config,
    find=find,
    describe=describe,
)
