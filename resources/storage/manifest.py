"""The manifest of a published artifact: what was published, from what, and where; checked when it is read."""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.common.layout import is_published_place

_FOREIGN_PLACE = "foreign_place"


class PublishedFile(BaseModel):
    """One file of an artifact, or a bundle: a folder of many small files. ``path`` is relative to the data root.

    The rows of a bundle are its files, and its checksum is that of their names and checksums.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    bytes: int
    sha256: str
    rows: int | None = None


class Manifest(BaseModel):
    """What was published, from which inputs, and how.

    Attributes:
        asset: Name of the asset.
        ep_id: The episode.
        fingerprint: Digest of everything that determines the content: inputs, configuration, code version.
        content_digest: Digest of the files without the JSONL twins; what downstream assets depend on.
        code_version: Version of the stage's code.
        config: The configuration keys that the stage read.
        inputs: Content digest of each input asset.
        metrics: Figures of the run, for example ``runtime_s``.
        files: The files and bundles.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    asset: str
    ep_id: str
    fingerprint: str
    content_digest: str
    code_version: str
    config: dict[str, Any]
    inputs: dict[str, str]
    metrics: dict[str, Any]
    files: list[PublishedFile]

    @model_validator(mode="after")
    def _lists_own_files(self) -> Self:
        for file in self.files:
            if not is_published_place(file.path, self.ep_id):
                raise PydanticCustomError(
                    _FOREIGN_PLACE,
                    "files: {place} is not a place of a published file of {ep_id}",
                    {"place": repr(file.path), "ep_id": self.ep_id},
                )
        return self

    def rows(self, name: str) -> int:
        """Row count of the file with this name."""
        return next(file.rows or 0 for file in self.files if Path(file.path).name == name)

    def to_bytes(self) -> bytes:
        """The manifest as it is stored."""
        return (self.model_dump_json(indent=2) + "\n").encode()

    def has(self, name: str) -> bool:
        """Whether a file with this name was published."""
        return any(Path(file.path).name == name for file in self.files)


class _Owner(BaseModel):
    ep_id: str


def owner_of(content: bytes) -> str | None:
    """Whose manifest a stored one says it is; None if it cannot be read."""
    try:
        return _Owner.model_validate_json(content).ep_id
    except ValidationError:
        return None


def parse_manifest(content: bytes, location: str, asset: str, ep_id: str) -> Manifest | None:
    """A stored manifest, checked before anything is done with it.

    Args:
        content: As it is stored.
        location: Where, for messages.
        asset: The asset that it has to be of.
        ep_id: The episode, show or season that it has to be of.

    Returns:
        None if it cannot be read or lacks a key, as damage or an older version leaves it: its artifact is made again.

    Raises:
        ArtifactError: It has keys of a newer version, lists files elsewhere, or is of another artifact.
    """
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        problems = {problem["type"]: problem for problem in error.errors()}
        if foreign := problems.get(_FOREIGN_PLACE):
            raise ArtifactError(
                f"{location}: {foreign['msg']}; nothing was read or changed: delete this file, then run "
                f"`{command_for(asset, ep_id)}`"
            ) from error
        if unknown := problems.get("extra_forbidden"):
            key = ".".join(map(str, unknown["loc"]))
            raise ArtifactError(
                f"{location}: {key} is not a key of this version: a newer version of screenalytics published the "
                f"{asset} of {ep_id}. Use that version, or delete this file to publish with this one"
            ) from error
        return None
    if (manifest.asset, manifest.ep_id) != (asset, ep_id):
        raise ArtifactError(
            f"{location}: it is of {manifest.asset} of {manifest.ep_id}, expected {asset} of {ep_id}: delete this "
            f"file, then run `{command_for(asset, ep_id)}`"
        )
    return manifest


def damaged(manifest: Manifest, location: str, state: str) -> ArtifactError:
    """The error about a file that does not match its manifest."""
    command = command_for(manifest.asset, manifest.ep_id)
    return ArtifactError(f"{manifest.asset} of {manifest.ep_id} is damaged: {location} {state}; run: {command} --force")


def command_for(asset: str, key: str) -> str:
    """The command that makes an artifact of an episode, a show or a season."""
    match asset:
        case "facebank":
            return f"screenalytics facebank {key}"
        case "season_screen_time":
            return f"screenalytics season report {key}"
        case _:
            return f"screenalytics run --ep-id {key} --select {asset}"
