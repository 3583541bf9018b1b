"""How long each person is on screen over the episodes of a season."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def season_screen_time(season: str, episodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The screen-time document of a season: people × episodes, trend and total.

    Only people with a name are the same person in two episodes; the others are summed up for each episode.

    Args:
        season: For example ``rhobh-s05``.
        episodes: The screen-time documents by ``ep_id``.

    Returns:
        ``people`` by falling total; ``trend_per_episode`` is the slope of the least-squares line through the shares of
        the episodes in their order, in share of an episode for each further episode, null with fewer than two episodes.
    """
    ep_ids = sorted(episodes)
    names: dict[str, str] = {}
    seconds: dict[str, dict[str, float]] = {}
    for ep_id in ep_ids:
        for person in episodes[ep_id]["people"]:
            if person["name"] is not None:
                names[person["person_id"]] = person["name"]
                seconds.setdefault(person["person_id"], {})[ep_id] = person["visual_s"]
    durations = {ep_id: episodes[ep_id]["duration_s"] for ep_id in ep_ids}
    people = [_row(person_id, names[person_id], spans, durations) for person_id, spans in seconds.items()]
    return {
        "season": season,
        "episodes": [_episode(episodes[ep_id]) for ep_id in ep_ids],
        "people": sorted(people, key=lambda row: (-row["total_s"], row["person_id"])),
        "totals": {
            "duration_s": round(sum(durations.values()), 3),
            "named_s": round(sum(row["total_s"] for row in people), 3),
            "unnamed_s": round(sum(_episode(document)["unnamed_s"] for document in episodes.values()), 3),
        },
    }


def season_screen_time_csv(document: Mapping[str, Any]) -> str:
    """A season as a spreadsheet: a line a person, a column an episode."""
    ep_ids = [episode["ep_id"] for episode in document["episodes"]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["person", "name", *ep_ids, "total_s", "share", "episodes", "trend_per_episode"])
    for row in document["people"]:
        spans = [row["seconds"][ep_id] for ep_id in ep_ids]
        trend = row["trend_per_episode"]
        writer.writerow(
            [row["person_id"], row["name"], *spans, row["total_s"], row["share"], row["num_episodes"], trend]
        )
    return text.getvalue()


def _row(person_id: str, name: str, spans: Mapping[str, float], durations: Mapping[str, float]) -> dict[str, Any]:
    seconds = {ep_id: spans.get(ep_id, 0.0) for ep_id in durations}
    total_s = sum(seconds.values())
    return {
        "person_id": person_id,
        "name": name,
        "seconds": seconds,
        "total_s": round(total_s, 3),
        "share": round(total_s / sum(durations.values()), 4),
        "num_episodes": len(spans),
        "trend_per_episode": _slope([seconds[ep_id] / duration_s for ep_id, duration_s in durations.items()]),
    }


def _slope(shares: Sequence[float]) -> float | None:
    if len(shares) < 2:
        return None
    return round(float(np.polynomial.Polynomial.fit(range(len(shares)), shares, 1).convert().coef[-1]), 4)


def _episode(document: Mapping[str, Any]) -> dict[str, Any]:
    unnamed = [person["visual_s"] for person in document["people"] if person["name"] is None]
    return {
        "ep_id": document["ep_id"],
        "duration_s": document["duration_s"],
        "union_s": document["totals"]["union_s"],
        "overlap_s": document["totals"]["overlap_s"],
        "named": len(document["people"]) - len(unnamed),
        "unnamed": len(unnamed),
        "unnamed_s": round(sum(unnamed), 3),
    }
