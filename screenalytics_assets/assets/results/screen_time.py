"""Who is on screen, and for how long."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.screen_time.episode import Sightings, link_similarities, screen_time_csv
from screenalytics_assets.core.screen_time.episode import screen_time as screen_time_of
from screenalytics_assets.metadata import picture, table
from screenalytics_assets.partitions import EPISODES
from screenalytics_assets.reports.pictures.contact_sheets import TimelineRow, timeline

_IN_TABLE = ("person_id", "name", "visual_s", "share", "first_s", "last_s", "longest_s", "tracks", "confidence")


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """The people with their seconds, the totals, who is seen with whom, and the timeline."""
    document = artifact.json("screen_time.json")
    starts_s = inputs["detections"].table("shots.parquet", ["start_s"])["start_s"].to_pylist()
    rows = [TimelineRow(person["name"] or person["person_id"], person["intervals"]) for person in document["people"]]
    return {
        **document["totals"],
        "people_count": len(document["people"]),
        "people": table([{key: person[key] for key in _IN_TABLE} for person in document["people"]]),
        "together": table(
            [{"people": " and ".join(p["people"]), "seconds": p["seconds"]} for p in document["together"]]
        ),
        "timeline": picture(
            timeline(rows, cuts_s=starts_s[1:], duration_s=document["duration_s"]), "when each person is on screen"
        ),
    }


STAGE = Stage(
    "screen_time",
    "2",
    inputs=("episode_video", "detections", "split_tracks", "recluster", "group_clusters"),
    outputs={"screen_time": describe},
)


@dg.asset(
    partitions_def=EPISODES,
    group_name="episode",
    kinds={"json", "csv"},
    deps=["group_clusters"],
    code_version=STAGE.code_version,
)
def screen_time(
    context: dg.AssetExecutionContext, settings: SettingsResource, artifacts: ArtifactStoreResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Seconds on screen of each person, named or not, with the intervals, and who is seen with whom.

    Times come from the faces that were found; no interval reaches across a cut on the strength of a bridged gap, or
    past the end of the video. ``confidence`` is the share of a person's time that remains without the tracks whose
    likeness to the rest of the person is weak.
    """
    with translate_errors():
        run = settings.load()
    keys = run.resolved.settings.screen_time

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        identities = inputs["group_clusters"].json("identities.json")
        detections = inputs["detections"]
        document = screen_time_of(
            context.partition_key,
            identities,
            Sightings(
                inputs["split_tracks"].table("tracks.parquet", ["track_id", "boxes"]),
                detections.table("analysed_frames.parquet"),
                detections.table("shots.parquet"),
            ),
            link_similarities(
                identities,
                inputs["recluster"].json("track_ids.json")["track_ids"],
                inputs["recluster"].array("tracks.npy"),
            ),
            keys,
            duration_s=inputs["episode_video"].json("video.json")["duration_s"],
            weak_link_sim=run.thresholds.min_cohesion,
        )
        output = outputs["screen_time"]
        output.write_json("screen_time.json", document)
        output.path("screen_time.csv").write_text(screen_time_csv(document), encoding="utf-8")
        return {}

    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        run.resolved,
        config={**keys.model_dump(), "min_cohesion": run.thresholds.min_cohesion},
        force=settings.force,
        compute=compute,
    )
