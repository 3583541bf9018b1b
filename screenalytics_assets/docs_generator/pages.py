"""The generated files of ``docs/``; ``python -m screenalytics_assets.docs_generator.pages`` writes them."""

from collections.abc import Callable, Mapping

from resources.configuration.acceptance_limits import load_acceptance
from resources.system.paths import project_dir
from screenalytics_assets.core.quality.acceptance_matrix import matrix_text
from screenalytics_assets.docs_generator.artifacts import artifacts_page
from screenalytics_assets.docs_generator.command_line import command_line_page
from screenalytics_assets.docs_generator.configuration import configuration_page
from screenalytics_assets.docs_generator.pictures import asset_graph_svg, layers_svg

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/ACCEPTANCE_MATRIX.md": lambda: matrix_text(load_acceptance()),
    "docs/images/asset_graph.svg": asset_graph_svg,
    "docs/images/layers.svg": layers_svg,
    "docs/reference/artifacts_faces_tracks_identities.md": artifacts_page,
    "docs/reference/cli.md": command_line_page,
    "docs/reference/config/pipeline_configs.md": configuration_page,
}
"""What generates each file, by its path in the checkout."""


def write_pages() -> None:
    """Write all of them."""
    for place, page in PAGES.items():
        path = project_dir() / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write_pages()
