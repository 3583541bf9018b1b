"""The end of a command."""

import gc
import sys

import pytest

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
