"""What is kept of a retired episode: that there was one, and what was deleted. Nothing that was in it."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from screenalytics_assets.core.errors import ArtifactError


class Retirement(BaseModel):
    """One retirement of an episode.

    Attributes:
        at: When, ISO 8601 in UTC.
        removed: How many things each store held.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: str
    removed: dict[str, int]


class Tombstone(BaseModel):
    """The record of an episode that was retired, each time that it was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ep_id: str
    retirements: list[Retirement]


def tombstone_path(root: Path, ep_id: str) -> Path:
    """Where the record of a retired episode is, below the data root."""
    return root / "retired" / f"{ep_id}.json"


def read_tombstone(root: Path, ep_id: str) -> Tombstone | None:
    """The record of an episode, if it was ever retired.

    Raises:
        ArtifactError: The record cannot be read.
    """
    path = tombstone_path(root, ep_id)
    try:
        return Tombstone.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ArtifactError(f"{path}: not a record of a retirement; move it away to begin a new one") from error


def times_retired(root: Path, ep_id: str) -> int:
    """How often the episode was retired."""
    found = read_tombstone(root, ep_id)
    return len(found.retirements) if found else 0


def write_tombstone(root: Path, ep_id: str, retirement: Retirement) -> Path:
    """Add a retirement to the record of an episode; the file appears whole. Returns its place."""
    earlier = read_tombstone(root, ep_id)
    tombstone = Tombstone(ep_id=ep_id, retirements=[*(earlier.retirements if earlier else []), retirement])
    path = tombstone_path(root, ep_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".json.partial")
    temporary.write_text(tombstone.model_dump_json(indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path
