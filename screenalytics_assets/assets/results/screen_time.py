"""Seconds on screen of each person, named or not, with the intervals, and the people seen together.

Times come from the detected faces; bridging a gap never extends an interval across a cut or past the end of the
video. ``confidence`` is the share of a person's time that remains without the tracks whose similarity to the
rest of the person is weak, and without the seconds in which the video is damaged. What a person confirmed by a
correction is sure. Between ``least_s`` and ``most_s`` are the true seconds with a probability of 0.9.
"""

from collections.abc import Mapping
from typing import Any

from resources.storage.artifacts import Artifact
from screenalytics_assets.artifact import ArtifactSpec, Outputs, add_warning
from screenalytics_assets.core.documents.damage import Damage
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.screen_time import episode as core
from screenalytics_assets.core.screen_time.export import screen_time_csv
from screenalytics_assets.core.screen_time.sightings import Sightings
from screenalytics_assets.metadata import picture, table
from screenalytics_assets.reports.pictures.contact_sheets import TimelineRow, timeline
from screenalytics_assets.run_context import Run

_COLUMNS = (
    "person_id",
    "name",
    "visual_s",
    "least_s",
    "most_s",
    "share",
    "first_s",
    "last_s",
    "longest_s",
    "tracks",
    "confidence",
)


def config(run: Run) -> dict[str, Any]:
    """The keys of screen time, and when a similarity is weak."""
    return {**run.keys.screen_time.model_dump(), "min_cohesion": run.thresholds.min_cohesion}


def compute(run: Run, outputs: Outputs) -> None:
    """Add up the times."""
    detections, clusters = run.inputs["detections"], run.inputs["recluster"]
    people = run.inputs["group_clusters"]
    identities = people.document("identities.json", Identities)
    track_ids = clusters.document("track_ids.json", TrackIds).track_ids
    video = run.inputs["episode_video"].document("video.json", VideoProbe)
    document = core.screen_time(
        run.key,
        identities,
        Sightings(
            run.inputs["split_tracks"].table("tracks.parquet", ["track_id", "boxes"]),
            detections.table("analysed_frames.parquet"),
            detections.table("shots.parquet"),
        ),
        core.link_similarities(identities, track_ids, clusters.array("tracks.npy")),
        run.keys.screen_time,
        duration_s=video.duration_s,
        weak_link_sim=run.thresholds.min_cohesion,
        damage=detections.document("damage.json", Damage),
        missing_s=video.missing_s,
        doubts=people.document("grouping.json", Grouping).doubts,
    )
    output = outputs["screen_time"]
    add_warning(output, core.picture_warning(document, identities))
    output.write_document("screen_time.json", document)
    output.write_bytes("screen_time.csv", screen_time_csv(document).encode())


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """The people with their seconds, the totals, the people seen together, and the timeline."""
    document = artifact.document("screen_time.json", ScreenTime)
    starts_s = inputs["detections"].table("shots.parquet", ["start_s"])["start_s"].to_pylist()
    rows = [TimelineRow(person.label, person.intervals) for person in document.people]
    drawn = timeline(rows, cuts_s=starts_s[1:], duration_s=document.duration_s)
    together = [{"people": " and ".join(pair.people), "seconds": pair.seconds} for pair in document.together]
    return {
        **document.totals.to_dict(),
        "picture_s": document.totals.picture_s or 0.0,
        "damaged_s": document.damage.damaged_s if document.damage else 0.0,
        "missing_s": document.missing_s or 0.0,
        "people_count": len(document.people),
        "people": table([{key: getattr(person, key) for key in _COLUMNS} for person in document.people]),
        "together": table(together),
        "timeline": picture(drawn, "when each person is on screen"),
    }


SPEC = ArtifactSpec(
    "screen_time",
    code_version="5",
    group="results",
    kinds={"json", "csv"},
    description=__doc__,
    reads=("episode_video", "detections", "split_tracks", "recluster", "group_clusters"),
    config=config,
    compute=compute,
    describe=describe,
)
