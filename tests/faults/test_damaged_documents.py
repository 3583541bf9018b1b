"""A damaged document is read or refused, whatever is wrong with it."""

from itertools import islice
from pathlib import Path

import pytest

from tests.faults.readers import readers_in, tries

SEED, TRIES = 15, 300


def test_no_damaged_document_crashes_a_reader_or_is_refused_without_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENALYTICS_CONFIG_DIR", str(tmp_path / "config"))
    readers = readers_in(tmp_path)
    assert {reader.name: problem for reader in readers if (problem := reader.fault(reader.samples[0]))} == {}
    found = [
        (reader.name, problem, content[:2000])
        for reader, content in islice(tries(readers, SEED), TRIES)
        if (problem := reader.fault(content))
    ]
    assert found == []
