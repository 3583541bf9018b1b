"""Paths of all files below the data root: the contract with other programs."""

import re

VIDEO_STEM = "episode"
_MANIFEST = ".manifest.json"
SHEET = "people.jpg"
"""The contact sheet of an episode's people, beside its report."""


def manifest_path(asset: str, ep_id: str) -> str:
    """The manifest of one published asset, written last."""
    return f"manifests/{ep_id}/{asset}{_MANIFEST}"


def video_dir(ep_id: str) -> str:
    """The folder of an episode's video, ``episode.mp4`` or another container."""
    return f"videos/{ep_id}"


_CLEANED_ASSETS = frozenset({"split_tracks", "reembed", "recluster", "group_clusters"})


def _folder(ep_id: str, kind: str, asset: str | None) -> str:
    return f"cleaned/{ep_id}" if asset in _CLEANED_ASSETS else f"{kind}/{ep_id}"


def crops_dir(ep_id: str, asset: str | None = None) -> str:
    """The folder with the JPEG files of the embedded faces; the cleanup has its own."""
    return f"{_folder(ep_id, 'frames', asset)}/crops"


def crop_path(ep_id: str, track_id: str, frame_idx: int, asset: str | None = None) -> str:
    """The JPEG file of one embedded face."""
    return f"{crops_dir(ep_id, asset)}/{track_id}/frame_{frame_idx:06d}.jpg"


def crop_sheet_path(ep_id: str) -> str:
    """The contact sheet of an episode's worst and borderline crops."""
    return f"reports/{ep_id}/crops.jpg"


def corrections_path(ep_id: str) -> str:
    """The corrections that people made in an episode."""
    return f"corrections/{ep_id}.yaml"


def tombstone_path(ep_id: str) -> str:
    """The record of a retired episode, without its content."""
    return f"retired/{ep_id}.json"


def photos_dir(show: str) -> str:
    """The facebank of a show: its photos, one folder per person, beside the published files."""
    return f"facebank/{show}"


_FOLDERS = {
    "face_crops.parquet": "frames",
    "crops_debug.parquet": "frames",
    "crops_debug.jsonl": "frames",
    "faces.npy": "embeds",
    "poor_faces.npy": "embeds",
    "gate.npy": "embeds",
    "tracks.npy": "embeds",
    "track_ids.json": "embeds",
    "index.html": "reports",
    SHEET: "reports",
    "facebank.json": "facebank",
    "facebank.npy": "facebank",
    "facebank_crops.parquet": "facebank",
}


def file_path(ep_id: str, name: str, asset: str | None = None) -> str:
    """The path of a file of an episode: tables and documents in ``manifests``, others as in ``_FOLDERS``.

    The cleanup publishes its files in ``cleaned``, under the names of the originals.
    """
    return f"{_folder(ep_id, _FOLDERS.get(name, 'manifests'), asset)}/{name}"


_PUBLISHED_KINDS = frozenset({"manifests", "frames", "embeds", "reports", "cleaned"})


def is_published_place(path: str, ep_id: str) -> bool:
    """Whether a path below the data root can be that of a published file, or of a folder of files, of an episode.

    Files of other episodes, manifests, videos, corrections and the photos of people are not.
    """
    kind, *rest = path.split("/")
    if len(rest) != 2 or rest[0] != ep_id or "\\" in path or "\0" in path:
        return False
    name = rest[1]
    is_file_name = {name, ep_id}.isdisjoint({"", ".", ".."}) and not name.endswith(_MANIFEST)
    return is_file_name and (kind in _PUBLISHED_KINDS or _FOLDERS.get(name) == kind)


_OWNER = re.compile(r"(?P<show>.+)-s(?P<season>[0-9]{2})(?:e(?P<episode>[0-9]{2,3}))?", re.ASCII)
_TOP_LEVEL_KINDS = ("crops", "thumbs")
VIDEOS, ARTIFACTS = "raw", "artifacts"
"""The two folders of a bucket."""


def object_key(path: str) -> str:
    """The key below the prefix of a bucket for a file or folder of the data root.

    ``videos/rhobh-s05e02/episode.mp4`` is ``raw/videos/rhobh/s05/e02/episode.mp4``, and
    ``frames/rhobh-s05e02/crops/track-00001`` is ``artifacts/crops/rhobh/s05/e02/track-00001``.
    """
    kind, *rest = path.split("/")
    top = VIDEOS if kind == "videos" else ARTIFACTS
    if kind == "frames" and len(rest) > 1 and rest[1] in _TOP_LEVEL_KINDS:
        kind = rest.pop(1)
    owner = _OWNER.fullmatch(rest[0]) if rest else None
    if owner is not None:
        episode = [f"e{owner['episode']}"] if owner["episode"] else []
        rest[:1] = [owner["show"], f"s{owner['season']}", *episode]
    return "/".join([top, kind, *rest])
