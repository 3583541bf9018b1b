from contextlib import suppress
from pathlib import Path

from resources.system.files import replaced_file, write_whole


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file.txt"
    for content in (b"first", b"second"):
        write_whole(target, content)
        assert target.read_bytes() == content
    assert list(target.parent.iterdir()) == [target]


def test_an_interrupted_write_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    write_whole(target, b"earlier")
    with suppress(KeyboardInterrupt), replaced_file(target) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert target.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [target]
