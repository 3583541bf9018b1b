"""The pictures of ``CONTRIBUTING.md``: the asset graph from the definitions, the layers from the import rules."""

import ast
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Set
from html import escape
from itertools import cycle
from pathlib import Path

from resources.system.paths import project_dir
from screenalytics_assets.definitions import defs

Parents = Mapping[str, Set[str]]

_FONT = 'font-family="system-ui, sans-serif"'
_STROKE = "#44546a"
_COLOURS = ("#fbe6d0", "#d9e8fb", "#e4d9f5", "#d8f0dc", "#f9d9dd", "#fff3c4", "#d5eef0")
_BOX_WIDTH, _BOX_HEIGHT, _COLUMN, _ROW, _MARGIN = 140, 30, 165, 62, 20
_LAYER_WIDTH, _LINE = 760, 22


def asset_graph_svg() -> str:
    """Every asset below the assets that it is made from.

    An edge that follows from others is left out: where B is made from A, and C from A and B, only A - B - C is drawn.
    """
    graph = defs.resolve_asset_graph()
    nodes = {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}
    parents = {name: {key.to_user_string() for key in node.parent_keys} for name, node in nodes.items()}
    edges = _without_implied_edges(parents)
    place = _places(edges)
    groups = sorted({node.group_name for node in nodes.values()})
    colour = dict(zip(groups, cycle(_COLOURS), strict=False))
    width = max(x for x, _ in place.values()) + _BOX_WIDTH + _MARGIN
    height = max(y for _, y in place.values()) + _BOX_HEIGHT + _MARGIN
    drawn = [
        *(_edge(place[parent], place[child]) for child in sorted(edges) for parent in sorted(edges[child])),
        *(_box(*place[name], name, colour[nodes[name].group_name]) for name in sorted(place)),
        *(_box(_MARGIN, _MARGIN + 36 * row, f"group {group}", colour[group]) for row, group in enumerate(groups)),
    ]
    return _svg(width, height, drawn)


def layers_svg() -> str:
    """The folders from top to bottom; each imports only what is below it."""
    contracts = tomllib.loads((project_dir() / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = {contract["id"]: contract["layers"] for contract in contracts["contracts"] if "layers" in contract}
    package = Path("screenalytics_assets")
    rows = [
        *_layer_rows(package, (layer for layer in layers["packages"] if layer != "core"), _COLOURS[1]),
        ("resources/", _first_sentence(Path("resources")), _COLOURS[0]),
        *_layer_rows(package / "core", layers["core-layers"], _COLOURS[3]),
    ]
    drawn = []
    y = _MARGIN
    for name, meaning, colour in rows:
        drawn.append(f'<rect x="{_MARGIN}" y="{y}" width="{_LAYER_WIDTH}" height="{_LINE}" fill="{colour}"/>')
        drawn.append(f'<text x="{_MARGIN + 8}" y="{y + 15}" font-size="12" {_FONT}>{escape(name)}</text>')
        drawn.append(f'<text x="{_MARGIN + 175}" y="{y + 15}" font-size="11" {_FONT}>{escape(meaning)}</text>')
        y += _LINE + 2
    return _svg(_LAYER_WIDTH + 2 * _MARGIN, y + _MARGIN, drawn)


def _layer_rows(folder: Path, layers: Iterable[str], colour: str) -> Iterator[tuple[str, str, str]]:
    for layer in layers:
        for name in layer.replace("(", "").replace(")", "").replace("|", ":").split(":"):
            path = folder / name.strip()
            is_folder = (project_dir() / path).is_dir()
            shown = path.relative_to("screenalytics_assets").as_posix() + ("/" if is_folder else ".py")
            yield shown, _first_sentence(path), colour


def _first_sentence(path: Path) -> str:
    """Of the docstring of a folder or module."""
    source = project_dir() / path / "__init__.py"
    if not source.is_file():
        source = (project_dir() / path).with_suffix(".py")
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return " ".join(text.replace("``", "").split("\n\n")[0].split()).split(". ")[0].rstrip(".")


def _without_implied_edges(parents: Parents) -> Parents:
    ancestors = {name: set[str]() for name in parents}
    for name in _in_order(parents):
        ancestors[name] = {a for parent in parents[name] for a in (parent, *ancestors[parent])}
    return {
        name: {parent for parent in direct if not any(parent in ancestors[other] for other in direct)}
        for name, direct in parents.items()
    }


def _in_order(parents: Parents) -> list[str]:
    """Parents before their children."""
    order: dict[str, None] = {}
    while len(order) < len(parents):
        order |= dict.fromkeys(sorted(name for name in parents if name not in order and parents[name] <= order.keys()))
    return list(order)


def _places(parents: Parents) -> dict[str, tuple[int, int]]:
    """Left upper corner of each box: a row below the lowest parent, near the parents."""
    order = _in_order(parents)
    children = {name: [child for child in order if name in parents[child]] for name in order}
    row = dict.fromkeys(order, 0)
    for name in order:
        row[name] = max((row[parent] + 1 for parent in parents[name]), default=0)
    for name in reversed(order):
        if not parents[name] and children[name]:
            row[name] = min(row[child] for child in children[name]) - 1
    column: dict[str, float] = {}
    for level in range(max(row.values()) + 1):
        names = [name for name in order if row[name] == level]
        wanted = {name: sum(column[p] for p in parents[name]) / len(parents[name]) for name in names if parents[name]}
        names.sort(key=lambda name: wanted.get(name, float("inf")))
        middle = sum(wanted.values()) / len(wanted) if wanted else 0.0
        column |= {name: middle + index - (len(names) - 1) / 2 for index, name in enumerate(names)}
    left = min(column.values())
    legend = _BOX_WIDTH + _MARGIN
    return {
        name: (legend + _MARGIN + int((column[name] - left) * _COLUMN), _MARGIN + row[name] * _ROW) for name in order
    }


def _edge(parent: tuple[int, int], child: tuple[int, int]) -> str:
    x1, y1 = parent[0] + _BOX_WIDTH // 2, parent[1] + _BOX_HEIGHT
    x2, y2 = child[0] + _BOX_WIDTH // 2, child[1] - 2
    bend = (y2 - y1) // 2
    path = f"M {x1} {y1} C {x1} {y1 + bend}, {x2} {y2 - bend}, {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="{_STROKE}" stroke-width="1.3" marker-end="url(#arrow)"/>'


def _box(x: int, y: int, text: str, colour: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="5" fill="{colour}" stroke="{_STROKE}"/>'
        f'<text x="{x + _BOX_WIDTH // 2}" y="{y + 19}" font-size="12" text-anchor="middle" {_FONT}>'
        f"{escape(text)}</text>"
    )


def _svg(width: int, height: int, drawn: Iterable[str]) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M 0 0 L 10 5 L 0 10 z" fill="{_STROKE}"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *drawn,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
