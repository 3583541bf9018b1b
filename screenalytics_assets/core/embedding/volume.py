"""What to say when an episode has more good faces than may be embedded."""

from collections import Counter
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from screenalytics_assets.core.config.people_keys import FacesSettings
from screenalytics_assets.core.embedding.face_selection import VOLUME_CAP


def volume_warning(faces: pa.Table, rejected: pa.Table, settings: FacesSettings) -> str | None:
    """What ``max_crops_per_episode`` left out, and which key to set to which value; nothing where all fitted.

    Args:
        faces: The faces that are embedded.
        rejected: Those that are not, with their reasons.
        settings: The limits.
    """
    dropped = rejected.filter(pc.equal(rejected["reason"], VOLUME_CAP))
    if not dropped.num_rows:
        return None
    kept_tracks, cut_tracks = faces["track_id"].to_pylist(), dropped["track_id"].to_pylist()
    sampled = Counter(kept_tracks + cut_tracks)
    best = pc.max(dropped["quality_score"]).as_py()
    without = len(sampled) - len(set(kept_tracks))
    fitting = fitting_crops_per_track(sampled.values(), settings.max_crops_per_episode)
    return (
        f"[VOLUME] {dropped.num_rows} of {sampled.total()} sampled faces, of {len(set(cut_tracks))} of {len(sampled)} "
        f"tracks, are not embedded, the worst first (quality up to {best:.2f}): max_crops_per_episode is "
        f"{settings.max_crops_per_episode}. "
        + (f"{without} tracks are left without a face. " if without else "")
        + f"To embed all of them set max_crops_per_episode={sampled.total()}"
        + (f"; to take fewer of each track set max_crops_per_track={fitting}" if fitting else "")
    )


def fitting_crops_per_track(sampled: Collection[int], limit: int) -> int:
    """The largest number of faces a track with which an episode stays within ``limit``; 0 if not even one fits.

    Args:
        sampled: Number of sampled faces of each track.
        limit: How many faces the episode may have.
    """
    fitting = 0
    while fitting < max(sampled, default=0) and sum(min(count, fitting + 1) for count in sampled) <= limit:
        fitting += 1
    return fitting
