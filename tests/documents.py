"""What the documents show: fenced blocks, commands, links and headings."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from resources.system.paths import project_dir

PAGES = tuple(
    sorted(
        path.relative_to(project_dir()).as_posix()
        for path in (
            project_dir() / "README.md",
            project_dir() / "CONTRIBUTING.md",
            project_dir() / "CHANGELOG.md",
            *project_dir().glob("docs/**/*.md"),
        )
    )
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL = ("console", "bash", "sh")


class Command(NamedTuple):
    """A command line as a page shows it, without its remark."""

    page: str
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        """As it is typed."""
        return shlex.join(self.words)


def text_of(page: str) -> str:
    """A page as it is written."""
    return (project_dir() / page).read_text(encoding="utf-8")


def prose_of(page: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text_of(page))


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    return [body for name, body in _FENCE.findall(text_of(page)) if name == language]


def shell_commands() -> Iterator[Command]:
    """Every line of the pages' shell blocks."""
    for page in PAGES:
        for language in _SHELL:
            for block in blocks(page, language):
                for line in block.replace("\\\n", " ").splitlines():
                    words = shlex.split(line.removeprefix("$ "), comments=True)
                    if words:
                        yield Command(page, tuple(words))


def inline_commands() -> Iterator[tuple[str, str]]:
    """Every `screenalytics ...` within the text and the tables, with its page."""
    for page in PAGES:
        for text in re.findall(r"`(screenalytics [^`]+)`", prose_of(page)):
            yield page, text.replace("\\|", "|")


def links(page: str) -> Iterator[str]:
    """Where the links and pictures of a page lead."""
    prose = re.sub(r"`[^`]*`", "", prose_of(page))
    yield from re.findall(r"\]\(([^)\s]+)\)", prose)
    yield from re.findall(r"<img[^>]+src=\"([^\"]+)\"", prose)


def anchors(path: Path) -> set[str]:
    """The headings of a page as they are linked to."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
