"""A published episode that can be corrected: six tracks of two people, and what the cleanup makes of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from resources.storage.correction_files import read_corrections
from resources.storage.store import ArtifactStore, require_artifact
from screenalytics_assets.core.config.people_keys import ClusteringSettings
from screenalytics_assets.core.documents.grouping import CorrectionOutcome, Grouping
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import NO_ACCEPTED_FACE
from screenalytics_assets.core.people.corrections.correction_evidence import PresentEvidence
from screenalytics_assets.core.people.corrections.corrections import Corrections, Evidence
from screenalytics_assets.core.people.resolve_people import resolve_people
from tests.synthetic_episodes import probe_with
from tests.unit.builders import Box, Seen, faces_table, people, track_id, tracks_table
from tests.unit.document_builders import identities_with, identity_with
from tests.unit.identity.test_identities import THRESHOLDS

EP = "show-s01e02"
LEFT: Box = (0.1, 0.2, 0.3, 0.6)
RIGHT: Box = (0.6, 0.2, 0.8, 0.6)
TRACKS = [track_id(i) for i in range(6)]
TABLE = tracks_table(
    [[replace(Seen(48 * (i // 2) + 3 * k), bbox=(LEFT, RIGHT)[i % 2]) for k in range(12)] for i in range(6)]
)
"""Left and right at the same time: tracks 0, 2, 4 on the left, 1, 3, 5 on the right."""
VECTORS = people([1, 1], spread=0.0)[[0, 1] * 3]
MODEL = "2" * 64
FACES = faces_table([i // 2 for i in range(12)], [0.8] * 12)


def publish(store: ArtifactStore, asset: str, inputs: Mapping[str, str] | None = None, **content: Any) -> None:
    """Publish an artifact; names have ``__`` for the dot, a name without is a table."""
    with store.staging(asset, EP) as staged:
        for name, value in content.items():
            file = name.replace("__", ".")
            if isinstance(value, np.ndarray):
                staged.write_array(file, value)
            elif isinstance(value, Corrections):
                staged.write_json(file, value.model_dump(mode="json", exclude_none=True))
            elif "." in file:
                staged.write_document(file, value)
            else:
                staged.write_table(file, value)
        store.publish(staged, fingerprint="", code_version="1", config={}, inputs=inputs or {}, metrics={})


def publish_episode(
    store: ArtifactStore,
    *,
    video: str = "1" * 64,
    vectors: NDArray[np.float32] = VECTORS,
    model: str = MODEL,
    faceless: Collection[str] = (),
    identities: Sequence[Sequence[int]] | None = None,
) -> None:
    """Publish an episode of six tracks, ``ident_001`` to ``ident_006``.

    Args:
        store: Where.
        video: The digest of its video.
        vectors: (6, 512) of the tracks.
        model: The digest of the embedder.
        faceless: Tracks without an accepted face, which are unassigned.
        identities: Numbers of the tracks of each identity; by default, each track is one.
    """
    publish(
        store, "episode_video", video__json=probe_with(size_bytes=1, codec="h264").model_copy(update={"sha256": video})
    )
    publish(store, "split_tracks", tracks=TABLE)
    faces = FACES.set_column(FACES.schema.get_field_index("model_digest"), "model_digest", [[model] * len(FACES)])
    accepted = [track not in faceless for track in faces["track_id"].to_pylist()]
    publish(store, "reembed", faces=faces.cast(FACES.schema).filter(pa.array(accepted)))
    numbers = [i for i, track in enumerate(TRACKS) if track not in faceless]
    publish(
        store,
        "recluster",
        track_ids__json=TrackIds(track_ids=tuple(TRACKS[i] for i in numbers)),
        tracks__npy=vectors[numbers],
        clusters__json=identities_with(
            *(
                identity_with(f"ident_{own[0] + 1:03d}", [TRACKS[i] for i in own])
                for own in identities or [[i] for i in numbers]
            ),
            unassigned=dict.fromkeys(sorted(faceless), NO_ACCEPTED_FACE),
        ),
    )
    apply_corrections(store)


def apply_corrections(store: ArtifactStore, *, automatic: bool = False) -> Mapping[int, CorrectionOutcome]:
    """What a run does with the corrections, by default without merging and naming; the outcomes by number."""
    file = read_corrections(store, EP)
    corrections = Corrections(ep_id=EP, corrections=file.corrections)
    publish(store, "corrections", corrections__json=corrections)
    clusters = require_artifact(store, "recluster", EP)
    faces = require_artifact(store, "reembed", EP).table("faces.parquet")
    track_ids = clusters.document("track_ids.json", TrackIds).track_ids
    models = faces["model_digest"].unique().to_pylist()
    resolved = resolve_people(
        clusters.document("clusters.json", Identities),
        EpisodeTracks(TABLE, faces, track_ids, clusters.vectors("tracks.npy", len(track_ids))),
        None,
        corrections,
        ClusteringSettings(),
        THRESHOLDS,
        present=PresentEvidence(
            Evidence(
                video=require_artifact(store, "episode_video", EP).document("video.json", VideoProbe).sha256,
                model=models[0] if models else MODEL,
            ),
            THRESHOLDS.name_similarity,
        ),
        automatic=automatic,
    )
    publish(store, "group_clusters", identities__json=resolved.identities, grouping__json=resolved.grouping)
    return {outcome.number: outcome for outcome in grouping(store).corrections}


def grouping(store: ArtifactStore) -> Grouping:
    return require_artifact(store, "group_clusters", EP).document("grouping.json", Grouping)


def people_of(store: ArtifactStore) -> Identities:
    return require_artifact(store, "group_clusters", EP).document("identities.json", Identities)
