"""``docs/reference/cli.md``: every command with its arguments and options, as ``--help`` has them."""

from collections.abc import Iterator
from typing import Any

import typer

from screenalytics_assets.cli import app
from screenalytics_assets.docs_generator.markdown import code, table

Command = Any
"""A command as typer holds it, which has no public type for it."""
_ANY = ("[OPTIONS]", "COMMAND [ARGS]...")
_HEAD = """\
# Command line

Made from the code by `make docs`; a test holds both together. `screenalytics COMMAND --help` says the same.

A command ends with 0 when all is well, with 1 when something that it ran or judged failed, with 2 when it refuses its
input; then it names what was found, what was expected and what to do.
"""


def command_line_page() -> str:
    """The page, in Markdown."""
    return _HEAD + "".join(_section(path, command) for path, command in commands())


def commands() -> Iterator[tuple[tuple[str, ...], Command]]:
    """Every command that does something, with the words that lead to it."""
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
        early = [(name, f"{text} Stands before `{words[-1]}`.") for name, text in _parameters(parent, options=True)]
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
