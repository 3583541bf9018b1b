"""Steps that wait for a pool slot."""

import errno
import os
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy.exc import OperationalError

from screenalytics_assets.run_owner import owned_run, release_dead_runs
from screenalytics_assets.services.dagster_instance import pool_slots
from screenalytics_assets.services.dagster_instance.pool_slots import assigning_free_slots


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


def test_the_watch_of_the_slots_survives_a_database_that_is_locked_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def locked_at_first(instance: dg.DagsterInstance) -> list[str]:
        looks.append("look")
        if len(looks) < 3:
            raise OperationalError("insert", {}, sqlite3.OperationalError("database is locked"))
        return release_dead_runs(instance)

    monkeypatch.setattr(pool_slots, "release_dead_runs", locked_at_first)
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance, assigning_free_slots(instance, interval_s=0.01):
        patience_s = time.monotonic() + 20
        while len(looks) < 5:
            assert time.monotonic() < patience_s


def test_a_waiting_run_says_which_run_of_which_process_it_waits_for(tmp_path: Path) -> None:
    said: list[str] = []
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance, owned_run(instance, "first"):
        storage: Any = instance.event_log_storage
        storage.set_concurrency_slots("gpu", 1)
        assert storage.claim_concurrency_slot("gpu", "first", "detections").is_claimed
        instance.add_run(dg.DagsterRun("episode_job", run_id="second"))
        assert not storage.claim_concurrency_slot("gpu", "second", "detections").is_claimed
        with assigning_free_slots(instance, waiting_run="second", say=said.append, interval_s=0.01):
            patience_s = time.monotonic() + 20
            while not said or len(instance.all_logs("second")) < 1:
                assert time.monotonic() < patience_s
        message = (
            f"waiting for a slot of the pool gpu, held by run first (process {os.getpid()} of {socket.gethostname()})"
        )
        assert said == [message]
        assert [entry.message for entry in instance.all_logs("second")] == [message]


def run_on_full_disk(instance: dg.DagsterInstance, run_id: str) -> None:
    with owned_run(instance, run_id):
        instance.add_run(dg.DagsterRun("episode_job", run_id=run_id, status=dg.DagsterRunStatus.STARTED))
        instance.event_log_storage.claim_concurrency_slot("gpu", run_id, "detections")
        raise OSError(errno.ENOSPC, "full")


def test_a_run_whose_end_could_not_be_recorded_gives_its_slot_back(tmp_path: Path) -> None:
    """As on a full disk, where the instance cannot be told that the run has failed."""
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        instance.event_log_storage.set_concurrency_slots("gpu", 1)
        with pytest.raises(OSError, match="full"):
            run_on_full_disk(instance, "first")
        assert release_dead_runs(instance) == ["first"]
        assert instance.event_log_storage.get_concurrency_info("gpu").active_slot_count == 0
        assert release_dead_runs(instance) == []
