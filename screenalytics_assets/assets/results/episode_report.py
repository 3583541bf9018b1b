"""One self-contained HTML file: people and their times, what to review first, metrics, provenance.

It shows the people after the cleanup and naming. Made from published artifacts; no video is opened.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from resources.configuration.acceptance_limits import load_acceptance
from resources.storage.artifacts import Artifact
from screenalytics_assets.artifact import ArtifactSpec, Outputs
from screenalytics_assets.assets.results.report_data import read_configs, read_episode_data
from screenalytics_assets.core.common.digests import digest_of
from screenalytics_assets.core.common.layout import SHEET
from screenalytics_assets.core.quality.acceptance import AcceptanceTable
from screenalytics_assets.metadata import picture
from screenalytics_assets.reports.people import people_of
from screenalytics_assets.reports.pictures.cast import people_sheet
from screenalytics_assets.reports.provenance import used_digest
from screenalytics_assets.run_context import Run

REPORTED_ASSETS = (
    "detections",
    "tracks",
    "faces",
    "identities",
    "split_tracks",
    "reembed",
    "recluster",
    "group_clusters",
    "screen_time",
)
"""The artifacts whose configuration and models the report shows."""


def _limits(run: Run) -> tuple[float, float]:
    """The embedder's own limits, which reveal a bad one in the configuration."""
    declared = run.pack.thresholds
    return (
        declared["tight_thresh"] or run.thresholds.recluster_tight_thresh,
        declared["cluster_thresh"] or run.thresholds.recluster_thresh,
    )


def read_acceptance(_run: Run) -> AcceptanceTable:
    """The limits of the metrics."""
    return load_acceptance()


def config(run: Run) -> dict[str, Any]:
    """The rules about people seen together, the limits, and the configuration that the report shows."""
    clustering = run.keys.clustering.model_dump()
    return {
        **{key: value for key, value in clustering.items() if key.startswith("cannot_link_")},
        "doubt_limits": list(_limits(run)),
        "acceptance": digest_of(run.once(read_acceptance).model_dump(mode="json")),
        "used": used_digest(read_configs(run)),
    }


def compute(run: Run, outputs: Outputs) -> None:
    """Write the page and the contact sheet."""
    # Templates, pictures and statistics, which only the page needs.
    from screenalytics_assets.core.people.review_candidates import MergeLimits
    from screenalytics_assets.reports.episode import EpisodePage
    from screenalytics_assets.reports.review import Review

    output, data = outputs["episode_report"], read_episode_data(run)
    review = Review(data, run.keys.clustering, MergeLimits(*_limits(run)))
    page = EpisodePage(data, review, run.once(read_acceptance))
    output.write_bytes("index.html", page.render().encode())
    people = people_of(data.screen_time, data.identities, data.faces)
    output.write_bytes(SHEET, people_sheet(people, data.read_crops))
    for name, found in (("likely_merges", review.merges()), ("likely_splits", review.splits())):
        output.metrics[name] = sum(question.is_likely for question in found)


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Where the page is, its size, and the best crops of each person."""
    return {
        "report": dg.MetadataValue.path(artifact.location("index.html")),
        "bytes": artifact.path("index.html").stat().st_size,
        "contact_sheet": picture(artifact.path(SHEET).read_bytes(), "the best crops of each person"),
    }


SPEC = ArtifactSpec(
    "episode_report",
    code_version="6",
    group="results",
    kinds={"html"},
    description=__doc__,
    reads=(
        "episode_video",
        "detections",
        "face_crops",
        "track_metrics",
        "corrections",
        "split_tracks",
        "reembed",
        "recluster",
        "group_clusters",
        "screen_time",
        "cleanup_report",
    ),
    reads_manifests=REPORTED_ASSETS,
    config=config,
    compute=compute,
    describe=describe,
)
