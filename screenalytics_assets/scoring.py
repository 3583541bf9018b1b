"""Published episodes against truth files."""

import json
from pathlib import Path

from resources.artifact_store import LocalArtifactStore
from screenalytics_assets.core.errors import TruthError
from screenalytics_assets.core.evaluate import EpisodeScores, score_episode
from screenalytics_assets.core.truth import Truth, parse_truth
from screenalytics_assets.stage import require_artifact


def read_truth(path: Path) -> Truth:
    """A truth file.

    Raises:
        TruthError: It is absent, no JSON, or does not have the documented form.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TruthError(f"{path}: no such truth file") from error
    except ValueError as error:
        raise TruthError(f"{path}: not a JSON file: {error}") from error
    return parse_truth(document)


def score_published(store: LocalArtifactStore, ep_id: str, truth: Truth) -> EpisodeScores:
    """Score the published artifacts of an episode."""
    detections = require_artifact(store, "detections", ep_id)
    return score_episode(
        truth,
        detections.table("analysed_frames.parquet"),
        detections.table("shots.parquet"),
        detections.table("detections.parquet"),
        require_artifact(store, "tracks", ep_id).table("tracks.parquet"),
        require_artifact(store, "identities", ep_id).json("identities.json"),
    )
