"""Tracks of one group that are of two people, divided by what their faces look like."""

from collections.abc import Collection, Iterable

from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks


def tracks_of_second(
    members: Iterable[str], first: Collection[str], second: Collection[str], tracks: EpisodeTracks
) -> set[str]:
    """The tracks that are more similar to the second of two people, and the second person's own.

    Args:
        members: The tracks of both.
        first: Tracks of the first person, which are never taken.
        second: Tracks of the second person, which always are.
        tracks: The vectors. Without one of either person, no other track is taken.
    """
    means = [tracks.vectors[tracks.rows_of(sorted(one))] for one in (first, second)]
    taken = set(second)
    if all(len(rows) for rows in means):
        towards_second = means[1].mean(axis=0) - means[0].mean(axis=0)
        others = tracks.with_vector(track for track in members if track not in first)
        taken.update(track for track in others if float(tracks.vector_of(track) @ towards_second) > 0)
    return taken
