"""``screenalytics export``: tracks and screen time in the formats of other programs."""

from pathlib import Path
from typing import Annotated

import typer

from screenalytics_assets.cli.options import PublishedEpisode, new_console


def export(
    ep_id: PublishedEpisode,
    format_: Annotated[
        str, typer.Option("--format", help="csv (spreadsheet), jsonl, or mot (tracks for MOTChallenge tools).")
    ] = "csv",
    out: Annotated[Path | None, typer.Option(help="Folder for the files, instead of exports/EP of the data.")] = None,
) -> None:
    """Write the tracks, and for csv and jsonl the screen time, of an episode: the people as the report names them."""
    from resources.artifact_store import ArtifactStoreResource
    from resources.storage.store import require_artifact
    from resources.system.files import write_whole
    from screenalytics_assets.core.common.episode_ids import parse_ep_id
    from screenalytics_assets.core.common.errors import ConfigurationError
    from screenalytics_assets.core.documents.identities import Identities
    from screenalytics_assets.core.documents.screen_time import ScreenTime
    from screenalytics_assets.core.documents.video import VideoProbe
    from screenalytics_assets.core.screen_time.export import FORMATS, export_texts, exported_boxes

    parse_ep_id(ep_id)
    if format_ not in FORMATS:
        raise ConfigurationError(f"--format {format_}: expected one of {', '.join(FORMATS)}")
    store = ArtifactStoreResource().store()
    video = require_artifact(store, "episode_video", ep_id).document("video.json", VideoProbe)
    boxes = exported_boxes(
        require_artifact(store, "split_tracks", ep_id).table("tracks.parquet"),
        require_artifact(store, "detections", ep_id).table("detections.parquet", ["detection_id", "confidence"]),
        require_artifact(store, "group_clusters", ep_id).document("identities.json", Identities),
        width=video.width,
        height=video.height,
    )
    screen_time = require_artifact(store, "screen_time", ep_id).document("screen_time.json", ScreenTime)
    console = new_console()
    for name, text in export_texts(boxes, screen_time, format_).items():
        if out is None:
            console.print(store.write(f"exports/{ep_id}/{name}", text.encode()))
        else:
            write_whole(out / name, text.encode())
            console.print(str(out / name))
