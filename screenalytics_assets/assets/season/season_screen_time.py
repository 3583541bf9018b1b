"""People by episodes: seconds on screen, share, trend; as JSON, as a spreadsheet, and as a page.

Covers the episodes that have published ``screen_time`` so far. Only named people are matched between
episodes. The page links the episodes' reports.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from resources.storage.artifacts import Artifact
from screenalytics_assets.artifact import ArtifactSpec, Outputs
from screenalytics_assets.core.common.episode_ids import is_ep_id, season_of
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.common.layout import file_path
from screenalytics_assets.core.documents.screen_time import ScreenTime, SeasonScreenTime
from screenalytics_assets.core.screen_time import season as core
from screenalytics_assets.metadata import picture, table
from screenalytics_assets.partitions import SEASONS
from screenalytics_assets.run_context import Run


def read_episodes(run: Run) -> dict[str, Artifact]:
    """The screen time of the registered episodes of the season that have published one.

    Raises:
        ArtifactError: None has, or what one has published is damaged.
    """
    ep_ids = sorted(ep_id for ep_id in run.episodes() if is_ep_id(ep_id) and season_of(ep_id) == run.key)
    found = {ep_id: artifact for ep_id in ep_ids if (artifact := run.published("screen_time", ep_id)) is not None}
    if not found:
        registered = f"of {', '.join(ep_ids)} none" if ep_ids else "no episode is registered that"
        raise ArtifactError(
            f"{run.key}: {registered} has published screen_time: run `screenalytics run --ep-id {run.key}e01` first"
        )
    return found


def read_reports(run: Run) -> list[str]:
    """The episodes that have a report."""
    return sorted(ep_id for ep_id in run.once(read_episodes) if run.is_published("episode_report", ep_id))


def config(run: Run) -> dict[str, Any]:
    """What the episodes have published."""
    episodes = {ep_id: artifact.manifest.content_digest for ep_id, artifact in run.once(read_episodes).items()}
    return {"episodes": episodes, "reports": run.once(read_reports)}


def compute(run: Run, outputs: Outputs) -> None:
    """Add the episodes up, and write the table and the page."""
    from screenalytics_assets.reports.season import render_season

    published = run.once(read_episodes)
    episodes = {ep_id: artifact.document("screen_time.json", ScreenTime) for ep_id, artifact in published.items()}
    document = core.season_screen_time(run.key, episodes)
    output = outputs["season_screen_time"]
    output.write_document("season_screen_time.json", document)
    output.write_bytes("season_screen_time.csv", core.season_screen_time_csv(document).encode())
    reports = {ep_id: run.store.location(file_path(ep_id, "index.html")) for ep_id in run.once(read_reports)}
    page = render_season(document, place=run.store.location(file_path(run.key, "index.html")), reports=reports)
    output.write_bytes("index.html", page.encode())


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """The people with their seconds in each episode, the totals, a plot, and where the page is."""
    from screenalytics_assets.reports.season import season_plot  # with the plotting library, which nothing else needs

    document = artifact.document("season_screen_time.json", SeasonScreenTime)
    people = [
        {
            "name": person.name,
            "total_s": person.total_s,
            "share": person.share,
            "episodes": person.num_episodes,
            "trend_per_episode": "" if person.trend_per_episode is None else f"{person.trend_per_episode:+.4f}",
            **person.seconds,
        }
        for person in document.people
    ]
    return {
        "report": dg.MetadataValue.path(artifact.location("index.html")),
        **document.totals.to_dict(),
        "damaged_s": document.totals.damaged_s or 0.0,
        "missing_s": document.totals.missing_s or 0.0,
        "episodes_count": len(document.episodes),
        "people_count": len(people),
        "episodes": table(
            [
                episode.to_dict() | {"damaged_s": episode.damaged_s or 0.0, "missing_s": episode.missing_s or 0.0}
                for episode in document.episodes
            ]
        ),
        "plot": picture(season_plot(document), "share of each episode, for the people with the most screen time"),
    } | ({"people": table(people)} if people else {})


SPEC = ArtifactSpec(
    "season_screen_time",
    code_version="3",
    group="season",
    kinds={"json", "csv", "html"},
    description=__doc__,
    reads_across=("screen_time", "episode_report"),
    config=config,
    compute=compute,
    describe=describe,
    partitions=SEASONS,
)
