"""The photos of known people: one folder a show, in it one folder a person."""

import os
from pathlib import Path
from typing import NamedTuple

import dagster as dg

from screenalytics_assets.core.errors import FacebankError
from screenalytics_assets.core.layout import photos_dir
from screenalytics_assets.paths import data_root


class Photo(NamedTuple):
    """A file in a person's folder; ``photo_id`` is folder and name, ``Sheldon Cooper/2.jpg``."""

    photo_id: str
    folder: str
    content: bytes


class PhotoLibraryResource(dg.ConfigurableResource[None]):
    """Finds the photos of a show.

    Attributes:
        root: Holds a folder for each show; empty takes ``SCREENALYTICS_FACEBANK_ROOT``, or ``facebank/`` below the data
            root.
        show_folder: The folder of the one show that is asked for, wherever it lies.
    """

    root: str | None = None
    show_folder: str | None = None

    def folder(self, show: str) -> Path:
        """Where the photos of a show are."""
        if self.show_folder:
            return Path(self.show_folder)
        root = self.root or os.environ.get("SCREENALYTICS_FACEBANK_ROOT")
        return Path(root) / show if root else data_root() / photos_dir(show)

    def photos(self, show: str) -> list[Photo]:
        """Every file in the people's folders, by name; hidden files are none of ours.

        Raises:
            FacebankError: There are no photos.
        """
        folder = self.folder(show)
        paths = [path for path in sorted(folder.glob("*/*")) if path.is_file() and not _is_hidden(path)]
        if not paths:
            raise FacebankError(
                f"{show} has no photos: put them at {folder}/PERSON/*.jpg, one folder a person, or name their folder "
                f"with `screenalytics facebank {show} --photos DIR`"
            )
        return [Photo(f"{path.parent.name}/{path.name}", path.parent.name, path.read_bytes()) for path in paths]


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.parent.name.startswith(".")
