"""The commands of the README and the documents, run in their order on one episode, as they are written there."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from resources.models.packs import ModelPack
from screenalytics_assets.core.common.layout import crops_dir, file_path
from screenalytics_assets.core.common.schemas import EMBEDDING_DIMENSION
from screenalytics_assets.core.evaluation.truth import TruthDocument
from screenalytics_assets.docs_generator.artifact_fields import ARRAYS, ASSET_FILES, DOCUMENTS, TABLES
from tests.documents import Command, shell_commands
from tests.orchestration.command_line import Cli
from tests.orchestration.published_files import breaches, manifests

EP, SHOW = "demo-s01e01", "demo"

NOT_RUN = {
    r"make (setup|demo|check|test|lint|docs|bench|faults)\b.*": "set-up, whole suites: tested by themselves",
    r"export .*": "sets a variable of the reader's shell",
    r"screenalytics ui": "serves until it is interrupted: tests/e2e",
    r"screenalytics doctor": "judges this machine: tests/unit/cli/test_doctor.py",
    r"screenalytics database upgrade": "needs tables of an older version: tests/unit/database/test_vector_database.py",
    r"dagster instance concurrency set gpu 2": "Dagster's own",
    r".*device=cuda": "needs a GPU",
    r"\.venv/bin/(pytest tests/gpu|python -m tests\.benchmarks\.gpu .*)": "needs a GPU",
}
"""What is not run here, as regular expressions, and why. Everything else is."""

COMMANDS = sorted(
    (c for c in shell_commands() if not any(re.fullmatch(pattern, c.text) for pattern in NOT_RUN)),
    key=lambda command: command.page != "README.md",
)


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, open_pack: ModelPack) -> Cli:
    assert open_pack.name == "open"
    return Cli(tmp_path_factory.mktemp("reader"))


class Reader:
    """Replaces the placeholders and example ids of the documents by files and ids of the test."""

    def __init__(self, cli: Cli, folder: Path, video: Path, truth: TruthDocument) -> None:
        self._cli = cli
        self._folder = folder
        self._own = {"VIDEO": str(video), "EP": EP, "rhobh-s05e01": EP, "rhobh-s05e02": EP, "tbbt": SHOW}
        (folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
        self._own["FILE"] = str(folder / "truth.json")

    def words(self, command: Command) -> list[str]:
        """What is typed after ``screenalytics``."""
        words = [self._own.get(word, word) for word in command.words[1:]]
        if words[0] in ("facebank", "find"):
            photo = self._photo()
            words = [{"DIR": str(photo.parents[1]), "PHOTO": str(photo)}.get(word, word) for word in words]
        if words[0] == "correct":
            words = list(self._corrected(words))
        return words

    def _corrected(self, words: list[str]) -> Iterator[str]:
        identities = {identity["identity_id"]: identity for identity in self._identities()}
        known = sorted(identities)
        of_whom = known[1]
        for word in words:
            if re.fullmatch(r"ident_\d+", word):
                of_whom = word if word in known else known[-1]
                yield of_whom
            elif re.fullmatch(r"track-\d+", word):
                yield identities[of_whom]["track_ids"][0]
            else:
                yield word

    def _identities(self) -> list[dict[str, Any]]:
        document = json.loads((self._cli.data / f"cleaned/{EP}/identities.json").read_text(encoding="utf-8"))
        identities: list[dict[str, Any]] = document["identities"]
        return identities

    def _photo(self) -> Path:
        """A portrait, with surroundings, of a person in the episode."""
        photo = self._folder / "photos" / "Ann Onymous" / "portrait.png"
        if not photo.exists():
            photo.parent.mkdir(parents=True)
            crop = cv2.imread(str(max((self._cli.data / f"frames/{EP}/crops").rglob("*.jpg"))))
            assert crop is not None
            cv2.imwrite(str(photo), cv2.copyMakeBorder(crop, 40, 40, 40, 40, cv2.BORDER_REPLICATE))
        return photo


@pytest.fixture(scope="module")
def reader(cli: Cli, tmp_path_factory: pytest.TempPathFactory, demo_episode: tuple[Path, TruthDocument]) -> Reader:
    return Reader(cli, tmp_path_factory.mktemp("own"), *demo_episode)


@pytest.fixture(scope="module")
def episode(cli: Cli, reader: Reader) -> Path:
    """The data root after the README's first command."""
    outcome = cli.run(*reader.words(COMMANDS[0]))
    assert outcome.returncode == 0, outcome.said
    return cli.data


def test_the_readme_begins_with_an_episode() -> None:
    assert COMMANDS[0].words[:3] == ("screenalytics", "run", "VIDEO")
    assert {command.words[1] for command in COMMANDS} >= {"run", "check", "cleanup", "evaluate", "correct", "find"}


def test_every_exception_is_a_command_that_a_page_shows() -> None:
    shown = [command.text for command in shell_commands()]
    assert [pattern for pattern in NOT_RUN if not any(re.fullmatch(pattern, text) for text in shown)] == []


def test_a_field_that_is_missing_or_not_listed_is_reported() -> None:
    declared = {"a": "", "d": "", "e?": "", "f.*": "", "g[].h": "", "k[].*": ""}
    assert breaches({"a": 1, "b": {"c": 2}, "f": {"x": 1}, "g": [{"h": 1, "i": 2}]}, declared) == {"b.c", "d", "g[].i"}
    assert breaches({"a": 1, "d": [], "e": None, "f": {}, "g": [], "k": []}, declared) == set()
    assert breaches({"a": 1, "d": [], "g": [], "k": [{"any": 1}], "kk": []}, declared) == {"kk"}


def test_what_an_episode_publishes_is_what_the_reference_lists(episode: Path) -> None:
    published = manifests(episode, EP)
    for asset, names in ASSET_FILES.items():
        paths = [file.path for file in published[asset].files if not file.path.endswith(".jsonl")]
        folders = {name: crops_dir(EP, asset) if name == "crops" else file_path(EP, name, asset) for name in names}
        assert sorted(paths) == sorted(folders.values())
        for name, place in folders.items():
            if name in TABLES:
                assert pq.read_schema(episode / place).equals(TABLES[name][0]), place
            if name in DOCUMENTS:
                document = json.loads((episode / place).read_text(encoding="utf-8"))
                assert breaches(document, DOCUMENTS[name]) == set(), place
            if name in ARRAYS:
                assert np.load(episode / place).shape[1] == EMBEDDING_DIMENSION, place


@pytest.mark.usefixtures("episode")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}: {command.text}")
def test_a_documented_command_does_what_it_should(cli: Cli, reader: Reader, command: Command) -> None:
    words = reader.words(command)
    outcome = cli.run(*words)
    assert outcome.returncode == 0, f"{shlex.join(words)}\n{outcome.said}"
