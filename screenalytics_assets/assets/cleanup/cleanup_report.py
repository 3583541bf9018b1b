"""Tracks, faces, clusters and their metrics before and after the cleanup, and what each phase did."""

from collections.abc import Mapping
from typing import Any

from resources.configuration.acceptance_limits import limits_of
from resources.storage.artifacts import Artifact
from screenalytics_assets.artifact import ArtifactSpec, Outputs
from screenalytics_assets.assets.cast import draw_cast, read_cast
from screenalytics_assets.core.documents.cleanup_report import CleanupReport, GroupingCounts
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.quality.cleanup_comparison import (
    COMPARED,
    Footage,
    State,
    cleanup_report,
    comparison_rows,
)
from screenalytics_assets.metadata import picture, table
from screenalytics_assets.run_context import Run

_PHASES = ("split_tracks", "reembed", "recluster", "group_clusters")


def read_limits(run: Run) -> dict[str, dict[str, float]]:
    """The limits that the metrics are compared with."""
    return limits_of(run.key, *COMPARED)


def config(run: Run) -> dict[str, Any]:
    """The phases that are on, and the limits."""
    tracking, actions = run.keys.tracking, run.keys.cleanup.actions
    return {"match_thresh": tracking.match_thresh, "actions": actions, "limits": run.once(read_limits)}


def state_of(tracks: Artifact, faces: Artifact, identities: Artifact) -> State:
    """An episode before or after its cleanup."""
    count = faces.manifest.rows("faces.parquet")
    return State(tracks.table("tracks.parquet"), count, identities.document("identities.json", Identities))


def compute(run: Run, outputs: Outputs) -> None:
    """Compare before and after."""
    inputs = run.inputs
    phases = [inputs[name].manifest for name in _PHASES]
    grouping = inputs["group_clusters"].document("grouping.json", Grouping)
    report = cleanup_report(
        run.key,
        state_of(inputs["tracks"], inputs["faces"], inputs["identities"]),
        state_of(inputs["split_tracks"], inputs["reembed"], inputs["group_clusters"]),
        Footage(
            inputs["detections"].table("detections.parquet"),
            inputs["tracks"].table("untracked.parquet"),
            inputs["detections"].table("shots.parquet"),
            inputs["episode_video"].document("video.json", VideoProbe).duration_s,
            run.keys.tracking.match_thresh,
        ),
        inputs["split_tracks"].table("cuts.parquet"),
        actions=[phase.asset for phase in phases if phase.config["enabled"]],
        grouping=GroupingCounts(
            centroids=grouping.centroids,
            within_episode=grouping.within_episode,
            across_episodes=grouping.across_episodes,
        ),
        limits=run.once(read_limits),
    )
    output = outputs["cleanup_report"]
    output.write_document("cleanup_report.json", report)
    # Not in the document: two runs on the same video give the same bytes.
    output.metrics["phases_runtime_s"] = round(sum(phase.metrics["runtime_s"] for phase in phases), 3)


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Before and after as a table, and the people of both as sheets of their best crops."""
    report = artifact.document("cleanup_report.json", CleanupReport)
    sheets = {}
    for when, tracks, faces, identities in (
        ("before", "tracks", "faces", "identities"),
        ("after", "split_tracks", "reembed", "group_clusters"),
    ):
        cast = read_cast(inputs[identities].document("identities.json", Identities), inputs[tracks], inputs[faces])
        sheet = draw_cast(cast, inputs["face_crops"])
        sheets[f"contact_sheet_{when}"] = picture(sheet, f"the best crops of each identity {when} the cleanup")
    return {
        "actions_completed": list(report.actions_completed),
        "phases_runtime_s": artifact.manifest.metrics["phases_runtime_s"],
        "splits": report.splits.to_dict(),
        "comparison": table([row._asdict() for row in comparison_rows(report)]),
        **{f"{name}_after": value for name, value in report.metrics_after.items()},
        **sheets,
    }


SPEC = ArtifactSpec(
    "cleanup_report",
    code_version="3",
    group="cleanup",
    kinds={"json"},
    description=__doc__,
    reads=("episode_video", "detections", "face_crops", "tracks", "faces", "identities", *_PHASES),
    config=config,
    compute=compute,
    describe=describe,
)
