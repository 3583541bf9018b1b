"""``screenalytics demo``: two short synthetic episodes through the whole graph."""

import tempfile
from pathlib import Path

import typer

from screenalytics_assets.cli.options import new_console

EPISODES = {"demo-s01e01": 1, "demo-s01e02": 2}
"""Episode ids and the seeds that they are rendered with."""


def demo() -> None:
    """Render two episodes from InsightFace's sample photographs, and find the people in them."""
    from resources.videos import VideoLibraryResource
    from screenalytics_assets.cli.episode.run import execute
    from screenalytics_assets.services.demo import render_demo_episode

    console = new_console()
    ok = True
    for ep_id, seed in EPISODES.items():
        with tempfile.TemporaryDirectory() as folder:
            video = Path(folder) / "episode.mp4"
            console.print(f"rendering {ep_id}")
            render_demo_episode(video, seed=seed)
            VideoLibraryResource().add(ep_id, video, replace=True)
        ok &= execute(console, ep_id, None, {}, force=False, select=[])
    console.print("to explore the result: make ui, then http://127.0.0.1:3000/assets")
    raise typer.Exit(0 if ok else 1)
