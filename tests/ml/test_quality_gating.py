"""The quality filter, under the names of the original roadmap (section 6.3)."""

import numpy as np
import pytest

from resources.configuration.run_settings import resolve_settings
from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.detection.pose import head_pose_deg
from screenalytics_assets.core.detection.quality import quality_score
from screenalytics_assets.core.embedding.quality_filter import rejection_reasons
from tests.ml.conftest import EP_ID
from tests.ml.stage_runs import published
from tests.unit.builders import Seen, detections_table
from tests.unit.detection.test_pose import FRAME, photograph


def test_quality_gating_config_loading() -> None:
    """The roadmap's ``allowed_expressions`` is not in DESIGN: no expression is measured, and no key is dead."""
    config = resolve_settings().settings.faces.model_dump()
    assert config["min_quality_score"] == 0.35
    assert config["max_yaw_angle"] == 60
    assert config["max_pitch_angle"] == 45
    assert "allowed_expressions" not in config


def test_quality_score_calculation(store: LocalArtifactStore) -> None:
    """Of the published detections; the roadmap's scale is 0 to 10, that of DESIGN 5 is 0 to 1."""
    found = published(store, "detections", EP_ID).table("detections.parquet")
    measures = [column_of(found, name) for name in ("confidence", "face_px", "sharpness", "yaw", "pitch")]
    score = column_of(found, "quality_score")
    np.testing.assert_allclose(quality_score(*measures), score, atol=1e-6)
    assert (score > 0).all()
    assert (score <= 1).all()
    worse = quality_score(
        *(np.minimum(values, limit) for values, limit in zip(measures[:3], (0.3, 40, 20), strict=True)), *measures[3:]
    )
    assert (worse < score).all()


@pytest.mark.parametrize(("yaw", "pitch", "reason"), [(60, 0, "pose_yaw"), (-60, 0, "pose_yaw"), (0, 40, "pose_pitch")])
def test_pose_filtering(yaw: float, pitch: float, reason: str) -> None:
    """A head that is turned by 60° is rejected at a limit of 45°, and one that is not is accepted."""
    landmarks = np.stack([photograph(yaw, pitch, 0), photograph(5, 5, 0)]).astype(np.float32)
    measured = head_pose_deg(landmarks, FRAME)
    seen = [Seen(yaw=float(pose[0]), pitch=float(pose[1])) for pose in measured]
    settings = FacesSettings(max_yaw_angle=45, max_pitch_angle=30)
    reasons = rejection_reasons(detections_table(seen), np.ones(2, np.bool_), settings, min_confidence=0.5)
    assert reasons.tolist() == [reason, ""]
