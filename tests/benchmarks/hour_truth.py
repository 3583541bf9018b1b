"""What the stages must find in an episode of `hour_episode`."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.run_settings import RunSettings
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact
from resources.storage.manifest import Manifest
from resources.storage.store import ArtifactStore
from screenalytics_assets.core.common.layout import video_dir
from screenalytics_assets.services.dagster_instance.instance import open_instance
from tests.benchmarks.hour_episode import (
    EP_ID,
    FPS,
    KNOWN_PEOPLE,
    PEOPLE,
    draw_hour,
    person_id,
    person_name,
    publish_facebank,
    publish_hour,
    row_of,
)
from tests.synthetic_episodes import write_video

TOLERANCE = 0.02
"""Of a person's seconds: faces that the detector misses at the ends of a shot."""


class PublishedHour:
    """A drawn episode, published in a folder, and what there should be of it."""

    def __init__(self, folder: Path, tracks: int) -> None:
        self._environment = {
            "SCREENALYTICS_DATA_ROOT": str(folder / "data"),
            "DAGSTER_HOME": str(folder / "home"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            # The default of 10,000 would leave half of the faces out.
            "SCREENALYTICS_MAX_CROPS_PER_EPISODE": str(10 * tracks),
        }
        os.environ.update(self._environment)
        self._store: ArtifactStore = ArtifactStoreResource().store()
        self._run: RunSettings = SettingsResource().load()
        self._hour = draw_hour(tracks, seed=1)
        write_video(folder / "data" / video_dir(EP_ID) / "episode.mp4")
        publish_hour(self._hour, self._store, self._run)
        self._people = KNOWN_PEOPLE
        publish_facebank(self._hour, self._store, self._run)

    def ep_id(self) -> str:
        """The episode."""
        return EP_ID

    def environment(self) -> Mapping[str, str]:
        """In which commands find it."""
        return self._environment

    def enrol(self, *, more: bool) -> None:
        """Make the facebank that of the usual people, or of one more."""
        people = KNOWN_PEOPLE + more
        if people != self._people:
            publish_facebank(self._hour, self._store, self._run, people=people)
            self._people = people

    def compare(self, assets: Sequence[str]) -> None:
        """Compare what was published with what was drawn.

        Raises:
            RuntimeError: It is something else.
        """
        for asset in assets:
            self._compare(asset)

    def stage_s(self, assets: Sequence[str]) -> float:
        """Seconds that the stages computed."""
        return float(sum(self._manifest(asset).metrics["runtime_s"] for asset in assets))

    def steps_s(self) -> float:
        """Seconds of the steps of the last run, with the checks."""
        with open_instance() as instance:
            (record,) = instance.get_run_records(limit=1)
            steps = instance.get_run_step_stats(record.dagster_run.run_id)
        return sum((step.end_time or 0.0) - (step.start_time or 0.0) for step in steps)

    def report_mb(self) -> float:
        """Size of the episode's report."""
        return self._artifact("episode_report").path("index.html").stat().st_size / 1e6

    def _compare(self, asset: str) -> None:
        if asset in ("tracks", "split_tracks"):
            self._compare_tracks(asset)
        if asset == "reembed":
            _expect(self._manifest("reembed").metrics["newly_embedded"], 0, "crops without a vector")
        if asset in ("identities", "recluster", "group_clusters"):
            self._compare_identities(asset, "clusters.json" if asset == "recluster" else "identities.json")
        if asset == "screen_time":
            self._compare_seconds()
        if asset == "episode_report":
            page = self._artifact(asset).path("index.html").read_text(encoding="utf-8")
            _expect([p for p in range(self._people) if person_name(p) not in page], [], "people not in the report")

    def _compare_tracks(self, asset: str) -> None:
        true_tracks = [own for own, _ in self._shown_by_tracks(asset).values()]
        drawn = list(range(len(self._hour.person_of_track)))
        # Without the appearance split nothing links a track again that motion alone has lost.
        found = sorted(set(true_tracks) if asset == "tracks" else true_tracks)
        _expect(found, drawn, f"true tracks of {asset}")

    def _compare_identities(self, asset: str, name: str) -> None:
        person_of = self._people_of_tracks("tracks" if asset == "identities" else "split_tracks")
        document = self._artifact(asset).json(name)
        found = [{person_of[track] for track in entry["track_ids"]} for entry in document["identities"]]
        _expect(sorted(p for people in found for p in people), list(range(PEOPLE)), f"people of {asset}")
        _expect(max(map(len, found)), 1, f"people in one identity of {asset}")
        _expect(document["unassigned"], [], f"unassigned tracks of {asset}")
        if asset == "group_clusters":
            named = {entry["person_id"] for entry in document["identities"] if entry.get("person_id")}
            right = {person_id(p) for p in range(self._people)}
            _expect(named, right, "names")
            wrong = [
                entry["person_id"]
                for entry, people in zip(document["identities"], found, strict=True)
                if entry.get("person_id") and entry["person_id"] not in map(person_id, people)
            ]
            _expect(wrong, [], "wrong names")

    def _compare_seconds(self) -> None:
        expected: Counter[int] = Counter()
        for shot in self._hour.shots:
            for person in shot.people.tolist():
                expected[person] += shot.end_frame - shot.start_frame + 1
        person_of = self._people_of_tracks("split_tracks")
        entries = {e["identity_id"]: e for e in self._artifact("group_clusters").json("identities.json")["identities"]}
        for person in self._artifact("screen_time").json("screen_time.json")["people"]:
            number = person_of[entries[person["identity_ids"][0]]["track_ids"][0]]
            off = person["visual_s"] / (expected[number] / FPS) - 1
            if abs(off) > TOLERANCE:
                raise RuntimeError(f"screen time of {person_name(number)}: {off:+.1%} of what was drawn")

    def _people_of_tracks(self, asset: str) -> dict[str, int]:
        return {track_id: person for track_id, (_, person) in self._shown_by_tracks(asset).items()}

    def _shown_by_tracks(self, asset: str) -> dict[str, tuple[int, int]]:
        """The true track and the person of each published track; each shows one."""
        found = {}
        for track in self._artifact(asset).table("tracks.parquet", ["track_id", "boxes"]).to_pylist():
            rows = [row_of(box["detection_id"]) for box in track["boxes"]]
            (true_track,) = set(self._hour.detected.track_of_row[rows].tolist())
            found[track["track_id"]] = (true_track, int(self._hour.person_of_track[true_track]))
        return found

    def _artifact(self, asset: str) -> Artifact:
        return self._store.artifact(self._manifest(asset))

    def _manifest(self, asset: str) -> Manifest:
        manifest = self._store.manifest(asset, EP_ID)
        if manifest is None:
            raise RuntimeError(f"{asset} was not published")
        return manifest


def _expect(found: object, expected: object, what: str) -> None:
    if found != expected:
        raise RuntimeError(f"{what}: {found}, expected {expected}")
