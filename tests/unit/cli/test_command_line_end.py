"""The end of a command."""

import errno
import gc
import os
import sys

import pytest

from screenalytics_assets import cli
from screenalytics_assets.cli import main


def test_what_a_command_has_made_is_not_looked_through_for_garbage_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["screenalytics", "--help"])
    gc.unfreeze()
    try:
        with pytest.raises(SystemExit):
            main()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_place_that_cannot_be_written_is_refused_in_one_line(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise OSError(code, os.strerror(code), "/data/exports")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    reason = f"error: /data/exports: {os.strerror(code)}: check the permissions and the free space"
    assert capsys.readouterr().err.strip() == reason


def test_an_unexpected_error_of_the_system_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        main()
