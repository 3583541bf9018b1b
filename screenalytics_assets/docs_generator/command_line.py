"""``docs/reference/cli.md``: every command with its arguments and options, as in ``--help``."""

from collections.abc import Iterator
from typing import Any

import typer

from screenalytics_assets.cli import app
from screenalytics_assets.docs_generator.markdown import code, table

Command = Any
"""A command of typer, which has no public type for it."""
_ANY = ("[OPTIONS]", "COMMAND [ARGS]...")
_HEAD = """\
# Command line

Generated from the code by `make docs`. `screenalytics COMMAND --help` prints the same.

The exit status is 0 on success, 1 if something that the command ran or checked failed, and 2 if it refuses its input.
The message then says what was found, what was expected and what to do.
"""


def command_line_page() -> str:
    """The page, in Markdown."""
    return _HEAD + "".join(_section(path, command) for path, command in commands())


def commands() -> Iterator[tuple[tuple[str, ...], Command]]:
    """Every command with its words; groups are left out."""
    yield from _below(typer.main.get_command(app), ())


def _below(command: Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Command]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield words, command
        return
    for name, child in children.items():
        if not child.hidden:
            yield from _below(child, (*words, name))


def _section(words: tuple[str, ...], command: Command) -> str:
    whole: Command = typer.main.get_command(app)
    usage, group = ["screenalytics"], whole
    for word in words:
        group = group.commands[word]
        usage += [word, *(piece for piece in _usage(group) if piece not in _ANY)]
    rows = [*_parameters(command, options=False), *_parameters(command, options=True)]
    if len(words) > 1:
        parent = whole.commands[words[0]]
        early = [(name, f"{text} Goes before `{words[-1]}`.") for name, text in _parameters(parent, options=True)]
        rows = [*_parameters(parent, options=False), *rows, *early]
    if any(code_of.startswith("`--") for code_of, _ in rows):
        usage.append("[OPTIONS]")
    text = " ".join((command.help or "").split())
    parameters = "\n" + table(("argument or option", "meaning"), rows) if rows else ""
    return f"\n## {' '.join(words)}\n\n```text\n{' '.join(usage)}\n```\n\n{text}\n{parameters}"


def _context(command: Command) -> Any:  # noqa: ANN401 - typer's own context
    return command.make_context(command.name, [], resilient_parsing=True)


def _usage(command: Command) -> list[str]:
    return [piece.replace("{", "").replace("}", "") for piece in command.collect_usage_pieces(_context(command))]


def _parameters(command: Command, *, options: bool) -> Iterator[tuple[str, str]]:
    context = _context(command)
    for parameter in command.params:
        if (parameter.param_type_name == "option") == options and not getattr(parameter, "hidden", False):
            name, text = parameter.get_help_record(context)
            yield code(name), text
