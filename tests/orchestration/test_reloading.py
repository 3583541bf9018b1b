"""The UI loads the definitions again when a season is added."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from resources.system.paths import project_dir
from screenalytics_assets.dagster_private import code_servers, open_workspace, reload_code_locations
from screenalytics_assets.web import reloading as module
from screenalytics_assets.web.reloading import ChangedFiles, reloading

SEASON = {"seasons": [{"show": "demo", "season": 3, "cron": "0 2 * * *"}]}


def schedules(workspace: Any) -> set[str]:
    (location,) = workspace.create_request_context().code_locations
    (repository,) = location.get_repositories().values()
    return {schedule.name for schedule in repository.get_schedules()}


# Dagster ends its code servers without waiting for them.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function Popen.__del__:pytest.PytestUnraisableExceptionWarning"
)
def test_a_season_that_is_added_to_the_file_has_a_schedule_without_a_restart(
    instance: dg.DagsterInstance, configured: Callable[..., Path]
) -> None:
    folder = configured()
    changed = ChangedFiles()
    with (
        code_servers(instance, project_dir() / "workspace.yaml") as served,
        open_workspace(instance, served) as workspace,
    ):
        assert schedules(workspace) == set()
        assert not changed()
        (folder / "seasons.yaml").write_text(yaml.safe_dump(SEASON))
        assert changed()
        assert not changed()
        reload_code_locations(workspace)
        assert schedules(workspace) == {"season_demo_s03"}


def test_files_are_looked_at_until_the_ui_ends_also_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_INTERVAL_S", 0.001)
    twice = threading.Event()
    tries: list[int] = []

    def reload() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("a code server does not answer")
        twice.set()

    with reloading(lambda: True, reload):
        assert twice.wait(60)


def test_a_file_that_cannot_be_read_is_a_change_too(configured: Callable[..., Path]) -> None:
    folder = configured()
    changed = ChangedFiles()
    (folder / "inbox.yaml").unlink(missing_ok=True)
    (folder / "inbox.yaml").mkdir()
    assert changed()
    assert not changed()
