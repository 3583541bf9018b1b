"""Which pages are made from the code, and writing them: ``python -m screenalytics_assets.reference.pages``."""

from collections.abc import Callable, Mapping

from resources.acceptance import load_acceptance
from screenalytics_assets.core.acceptance_matrix import matrix_text
from screenalytics_assets.paths import project_dir
from screenalytics_assets.reference.artifacts import artifacts_page
from screenalytics_assets.reference.command_line import command_line_page
from screenalytics_assets.reference.configuration import configuration_page

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
