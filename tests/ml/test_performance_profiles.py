"""Profiles, under the names of the original roadmap (section 6.4)."""

import pytest

from resources.configuration.run_settings import profile_layer
from resources.settings import SettingsResource
from screenalytics_assets.core.config.keys import section_of_key
from screenalytics_assets.core.detection.scan import effective_stride

PROFILES = ("fast_cpu", "balanced", "high_accuracy")


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in section_of_key():
        monkeypatch.delenv(f"SCREENALYTICS_{key.upper().replace('.', '__')}", raising=False)
    monkeypatch.delenv("SCREENALYTICS_PROFILE", raising=False)


def stride_of(profile: str, fps: float = 24.0, **overrides: float | None) -> int:
    """Every how manieth frame is looked at."""
    settings = SettingsResource(profile=profile, overrides=overrides).resolved().settings
    return effective_stride(settings.detection, fps)


@pytest.mark.parametrize("profile", PROFILES)
def test_profile_loading(profile: str) -> None:
    """Each profile resolves to a whole configuration. Its description is a comment of the file, not a key."""
    resolved = SettingsResource(profile=profile).resolved()
    detection = resolved.settings.detection
    assert detection.frame_stride >= 1
    assert detection.detection_fps_limit > 0
    named = profile_layer(profile).values
    assert {key: resolved.provenance[key] for key in named} == dict.fromkeys(named, f"profile {profile}")


def test_profiles_look_at_ever_more_frames() -> None:
    assert [stride_of(profile) for profile in PROFILES] == [5, 3, 1]
    assert stride_of("low_power") == stride_of("fast_cpu")


def test_profile_precedence() -> None:
    """An explicit stride wins over that of the profile."""
    assert stride_of("fast_cpu", frame_stride=3, detection_fps_limit=24) == 3
    assert SettingsResource(profile="fast_cpu", overrides={"frame_stride": 3}).resolved().provenance[
        "frame_stride"
    ] == ("run configuration")


def test_env_var_overrides_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The roadmap's ``SCREENALYTICS_TRACK_BUFFER`` counts frames; ours is in seconds and says so (DESIGN 2.3)."""
    monkeypatch.setenv("SCREENALYTICS_TRACK_BUFFER_S", "1.5")
    monkeypatch.setenv("SCREENALYTICS_FRAME_STRIDE", "7")
    resolved = SettingsResource(profile="fast_cpu").resolved()
    assert resolved.settings.tracking.track_buffer_s == 1.5
    assert resolved.settings.detection.frame_stride == 7
    assert resolved.settings.detection.detection_fps_limit == 6
