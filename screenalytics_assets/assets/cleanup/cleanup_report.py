"""What the cleanup changed."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.acceptance_limits import limits_of
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.crop_file import read_crops
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.cleaned import LAST_PHASE, final_identities
from screenalytics_assets.core.quality.cleanup_comparison import (
    COMPARED,
    Footage,
    State,
    cleanup_document,
    comparison_rows,
)
from screenalytics_assets.metadata import picture, table
from screenalytics_assets.partitions import EPISODES
from screenalytics_assets.reports.pictures.cast import cast_of, cast_sheet

_PHASES = tuple(dict.fromkeys(("split_tracks", "reembed", "recluster", LAST_PHASE)))


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Before and after as a table, and the people of both as sheets of their best crops."""
    document = artifact.json("cleanup_report.json")
    return {
        "actions_completed": document["actions_completed"],
        "splits": document["splits"],
        "comparison": table(comparison_rows(document)),
        **{f"{name}_after": value for name, value in document["metrics_after"].items()},
        "contact_sheet_before": _sheet(
            inputs, inputs["identities"].json("identities.json"), inputs["tracks"], inputs["faces"], "before"
        ),
        "contact_sheet_after": _sheet(
            inputs, final_identities(inputs[LAST_PHASE])[0], inputs["split_tracks"], inputs["reembed"], "after"
        ),
    }


def _sheet(
    inputs: Mapping[str, Artifact], identities: Mapping[str, Any], tracks: Artifact, faces: Artifact, when: str
) -> dg.MarkdownMetadataValue:
    cast = cast_of(identities, tracks.table("tracks.parquet"), faces.table("faces.parquet"))
    shown = {face for member in cast for face in member.best_faces}
    crops = dict(read_crops(inputs["face_crops"].path("face_crops.parquet"), shown))
    return picture(cast_sheet(cast, crops), f"the best crops of each identity {when} the cleanup")


STAGE = Stage(
    "cleanup_report",
    "2",
    inputs=("episode_video", "detections", "face_crops", "tracks", "faces", "identities", *_PHASES),
    outputs={"cleanup_report": describe},
)


@dg.asset(
    partitions_def=EPISODES,
    group_name="cleanup",
    kinds={"json"},
    deps=[LAST_PHASE],
    code_version=STAGE.code_version,
)
def cleanup_report(
    context: dg.AssetExecutionContext, settings: SettingsResource, artifacts: ArtifactStoreResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Tracks, faces, clusters and their metrics before and after the cleanup, and what each phase did."""
    with translate_errors():
        resolved = settings.load().resolved
        limits = limits_of(context.partition_key, *COMPARED)
    match_thresh = resolved.settings.tracking.match_thresh

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        identities, grouping = final_identities(inputs[LAST_PHASE])
        phases = [inputs[name].manifest for name in _PHASES]
        document = cleanup_document(
            context.partition_key,
            State(
                inputs["tracks"].table("tracks.parquet"),
                inputs["faces"].manifest.rows("faces.parquet"),
                inputs["identities"].json("identities.json"),
            ),
            State(
                inputs["split_tracks"].table("tracks.parquet"),
                inputs["reembed"].manifest.rows("faces.parquet"),
                identities,
            ),
            Footage(
                inputs["detections"].table("detections.parquet"),
                inputs["tracks"].table("untracked.parquet"),
                inputs["detections"].table("shots.parquet"),
                inputs["episode_video"].json("video.json")["duration_s"],
                match_thresh,
            ),
            inputs["split_tracks"].table("cuts.parquet"),
            actions=[phase.asset for phase in phases if phase.config["enabled"]],
            runtime_s=sum(phase.metrics["runtime_s"] for phase in phases),
            grouping=grouping,
            limits=limits,
        )
        outputs["cleanup_report"].write_json("cleanup_report.json", document)
        return {}

    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        resolved,
        config={"match_thresh": match_thresh, "actions": resolved.settings.cleanup.actions, "limits": limits},
        force=settings.force,
        compute=compute,
    )
