"""Steps that wait for a pool slot."""

import time
from pathlib import Path
from typing import Any

import dagster as dg

from screenalytics_assets.services.instance import assigning_free_slots


def test_a_step_that_the_release_missed_gets_the_free_slot(tmp_path: Path) -> None:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        storage: Any = instance.event_log_storage
        storage.set_concurrency_slots("gpu", 1)
        assert storage.claim_concurrency_slot("gpu", "first", "detections").is_claimed
        assert not storage.claim_concurrency_slot("gpu", "second", "detections").is_assigned
        # The slot is released before the second step is pending, so that the release does not see it.
        storage._free_concurrency_slots(run_id="first")
        storage._remove_pending_steps(run_id="first")
        assert not storage.claim_concurrency_slot("gpu", "second", "detections").is_claimed
        with assigning_free_slots(instance, interval_s=0.01):
            patience_s = time.monotonic() + 20
            while not storage.claim_concurrency_slot("gpu", "second", "detections").is_claimed:
                assert time.monotonic() < patience_s
        assert storage.get_concurrency_info("gpu").active_slot_count == 1
