"""Names when only half of the cast is enrolled: every half of a show's facebank, on published labelled episodes.

    python -m tests.benchmarks.partial_enrolment TRUTH_DIR

The episodes of the folder's truth files, their facebank and its database are those below the data root. Tracks are
compared with the photos in the database, of which each half takes its own; `group_clusters` names, and
``score_names`` counts the seconds. Nothing is published. The bound: of the seconds of people who are not enrolled, at
most 1 % have a name.
"""

import argparse
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.run_settings import RunSettings
from resources.settings import SettingsResource
from resources.storage.store import ArtifactStore, require_artifact
from screenalytics_assets.assets.cleanup.group_clusters import enrolled_photos
from screenalytics_assets.core.common.episode_ids import show_of
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.core.evaluation.name_scores import NamedPerson, NameScores, all_names, score_names
from screenalytics_assets.core.evaluation.truth import Truth
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.people.corrections.corrections import Corrections
from screenalytics_assets.core.people.naming import Facebank
from screenalytics_assets.core.people.resolve_people import resolve_people
from tests.benchmarks.labelled import print_table, read_truths
from tests.unit.document_builders import screen_time_with


@dataclass(frozen=True)
class Episode:
    """What an episode's names are made from, and scored with."""

    truth: Truth
    analysed_frames: pa.Table
    detections: pa.Table
    clusters: Identities
    tracks: EpisodeTracks
    facebank: Facebank
    corrections: Corrections

    def names(self, half: Collection[str], run: RunSettings) -> NameScores:
        """The scores where only some people are enrolled."""
        rows = [i for i, person_id in enumerate(self.facebank.person_ids) if person_id in half]
        known = replace(
            self.facebank,
            person_ids=[self.facebank.person_ids[i] for i in rows],
            vectors=self.facebank.vectors[rows],
            names={person_id: self.facebank.names[person_id] for person_id in half},
        )
        clustering = run.resolved.settings.clustering
        grouped = resolve_people(self.clusters, self.tracks, known, self.corrections, clustering, run.thresholds)
        scores = score_names(
            self.truth,
            self.analysed_frames,
            self.detections,
            self.tracks.table,
            grouped.identities,
            screen_time_with(),
        )
        assert scores is not None
        return scores


def read_episode(store: ArtifactStore, ep_id: str, truth: Truth, run: RunSettings) -> Episode:
    """A published episode, and the photos of everybody."""
    detections = require_artifact(store, "detections", ep_id)
    recluster = require_artifact(store, "recluster", ep_id)
    tracks = EpisodeTracks(
        require_artifact(store, "split_tracks", ep_id).table("tracks.parquet"),
        require_artifact(store, "reembed", ep_id).table("faces.parquet"),
        recluster.document("track_ids.json", TrackIds).track_ids,
        recluster.array("tracks.npy"),
    )
    show = show_of(ep_id)
    facebank = require_artifact(store, "facebank", show)
    return Episode(
        truth,
        detections.table("analysed_frames.parquet"),
        detections.table("detections.parquet"),
        recluster.document("clusters.json", Identities),
        tracks,
        enrolled_photos(facebank, run.pack.embedder.file.sha256),
        require_artifact(store, "corrections", ep_id).document("corrections.json", Corrections),
    )


def figures(half: Sequence[str], people: Sequence[NamedPerson]) -> dict[str, Any]:
    """Who is enrolled, and what share of the seconds of those who are and of the others is named how."""
    own = [person for person in people if person.person in half]
    others = [person for person in people if person.person not in half]
    wrong = {person.person: person.wrong_s / person.seconds for person in others}
    return {
        "enrolled": ", ".join(half),
        "enrolled, right": sum(p.right_s for p in own) / sum(p.seconds for p in own),
        "of found": sum(p.right_s for p in own) / sum(p.found_s for p in own),
        "least, one person": min(p.right_s / p.seconds for p in own),
        "not enrolled, named": sum(p.wrong_s for p in others) / sum(p.seconds for p in others),
        "most, one person": max(wrong.values()),
        "who": max(wrong, key=wrong.__getitem__) if any(wrong.values()) else "",
    }


def summary(halves: Sequence[Mapping[str, Any]]) -> list[dict[str, object]]:
    """Mean, least and most of each figure over the halves."""
    names = [name for name, value in halves[0].items() if isinstance(value, float)]
    return [
        {"": what, **{name: of([float(half[name]) for half in halves]) for name in names}}
        for what, of in (("mean", lambda values: sum(values) / len(values)), ("least", min), ("most", max))
    ]


def main() -> None:
    """Print the figures of all halves as one, and the halves in which a person who is not enrolled gets a name."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.partial_enrolment", description=__doc__)
    parser.add_argument("truth_dir", type=Path)
    truths = read_truths(parser.parse_args().truth_dir)
    run, store = SettingsResource().load(), ArtifactStoreResource().store()
    episodes = [read_episode(store, ep_id, truth, run) for ep_id, truth in truths.items()]
    cast = sorted(episodes[0].facebank.names)
    halves = [
        figures(half, all_names(episode.names(half, run) for episode in episodes).people)
        for half in combinations(cast, len(cast) // 2)
    ]
    print(f"{len(halves)} halves of {len(cast)} people, {len(episodes)} episodes")
    print_table(summary(halves))
    if doubtful := [half for half in halves if half["most, one person"]]:
        print_table(doubtful)


if __name__ == "__main__":
    main()
