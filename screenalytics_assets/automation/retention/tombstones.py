"""The record of a retired episode: when it was deleted, and how much. None of its data."""

from pydantic import BaseModel, ConfigDict, ValidationError

from resources.storage.store import ArtifactStore
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.common.layout import tombstone_path


class Retirement(BaseModel):
    """One retirement of an episode.

    Attributes:
        at: Time, ISO 8601 in UTC.
        removed: Number of items that each store held.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: str
    removed: dict[str, int]


class Tombstone(BaseModel):
    """All retirements of an episode."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ep_id: str
    retirements: list[Retirement]


def read_tombstone(store: ArtifactStore, ep_id: str) -> Tombstone | None:
    """The record of an episode, if it was ever retired.

    Raises:
        ArtifactError: The record cannot be read, or is of a newer version.
    """
    content = store.read(tombstone_path(ep_id))
    if content is None:
        return None
    try:
        return Tombstone.model_validate_json(content)
    except ValidationError as error:
        place = store.location(tombstone_path(ep_id))
        if any(problem["type"] == "extra_forbidden" for problem in error.errors()):
            raise ArtifactError(
                f"{place}: it has a key that is not one of this version: a newer version of screenalytics retired the "
                "episode; use that version"
            ) from error
        raise ArtifactError(f"{place}: not a record of a retirement; move the file away to begin a new one") from error


def times_retired(store: ArtifactStore, ep_id: str) -> int:
    """How often the episode was retired."""
    found = read_tombstone(store, ep_id)
    return len(found.retirements) if found else 0


def write_tombstone(store: ArtifactStore, ep_id: str, retirement: Retirement) -> str:
    """Add a retirement to the record of an episode; the file appears whole. Returns its path or URL."""
    earlier = read_tombstone(store, ep_id)
    tombstone = Tombstone(ep_id=ep_id, retirements=[*(earlier.retirements if earlier else []), retirement])
    return store.write(tombstone_path(ep_id), (tombstone.model_dump_json(indent=2) + "\n").encode())
