"""Writers that correct an episode at once by the Python service and by the command line lose nothing."""

from pathlib import Path

from tests.faults.corrections import corrected_at_once


def test_corrections_by_the_service_and_the_command_line_at_once_are_all_kept(tmp_path: Path) -> None:
    assert corrected_at_once(tmp_path, writers=4, times=2) == []
