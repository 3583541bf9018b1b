"""Who is on screen over a season, and for how long."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.store import ArtifactStore
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.common.episode_ids import is_ep_id, parse_season, season_of
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.common.layout import file_path
from screenalytics_assets.core.screen_time.season import season_screen_time as season_screen_time_of
from screenalytics_assets.core.screen_time.season import season_screen_time_csv
from screenalytics_assets.metadata import picture, table
from screenalytics_assets.partitions import EPISODES_NAME, SEASONS


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """The people with their seconds in each episode, the totals, a plot, and where the page is."""
    from screenalytics_assets.reports.season import season_plot  # with the plotting library, which nothing else needs

    document = artifact.json("season_screen_time.json")
    people = [
        {
            "name": row["name"],
            "total_s": row["total_s"],
            "share": row["share"],
            "episodes": row["num_episodes"],
            "trend_per_episode": "" if row["trend_per_episode"] is None else f"{row['trend_per_episode']:+.4f}",
            **row["seconds"],
        }
        for row in document["people"]
    ]
    return {
        "report": dg.MetadataValue.path(artifact.location("index.html")),
        **document["totals"],
        "episodes_count": len(document["episodes"]),
        "people_count": len(people),
        "episodes": table(document["episodes"]),
        "plot": picture(season_plot(document), "share of each episode, of the people who are seen most"),
    } | ({"people": table(people)} if people else {})


STAGE = Stage("season_screen_time", "1", inputs=(), outputs={"season_screen_time": describe}, check_key=parse_season)


def published_episodes(store: ArtifactStore, known: list[str], season: str) -> dict[str, Artifact]:
    """The screen time of the registered episodes of a season that have published one.

    Raises:
        ArtifactError: None has, or what one has published is damaged.
    """
    ep_ids = sorted(ep_id for ep_id in known if is_ep_id(ep_id) and season_of(ep_id) == season)
    found = {ep_id: artifact for ep_id in ep_ids if (artifact := store.open("screen_time", ep_id)) is not None}
    if not found:
        registered = f"of {', '.join(ep_ids)} none" if ep_ids else "no episode is registered that"
        raise ArtifactError(
            f"{season}: {registered} has published screen_time: run `screenalytics run --ep-id {season}e01` first"
        )
    return found


@dg.asset(
    partitions_def=SEASONS,
    group_name="season",
    kinds={"json", "csv", "html"},
    # Of all seasons: which season an episode is of is in its id, and a mapping of our own would not reach the UI.
    deps=[dg.AssetDep("screen_time", partition_mapping=dg.AllPartitionMapping())],
    code_version=STAGE.code_version,
)
def season_screen_time(
    context: dg.AssetExecutionContext, settings: SettingsResource, artifacts: ArtifactStoreResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """People by episodes: seconds on screen, share, trend; as JSON, as a spreadsheet, and as a page.

    Takes in the episodes that have published ``screen_time`` at that moment. Only people with a name are the same
    person in two episodes. The page links the episodes' reports.
    """
    season = context.partition_key
    with translate_errors():
        parse_season(season)
        resolved = settings.load().resolved
        store = artifacts.store()
        episodes = published_episodes(store, list(context.instance.get_dynamic_partitions(EPISODES_NAME)), season)
    reports = {ep_id for ep_id in episodes if store.manifest("episode_report", ep_id) is not None}

    def compute(_inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        from screenalytics_assets.reports.season import render_season

        document = season_screen_time_of(season, {i: a.json("screen_time.json") for i, a in episodes.items()})
        output = outputs["season_screen_time"]
        output.write_json("season_screen_time.json", document)
        output.path("season_screen_time.csv").write_text(season_screen_time_csv(document), encoding="utf-8")
        places = {i: store.location(file_path(i, "index.html")) for i in reports}
        page = render_season(document, place=store.location(file_path(season, "index.html")), reports=places)
        output.path("index.html").write_text(page, encoding="utf-8")
        return {}

    yield from run_stage(
        context,
        STAGE,
        store,
        resolved,
        config={
            "episodes": {ep_id: artifact.manifest.content_digest for ep_id, artifact in episodes.items()},
            "reports": sorted(reports),
        },
        force=settings.force,
        compute=compute,
    )
