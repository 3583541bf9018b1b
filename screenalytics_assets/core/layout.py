"""Which file of which asset lies where below the data root: the contract with other programs."""

VIDEO_STEM = "episode"


def manifest_path(asset: str, ep_id: str) -> str:
    """The manifest of one published asset, written last."""
    return f"manifests/{ep_id}/{asset}.manifest.json"


def video_dir(ep_id: str) -> str:
    """The folder of an episode's video, ``episode.mp4`` or another container."""
    return f"videos/{ep_id}"


_CLEANED_ASSETS = frozenset({"split_tracks", "reembed", "recluster", "group_clusters"})


def _folder(ep_id: str, kind: str, asset: str | None) -> str:
    return f"cleaned/{ep_id}" if asset in _CLEANED_ASSETS else f"{kind}/{ep_id}"


def crops_dir(ep_id: str, asset: str | None = None) -> str:
    """The folder of the JPEG files of the embedded faces; the phases of the cleanup have one of their own."""
    return f"{_folder(ep_id, 'frames', asset)}/crops"


def crop_path(ep_id: str, track_id: str, frame_idx: int, asset: str | None = None) -> str:
    """The JPEG file of one embedded face."""
    return f"{crops_dir(ep_id, asset)}/{track_id}/frame_{frame_idx:06d}.jpg"


def crop_sheet_path(ep_id: str) -> str:
    """The contact sheet of an episode's worst and borderline crops."""
    return f"reports/{ep_id}/crops.jpg"


_FOLDERS = {
    "face_crops.parquet": "frames",
    "crops_debug.parquet": "frames",
    "crops_debug.jsonl": "frames",
    "faces.npy": "embeds",
    "gate.npy": "embeds",
    "tracks.npy": "embeds",
    "track_ids.json": "embeds",
    "index.html": "reports",
}


def file_path(ep_id: str, name: str, asset: str | None = None) -> str:
    """Where a file of an episode lies: tables and documents in ``manifests``, the rest as in the contract.

    What the phases of the cleanup publish lies in ``cleaned``, under the names of the originals.
    """
    return f"{_folder(ep_id, _FOLDERS.get(name, 'manifests'), asset)}/{name}"
