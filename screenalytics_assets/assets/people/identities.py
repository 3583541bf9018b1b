"""Tracks grouped into people: one vector per track, average linkage on cosine similarity, first tight, then bridged.

Tracks that are seen together are never one person. Each track is in one identity, or listed as unassigned with the
reason. Identities keep the ids of an earlier publication: only ids depend on what is already in the store, and
computing an unchanged input again gives the same bytes.
"""

from collections.abc import Mapping
from typing import Any

from resources.storage.artifacts import Artifact
from screenalytics_assets.assets.cast import draw_cast, read_cast
from screenalytics_assets.assets.identity_spec import identity_spec, previous_identities
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import identify
from screenalytics_assets.metadata import picture, table
from screenalytics_assets.reports.pictures.cast import cast_timeline
from screenalytics_assets.run_context import Run


def config(run: Run) -> dict[str, Any]:
    """The keys of clustering."""
    return run.keys.clustering.model_dump()


def group_tracks(run: Run, tracks: EpisodeTracks) -> Identities:
    """Cluster the tracks."""
    return identify(
        run.key, tracks, run.keys.clustering, run.thresholds, earlier=previous_identities(run, "identities.json")
    )


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """The figures of the clustering, a table of the people, their best crops, and when they are seen."""
    document = artifact.document("identities.json", Identities)
    cast = read_cast(document, inputs["tracks"], inputs["faces"])
    when = cast_timeline(cast, inputs["detections"].table("shots.parquet"))
    return {
        **document.stats.to_dict(),
        "unassigned_tracks": len(document.unassigned),
        "same_face_pairs": len(document.same_face or ()),
        "people": table([member.row() for member in cast]),
        "contact_sheet": picture(draw_cast(cast, inputs["face_crops"]), "the best crops of each identity"),
        "timeline": picture(when, "when each identity is seen"),
    }


SPEC = identity_spec(
    "identities",
    tracks="tracks",
    faces="faces",
    document="identities.json",
    code_version="5",
    group="people",
    description=__doc__,
    also_reads=(),
    config=config,
    group_tracks=group_tracks,
    describe=describe,
)
