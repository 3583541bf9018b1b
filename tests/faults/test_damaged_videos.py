"""A damaged video is refused, or its damage is reported in seconds, or nothing changes; it never crashes or hangs."""

import pytest

from resources.models.packs import ModelPack
from tests.faults.videos import Clips, verdicts

SEED, TRIES = 15, 100


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, open_pack: ModelPack) -> Clips:
    return Clips(tmp_path_factory.mktemp("clips"), open_pack)


def test_no_damaged_video_crashes_or_gives_a_wrong_result_without_a_word(clips: Clips) -> None:
    wrong = {seed: verdict for seed, verdict in verdicts(clips, SEED, TRIES) if verdict.fault}
    assert not wrong, "repeat with: python -m tests.faults --tries 1 --seed SEED"


def test_an_undamaged_clip_reports_no_damage_in_any_container(clips: Clips) -> None:
    assert clips.damage_of_the_intact() == {}
