"""The end of a command."""

import errno
import gc
import logging
import os
import sys

import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from screenalytics_assets import cli
from screenalytics_assets.cli import BUG_NOTE, main


def test_what_a_command_has_made_is_not_looked_through_for_garbage_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["screenalytics", "--help"])
    gc.unfreeze()
    try:
        with pytest.raises(SystemExit):
            main()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(("code", "status"), [(errno.EACCES, 2), (errno.EROFS, 2), (errno.ENOSPC, 1), (errno.EIO, 1)])
def test_a_place_that_cannot_be_written_is_told_in_one_line(
    code: int, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise OSError(code, os.strerror(code), "/data/exports")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: /data/exports: ")
    assert len(said.splitlines()) == 1


def test_a_bug_keeps_its_traceback_and_says_where_to_report_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert os.strerror(errno.EBADF) in said
    assert said.strip().endswith(BUG_NOTE)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, DagsterExecutionInterruptedError])
def test_an_interrupt_says_what_happens_to_the_work_without_a_name_of_a_class(
    interrupt: type[BaseException], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop() -> None:
        raise interrupt

    monkeypatch.setattr(cli, "app", stop)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    said = capsys.readouterr().err.strip()
    assert said == "error: interrupted: what was published stays; the same command goes on from there"


def test_attempts_to_reach_a_database_are_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "app", lambda: logging.warning("Retrying failed database connection"))
    root = logging.getLogger()
    shown: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: shown.append(record.getMessage())  # type: ignore[method-assign]
    root.addHandler(handler)
    try:
        main()
    finally:
        root.removeHandler(handler)
        root.removeFilter(cli._is_error)
    assert shown == []
    assert capsys.readouterr().err == ""
