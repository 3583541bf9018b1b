"""YAML and JSON are read with limits, and messages do not repeat what a file contains."""

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from resources.system.text_documents import (
    MAX_DEPTH,
    MAX_YAML_BYTES,
    parse_json,
    parse_yaml,
    read_json_file,
    read_limited,
    read_yaml_file,
)
from screenalytics_assets.core.common.errors import (
    ConfigurationError,
    ScreenalyticsError,
    SystemFailureError,
    TruthError,
    UnavailableError,
)

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)

BAD_YAML: dict[str, str | bytes] = {
    "aliases that repeat a list a billion times": BOMB,
    "an alias of itself": "a: &a [*a]",
    "an unknown alias": "a: *secret",
    "3,000 brackets": "[" * 3000,
    "3,000 closed brackets": "[" * 3000 + "]" * 3000,
    "3,000 indented keys": "".join(f"{' ' * level}secret:\n" for level in range(1000)),
    "an integer of 5,000 digits": "a: " + "9" * 5000,
    "an integer without digits": "a: 0x_",
    "a float without digits": "a: !!float secret",
    "a tag": "a: !!python/object/apply:os.system [secret]",
    "an impossible date with a tag": "a: !!timestamp secret",
    "a list as a key": "? [secret]\n: 1",
    "a tab": "a:\n\tsecret: 1",
    "lines of another file": "root:x:0:0:secret\nsecret: [1\nother: secret: secret\n",
    "a control character": "a: \x00secret",
    "not UTF-8": b"a: secret\xff",
    "two documents": "a: 1\n---\nsecret: 2\n",
    "five megabytes": "# secret\n" * 600_000,
}


@pytest.mark.parametrize("name", BAD_YAML)
def test_a_bad_yaml_document_is_refused_with_its_place_and_without_its_content(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^seasons\.yaml: ") as refused:
        parse_yaml(BAD_YAML[name], "seasons.yaml")
    message = str(refused.value)
    assert "secret" not in message
    assert len(message.splitlines()) == 1
    assert len(message) < 200
    assert refused.value.__cause__ is None, "the parser's error quotes the file"


BAD_JSON: dict[str, str | bytes] = {
    "100,000 brackets": "[" * 100_000,
    "100,000 closed brackets": "[" * 100_000 + "]" * 100_000,
    "an integer of 5,000 digits": '{"a": ' + "9" * 5000 + "}",
    "infinity": '{"a": Infinity}',
    "not a number": '{"a": NaN}',
    "text": "secret",
    "an open string": '{"a": "secret',
    "two values": '{"a": 1} "secret"',
    "not UTF-8": b'{"a": "secret\xff"}',
    "nothing": "",
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_a_bad_json_document_is_refused_with_its_place_and_without_its_content(name: str) -> None:
    with pytest.raises(TruthError, match=r"^a\.json: ") as refused:
        parse_json(BAD_JSON[name], "a.json", TruthError)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_parser_error_names_the_line() -> None:
    with pytest.raises(ConfigurationError, match="line 2"):
        parse_yaml("a: 1\nb: 1: 2\nc: 3", "f")
    with pytest.raises(ConfigurationError, match="line 3"):
        parse_json('{"a": 1,\n"b": 2,\n}', "f")
    with pytest.raises(ConfigurationError, match="line 2 is not UTF-8"):
        parse_yaml(b"a: 1\nb: \xe9\n", "f")


def test_an_alias_that_stays_small_is_read() -> None:
    assert parse_yaml("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}", "f") == {
        "a": {"x": 1},
        "b": {"x": 1},
        "c": {"x": 1, "y": 2},
    }


def test_dates_are_text_possible_or_not() -> None:
    assert parse_yaml("[2024-02-03, 2024-99-99, 2024-02-03 10:11:12]", "f") == [
        "2024-02-03",
        "2024-99-99",
        "2024-02-03 10:11:12",
    ]


@pytest.mark.parametrize("parse", [parse_yaml, parse_json])
@pytest.mark.parametrize(("first", "last"), [("[", "]"), ('{"a": ', "}"), ('[[], {"a": ', "}]")])
@pytest.mark.parametrize("inner", ["1", '"[[["'])
def test_the_deepest_nesting_that_is_allowed_is_read(
    parse: Callable[[str, str], object], first: str, last: str, inner: str
) -> None:
    times = MAX_DEPTH // len(last)
    deepest = first * times + inner + last * times
    assert parse(deepest, "f") is not None
    for deeper in (f"[{deepest}]", f'{{"a": {deepest}}}', first * times + "[]" + last * times):
        with pytest.raises(ConfigurationError, match="nested too deeply; expected at most 64 levels"):
            parse(deeper, "f")


def test_a_byte_order_mark_is_not_part_of_a_document() -> None:
    assert parse_yaml(b"\xef\xbb\xbfa: 1", "f") == {"a": 1}
    assert parse_json(b'\xef\xbb\xbf{"a": 1}', "f") == {"a": 1}


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["C"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4),
)


@given(_VALUES)
def test_what_is_written_is_read(value: object) -> None:
    assert parse_yaml(yaml.safe_dump(value, allow_unicode=True), "f") == value


@given(st.binary(max_size=60) | st.text("[]{}:&*!-?|>'\"#% \n\tax01,.=<", max_size=40))
def test_any_bytes_are_read_or_refused(content: bytes | str) -> None:
    for parse in (parse_yaml, parse_json):
        with contextlib.suppress(ScreenalyticsError):
            parse(content, "f")


def test_a_folder_a_pipe_a_device_and_a_large_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"#" * (MAX_YAML_BYTES + 1))
    for path, problem in {
        tmp_path: "this is a folder",
        tmp_path / "pipe": "this is a pipe or a device",
        Path("/dev/zero"): "this is a pipe or a device",
        tmp_path / "large": "the file has 4,194,305 bytes; expected at most 4,194,304",
        tmp_path / "none": "no such file",
    }.items():
        with pytest.raises(TruthError, match=f"^{path}: {problem}"):
            read_yaml_file(path, TruthError)
    with pytest.raises(TruthError, match="no such file"):
        read_json_file(tmp_path / "none", TruthError)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(TruthError, match=f"^{tmp_path}/loop: the symbolic links form a loop"):
        read_yaml_file(tmp_path / "loop", TruthError)
    with pytest.raises(TruthError, match=f"^{tmp_path}/large/a: a part of the path is a file"):
        read_yaml_file(tmp_path / "large" / "a", TruthError)
    assert len(read_limited(tmp_path / "large", MAX_YAML_BYTES + 1)) == MAX_YAML_BYTES + 1


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EIO, UnavailableError), (errno.EMFILE, SystemFailureError), (errno.EACCES, TruthError)],
)
def test_a_disk_that_fails_may_be_asked_again_and_permission_may_not(
    number: int, kind: type[ScreenalyticsError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number), "/data/a.yaml")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(kind, match=r"^/data/a\.yaml: "):
        read_yaml_file(Path("/data/a.yaml"), TruthError)
