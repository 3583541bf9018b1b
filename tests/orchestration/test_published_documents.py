"""The documents of a run, read as their types and written again."""

from pathlib import Path

import pytest

from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.documents.cleanup_report import CleanupReport
from screenalytics_assets.core.documents.damage import Damage
from screenalytics_assets.core.documents.document import Document
from screenalytics_assets.core.documents.episode_vectors import EpisodeVectors
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.documents.track_metrics import TrackMetrics
from screenalytics_assets.core.documents.video import VideoProbe
from tests.conftest import DEMO_EP


@pytest.mark.parametrize(
    ("asset", "name", "kind"),
    [
        ("detections", "damage.json", Damage),
        ("identities", "identities.json", Identities),
        ("identities", "track_ids.json", TrackIds),
        ("recluster", "clusters.json", Identities),
        ("recluster", "track_ids.json", TrackIds),
        ("group_clusters", "identities.json", Identities),
        ("group_clusters", "grouping.json", Grouping),
        ("episode_video", "video.json", VideoProbe),
        ("episode_vectors", "episode_vectors.json", EpisodeVectors),
        ("track_metrics", "track_metrics.json", TrackMetrics),
        ("cleanup_report", "cleanup_report.json", CleanupReport),
        ("screen_time", "screen_time.json", ScreenTime),
    ],
)
def test_a_published_document_is_written_again_byte_for_byte(
    asset: str, name: str, kind: type[Document], published_demo: Path, tmp_path: Path
) -> None:
    artifact = LocalArtifactStore(published_demo).open(asset, DEMO_EP)
    assert artifact is not None
    with LocalArtifactStore(tmp_path).staging(asset, DEMO_EP) as staged:
        staged.write_document(name, artifact.document(name, kind))
        assert staged.path(name).read_bytes() == artifact.path(name).read_bytes()
