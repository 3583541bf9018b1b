"""Which pages are made from the code, and writing them: ``python -m screenalytics_assets.docs_generator.pages``."""

from collections.abc import Callable, Mapping

from resources.configuration.acceptance_limits import load_acceptance
from resources.system.paths import project_dir
from screenalytics_assets.core.quality.acceptance_matrix import matrix_text
from screenalytics_assets.docs_generator.artifacts import artifacts_page
from screenalytics_assets.docs_generator.command_line import command_line_page
from screenalytics_assets.docs_generator.configuration import configuration_page

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/ACCEPTANCE_MATRIX.md": lambda: matrix_text(load_acceptance()),
    "docs/reference/artifacts_faces_tracks_identities.md": artifacts_page,
    "docs/reference/cli.md": command_line_page,
    "docs/reference/config/pipeline_configs.md": configuration_page,
}
"""The pages by their place in the checkout."""


def write_pages() -> None:
    """Write every page."""
    for place, page in PAGES.items():
        path = project_dir() / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write_pages()
