"""First phase of the cleanup: tracks that hold two people."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pyarrow as pa

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.run_settings import RunSettings
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.tracking.appearance_split import SplitLimits
from screenalytics_assets.core.tracking.resplit import (
    Resplit,
    Vectors,
    cut_counts,
    known_vectors,
    resplit_tracks,
    unsplit,
)
from screenalytics_assets.metadata import table
from screenalytics_assets.partitions import EPISODES


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


STAGE = Stage("split_tracks", "1", inputs=("detections", "tracks", "faces"), outputs={"split_tracks": describe})


def vectors_there_are(inputs: Mapping[str, Artifact], tracks: str, model_digest: str) -> Vectors:
    """What the embedder has made of the crops of an episode, for the gate and for the faces."""
    gate, faces = inputs[tracks], inputs["faces"]
    return {
        **known_vectors(gate.table("gate.parquet"), gate.array("gate.npy"), model_digest),
        **known_vectors(
            faces.table("faces.parquet", ["detection_id", "model_digest"]), faces.array("faces.npy"), model_digest
        ),
    }


@dg.asset(
    partitions_def=EPISODES,
    group_name="cleanup",
    kinds={"parquet", "numpy"},
    deps=["tracks", "faces"],
    code_version=STAGE.code_version,
)
def split_tracks(
    context: dg.AssetExecutionContext, settings: SettingsResource, artifacts: ArtifactStoreResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """The tracks once more through the appearance gate, with the vectors that are there; nothing is embedded.

    Cuts tracks that hold two people, for the reason ``hard``, ``streak`` or ``iou``, and joins pieces of one face.
    Tracks that are in order keep their ids. Where the gate was on in ``tracks``, this normally changes nothing.
    Switched by ``actions``; switched off, the tracks pass through.
    """
    with translate_errors():
        run = settings.load()
    tracking = run.resolved.settings.tracking
    enabled = "split_tracks" in run.resolved.settings.cleanup.actions
    gate = {name: value for name, value in tracking.model_dump().items() if name.startswith(("gate_", "rejoin_"))}

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        tracks = inputs["tracks"].table("tracks.parquet")
        output = outputs["split_tracks"]
        found = _split(tracks, inputs, run) if enabled else unsplit(tracks)
        output.write_table("tracks", found.tracks)
        output.write_table("cuts", found.cuts)
        for name in ("untracked", "gate"):
            output.write_table(name, inputs["tracks"].table(f"{name}.parquet"))
        output.write_array("gate.npy", inputs["tracks"].array("gate.npy"))
        return {}

    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        run.resolved,
        config={"enabled": enabled, **({**gate, "embedder": run.pack.embedder.file.sha256} if enabled else {})},
        force=settings.force,
        compute=compute,
    )


def _split(tracks: pa.Table, inputs: Mapping[str, Artifact], run: RunSettings) -> Resplit:
    tracking, model_digest = run.resolved.settings.tracking, run.pack.embedder.file.sha256
    known = vectors_there_are(inputs, "tracks", model_digest)
    if not known and inputs["faces"].manifest.rows("faces.parquet"):
        raise ArtifactError(
            f"the faces of {inputs['faces'].manifest.ep_id} were embedded by another model than {run.pack.name}: "
            f"run `screenalytics run --ep-id {inputs['faces'].manifest.ep_id}` with this model first, or clean up "
            "with the one that made them"
        )
    return resplit_tracks(
        tracks,
        inputs["detections"].table("detections.parquet"),
        known,
        SplitLimits(
            hard_sim=run.thresholds.gate_hard_sim,
            soft_sim=run.thresholds.gate_soft_sim,
            streak=tracking.gate_streak,
            min_iou=tracking.gate_iou,
        ),
        interval_s=tracking.gate_interval_s,
        max_gap_s=tracking.rejoin_gap_s,
    )
