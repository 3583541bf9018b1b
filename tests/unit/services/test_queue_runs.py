"""Queueing runs through Dagster's GraphQL command line."""

from pathlib import Path

import dagster as dg
import pytest

from screenalytics_assets.core.common.errors import ScreenalyticsError
from screenalytics_assets.services.running import queue_runs


def test_queueing_that_takes_too_long_is_given_up_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setattr(queue_runs, "_TIMEOUT_S", 0.05)
    with pytest.raises(ScreenalyticsError, match=r"within 0\.05 s.*run the command again"):
        queue_runs.queue_runs("episode_job", [dg.RunRequest(partition_key="demo-s01e01")])
