"""The people of an episode with their best crops, as several assets show them."""

from resources.storage.artifacts import Artifact
from resources.storage.crop_file import read_crops
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.reports.pictures.cast import CastMember, cast_of, cast_sheet


def read_cast(identities: Identities, tracks: Artifact, faces: Artifact) -> list[CastMember]:
    """The people of the identities, by falling number of faces."""
    return cast_of(identities, tracks.table("tracks.parquet"), faces.table("faces.parquet"))


def draw_cast(cast: list[CastMember], face_crops: Artifact) -> bytes:
    """The best crops of each person, one row per person, as a JPEG."""
    shown = {face for member in cast for face in member.best_faces}
    return cast_sheet(cast, dict(read_crops(face_crops.path("face_crops.parquet"), shown)))
