"""How long each person is on screen over the episodes of a season."""

from collections.abc import Mapping, Sequence

import numpy as np

from screenalytics_assets.core.common.csv_text import csv_text
from screenalytics_assets.core.documents.screen_time import (
    ScreenTime,
    SeasonEpisode,
    SeasonPerson,
    SeasonScreenTime,
    SeasonTotals,
)


def season_screen_time(season: str, episodes: Mapping[str, ScreenTime]) -> SeasonScreenTime:
    """Screen time of people × episodes with trend and total.

    Only named people can be matched across episodes; the others are summed up for each episode.

    Args:
        season: For example ``rhobh-s05``.
        episodes: The screen time of each episode by ``ep_id``.

    Returns:
        ``people`` by falling total; ``trend_per_episode`` is the slope of the least-squares line through the shares of
        the episodes in order, null with fewer than two episodes.
    """
    ordered = [episodes[ep_id] for ep_id in sorted(episodes)]
    names: dict[str, str] = {}
    seconds: dict[str, dict[str, float]] = {}
    for episode in ordered:
        for person in episode.people:
            if person.name is not None:
                names[person.person_id] = person.name
                seconds.setdefault(person.person_id, {})[episode.ep_id] = person.visual_s
    durations = {episode.ep_id: episode.duration_s for episode in ordered}
    people = [_person(person_id, names[person_id], spans, durations) for person_id, spans in seconds.items()]
    rows = [_episode(episode) for episode in ordered]
    damaged_s = [row.damaged_s for row in rows if row.damaged_s is not None]
    missing_s = [row.missing_s for row in rows if row.missing_s is not None]
    return SeasonScreenTime(
        season=season,
        episodes=tuple(rows),
        people=tuple(sorted(people, key=lambda person: (-person.total_s, person.person_id))),
        totals=SeasonTotals(
            duration_s=round(sum(durations.values()), 3),
            named_s=round(sum(person.total_s for person in people), 3),
            unnamed_s=round(sum(row.unnamed_s for row in rows), 3),
            **({"damaged_s": round(sum(damaged_s), 3)} if damaged_s else {}),
            **({"missing_s": round(sum(missing_s), 3)} if missing_s else {}),
        ),
    )


def season_screen_time_csv(season: SeasonScreenTime) -> str:
    """A season as a spreadsheet: one row per person, one column per episode."""
    ep_ids = [episode.ep_id for episode in season.episodes]
    rows: list[list[object]] = [["person", "name", *ep_ids, "total_s", "share", "episodes", "trend_per_episode"]]
    for person in season.people:
        spans = [person.seconds[ep_id] for ep_id in ep_ids]
        figures = (person.total_s, person.share, person.num_episodes, person.trend_per_episode)
        rows.append([person.person_id, person.name, *spans, *figures])
    return csv_text(rows)


def _person(person_id: str, name: str, spans: Mapping[str, float], durations: Mapping[str, float]) -> SeasonPerson:
    seconds = {ep_id: spans.get(ep_id, 0.0) for ep_id in durations}
    total_s = sum(seconds.values())
    return SeasonPerson(
        person_id=person_id,
        name=name,
        seconds=seconds,
        total_s=round(total_s, 3),
        share=round(total_s / sum(durations.values()), 4),
        num_episodes=len(spans),
        trend_per_episode=_slope([seconds[ep_id] / duration_s for ep_id, duration_s in durations.items()]),
    )


def _slope(shares: Sequence[float]) -> float | None:
    if len(shares) < 2:
        return None
    return round(float(np.polynomial.Polynomial.fit(range(len(shares)), shares, 1).convert().coef[-1]), 4)


def _episode(screen_time: ScreenTime) -> SeasonEpisode:
    unnamed = [person.visual_s for person in screen_time.people if person.name is None]
    return SeasonEpisode(
        ep_id=screen_time.ep_id,
        duration_s=screen_time.duration_s,
        union_s=screen_time.totals.union_s,
        overlap_s=screen_time.totals.overlap_s,
        named=len(screen_time.people) - len(unnamed),
        unnamed=len(unnamed),
        unnamed_s=round(sum(unnamed), 3),
        **({"damaged_s": screen_time.damage.damaged_s} if screen_time.damage else {}),
        **({"missing_s": screen_time.missing_s} if screen_time.missing_s else {}),
    )
