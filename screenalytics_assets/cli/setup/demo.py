"""``screenalytics demo``: two short episodes that anyone can make, through the whole graph."""

import tempfile
from pathlib import Path

import typer
from rich.console import Console

EPISODES = {"demo-s01e01": 1, "demo-s01e02": 2}
"""Episode ids and the seeds that they are rendered with."""


def demo() -> None:
    """Render two episodes from InsightFace's sample photographs and find who is in them."""
    from resources.videos import VideoLibraryResource
    from screenalytics_assets.cli.episode.run import execute
    from screenalytics_assets.services.demo import render_demo_episode

    console = Console()
    ok = True
    for ep_id, seed in EPISODES.items():
        with tempfile.TemporaryDirectory() as folder:
            video = Path(folder) / "episode.mp4"
            console.print(f"rendering {ep_id}", highlight=False)
            render_demo_episode(video, seed=seed)
            VideoLibraryResource().add(ep_id, video, replace=True)
        ok &= execute(console, ep_id, None, {}, force=False, select=[])
    console.print("look around: make ui, then http://127.0.0.1:3000/assets", highlight=False)
    raise typer.Exit(0 if ok else 1)
