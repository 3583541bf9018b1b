"""The files in which people correct an episode."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from resources.storage.correction_files import read_corrections, update_corrections
from resources.storage.store import ArtifactStore
from screenalytics_assets.core.common.errors import CorrectionError
from screenalytics_assets.core.common.layout import corrections_path
from screenalytics_assets.core.people.corrections.corrections import (
    Anchor,
    CorrectionsFile,
    IdentityReference,
    Ignore,
    Merge,
    Name,
    NotThisPerson,
    Split,
)
from tests.unit.storage.store_sites import Folder, InBucket, StoreSite

EP = "show-s01e02"
FACE = Anchor(ts_s=1.25, bbox=(0.1, 0.2, 0.3, 0.6))


def shown(name: str) -> IdentityReference:
    return IdentityReference(id=name, tracks=2, faces=(FACE, FACE))


ALL_KINDS = CorrectionsFile(
    ep_id=EP,
    corrections=(
        Merge(number=1, identities=(shown("ident_001"), shown("ident_003"))),
        Split(number=2, identity=shown("ident_002"), tracks=(shown("track-00012"),)),
        Name(number=3, identity=shown("ident_001"), name='Zoë O\'Neil: "Z"', person_id="zoë-o-neil-z"),
        NotThisPerson(number=4, identity=shown("ident_004"), person_id="jane-doe"),
        Ignore(number=7, identity=shown("ident_007")),
    ),
    last_number=9,
)

NAME = """ep_id: show-s01e02
corrections:
- number: 1
  action: name
  identity:
    id: ident_001
    tracks: 2
    faces:
    - ts_s: 1.25
      bbox: [0.1, 0.2, 0.3, 0.6]
  name: Jane Doe
  person_id: jane-doe
"""


@pytest.fixture(params=["folder", "bucket"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSite:
    return Folder(tmp_path) if request.param == "folder" else InBucket(request.getfixturevalue("bucket"))


def written(site: StoreSite, text: str) -> ArtifactStore:
    site.put(corrections_path(EP), text.encode())
    return site.store


def test_every_kind_of_correction_is_read_as_it_was_written(site: StoreSite) -> None:
    assert update_corrections(site.store, EP, lambda _: ALL_KINDS) == ALL_KINDS
    assert read_corrections(site.another(), EP) == ALL_KINDS
    assert set(site.files()) == site.named(corrections_path(EP))


def test_an_episode_without_a_file_or_with_an_empty_one_has_no_corrections(site: StoreSite) -> None:
    assert read_corrections(site.store, EP).corrections == ()
    assert read_corrections(written(site, "# nothing yet\n"), EP).corrections == ()


def test_a_file_written_by_hand_is_read(site: StoreSite) -> None:
    (entry,) = read_corrections(written(site, NAME), EP).corrections
    assert isinstance(entry, Name)
    assert (entry.name, entry.identity.faces) == ("Jane Doe", (FACE,))


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("  name: Jane Doe", "  nmae: Jane Doe", r"line 11: corrections\[0\]\.nmae: there is no such key"),
        ("  name: Jane Doe", "  name: ''", r"line 11: corrections\[0\]\.name: expected text of 1 or more"),
        ("  name: Jane Doe\n", "", r"line 3: corrections\[0\]\.name: this is missing"),
        ("action: name", "action: rename", r"line 3: corrections\[0\]: .*'merge', 'split', 'name'"),
        ("      bbox: [0.1, 0.2, 0.3, 0.6]", "      bbox: [0.1, 0.2, 0.3, 1.6]", r"line 10: .*faces\[0\]\.bbox\[3\]: "),
        ("      bbox: [0.1, 0.2, 0.3, 0.6]", "      bbox: [0.3, 0.2, 0.1, 0.6]", r"line 9: .*is empty"),
        (
            "      bbox: [0.1, 0.2, 0.3, 0.6]",
            "      bbox: [0.1, 0.2, 0.3]",
            r"line 10: .*faces\[0\]\.bbox\[3\]: this is missing",
        ),
        ("- ts_s: 1.25", "- ts_s: -1", r"line 9: .*ts_s: expected a number ≥ 0"),
        ("person_id: jane-doe", "person_id: Jane Doe!", r"line 12: .*person_id: "),
        ("ep_id: show-s01e02", "ep_id: show-s01e03", r"ep_id: these are corrections of show-s01e03"),
        ("number: 1", "number: 0", r"line 3: corrections\[0\]\.number"),
        ("corrections:", "corrections: {", r"not valid YAML, line \d+"),
    ],
)
def test_a_mistake_is_reported_with_file_line_and_key(site: StoreSite, line: str, instead: str, message: str) -> None:
    assert line in NAME
    with pytest.raises(CorrectionError, match=message) as caught:
        read_corrections(written(site, NAME.replace(line, instead)), EP)
    assert str(caught.value).startswith(f"{site.store.location(corrections_path(EP))}: ")


def test_of_many_mistakes_the_first_are_explained_and_the_others_counted(site: StoreSite) -> None:
    entry = "- {{number: {}, action: ignore, identty: x}}\n"
    text = f"ep_id: {EP}\ncorrections:\n" + "".join(entry.format(i) for i in range(1, 2001))
    with pytest.raises(CorrectionError) as caught:
        read_corrections(written(site, text), EP)
    *shown_problems, last = str(caught.value).split("; ")
    assert [problem.split("line ")[1].split(": ")[:2] for problem in shown_problems] == [
        ["3", "corrections[0].identity"],
        ["3", "corrections[0].identty"],
        ["4", "corrections[1].identity"],
    ]
    assert last == "and 3997 more problems"


def test_a_number_that_occurs_twice_is_refused(site: StoreSite) -> None:
    entry = Ignore(number=1, identity=shown("ident_001"))
    content = {"ep_id": EP, "corrections": [entry.model_dump(mode="json")] * 2}
    with pytest.raises(CorrectionError, match=r"numbers of the corrections are \[1, 1\]"):
        read_corrections(written(site, yaml.safe_dump(content)), EP)


@pytest.mark.parametrize("name", ["Jane\x85Doe", "Jane\n", "\u200b", "  "])
def test_a_name_that_cannot_be_printed_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="cannot be printed"):
        Name(number=1, identity=shown("ident_001"), name=name, person_id="jane")


@given(
    st.text(min_size=1, max_size=80).filter(lambda text: text.isprintable() and bool(text.strip())), st.floats(0, 1e5)
)
def test_any_name_and_any_time_survive_the_file(
    tmp_path_factory: pytest.TempPathFactory, name: str, ts_s: float
) -> None:
    store = Folder(tmp_path_factory.mktemp("corrections")).store
    anchor = Anchor(ts_s=ts_s, bbox=FACE.bbox)
    identity = IdentityReference(id="ident_001", faces=(anchor,))
    kept = CorrectionsFile(ep_id=EP, corrections=(Name(number=1, identity=identity, name=name, person_id="x"),))
    update_corrections(store, EP, lambda _: kept)
    assert read_corrections(store, EP) == kept


@pytest.mark.parametrize(
    "text",
    [
        "root:*:secret-hash:0:99999:7:::\ndaemon: [secret-hash",
        "secret-hash: 1",
        "secret-hash",
        "- secret-hash",
        "*secret-hash",
    ],
)
def test_the_content_of_another_file_that_a_link_leads_to_is_not_shown(site: StoreSite, text: str) -> None:
    with pytest.raises(CorrectionError) as caught:
        read_corrections(written(site, text), EP)
    assert "secret-hash" not in str(caught.value)
    assert "secret-hash" not in str(caught.value.__cause__ or "")
