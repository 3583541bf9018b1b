"""Search for a face in the episodes whose tracks are in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.configuration.run_settings import RunSettings
from resources.database.access import open_database
from resources.models.photo_analysis import MAX_PHOTO_MEGAPIXELS, PhotoAnalyser
from resources.storage.crop_file import read_crops
from resources.storage.photo_library import MAX_PHOTO_BYTES
from resources.storage.store import ArtifactStore
from resources.system.text_documents import read_limited
from screenalytics_assets.core.common.errors import FacebankError
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.people.appearances import Appearance, appearances
from screenalytics_assets.core.people.enrolment import PhotoFinding
from screenalytics_assets.reports.pictures.contact_sheets import SheetRow, contact_sheet


@dataclass(frozen=True)
class Found:
    """Where a face appears.

    Attributes:
        photo: The photo and its face.
        min_photo_sim: Least similarity of a track, or of the mean over the tracks of an identity.
        appearances: The episodes in which it appears.
        searched: Every episode that was searched.
        not_searched: Episodes whose vectors are from another model.
        pictures: Location of the contact sheet; None if there is nothing to show.
    """

    photo: PhotoFinding
    min_photo_sim: float
    appearances: list[Appearance]
    searched: list[str]
    not_searched: list[str]
    pictures: str | None

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON."""
        return {
            "photo": self.photo.photo_id,
            "photo_remark": self.photo.reason or None,
            "min_photo_sim": self.min_photo_sim,
            "episodes": [appearance.to_dict() for appearance in self.appearances],
            "searched": self.searched,
            "not_searched": self.not_searched,
            "pictures": self.pictures,
        }


def find_photo(path: Path, run: RunSettings, store: ArtifactStore, *, show: str | None) -> Found:
    """The episodes in which the face of a photo appears.

    Args:
        path: A photo of one face.
        run: The models and the least similarity.
        store: Has the crops of the tracks; the contact sheet is written to it.
        show: Search only episodes of this show.

    Raises:
        FacebankError: The photo cannot be read, or does not show exactly one face, or no episode can be searched.
        DatabaseError: The database cannot be reached, or has another version.
    """
    content = read_limited(path, MAX_PHOTO_BYTES, FacebankError)
    faces = PhotoAnalyser(run)
    photo = faces.analyse(path.name, "", content)
    if photo.crop is None:
        raise FacebankError(
            f"{path}: {photo.reason.replace('_', ' ')}; give a photo of one face, of at most "
            f"{MAX_PHOTO_MEGAPIXELS} megapixels"
        )
    with open_database() as database:
        stored = database.stored_episodes(show)
        searched = [ep_id for ep_id, digest in stored.items() if digest == faces.model_digest]
        if not searched:
            raise FacebankError(_nothing_to_search(show, len(stored)))
        matches = database.find_tracks(
            faces.embed([photo])[0],
            faces.model_digest,
            min_similarity=run.thresholds.min_photo_sim,
            min_identity_sim=run.thresholds.min_identity_sim,
            show=show,
        )
    found_in = matches["ep_id"].unique().to_pylist()
    published = {ep_id: artifact for ep_id in found_in if (artifact := store.open("screen_time", ep_id)) is not None}
    times = {ep_id: artifact.document("screen_time.json", ScreenTime) for ep_id, artifact in published.items()}
    seen = appearances(matches, times)
    return Found(
        photo,
        run.thresholds.min_photo_sim,
        seen,
        searched,
        sorted(set(stored) - set(searched)),
        _sheet(store, photo, seen) if seen else None,
    )


def _nothing_to_search(show: str | None, of_other_models: int) -> str:
    place = f"of {show} " if show else ""
    if of_other_models:
        return (
            f"the {of_other_models} episodes {place}in the database have vectors of another model: run "
            "them again with this model, or search with their model"
        )
    return f"no episode {place}is in the database: run one with `screenalytics run`"


def _sheet(store: ArtifactStore, photo: PhotoFinding, seen: Sequence[Appearance]) -> str:
    """The faces of each episode, most similar first, written below the data root."""
    rows = []
    for appearance in seen:
        artifact = store.open("face_crops", appearance.ep_id)
        crops = dict(read_crops(artifact.path("face_crops.parquet"), appearance.best_faces)) if artifact else {}
        shown = [crops[face] for face in appearance.best_faces if face in crops]
        rows.append(SheetRow(appearance.ep_id, f"{appearance.seconds:.1f} s", shown))
    stem = Path(photo.photo_id).stem
    return store.write(f"reports/find/{stem}-{photo.sha256[:8]}.jpg", contact_sheet(rows))
