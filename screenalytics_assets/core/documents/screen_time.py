"""``screen_time.json`` and ``season_screen_time.json``: how long each person is on screen."""

from typing import Any

from screenalytics_assets.core.documents.damage import Damage
from screenalytics_assets.core.documents.document import Document

Seconds = int | float
"""Rounded to milliseconds. An integer only where nothing was added up: the sum of no values is written as 0."""


class PersonTime(Document):
    """A person of an episode: all identities with the same ``person_id``, or one identity without a name.

    Attributes:
        person_id: The person, or the identity of a person without a name.
        identity_ids: Identities of the person.
        name: The person's name, or null.
        visual_s: Seconds on screen.
        least_s: The least seconds that are probable: with a probability of 0.9 the true ones are between these and the
            most, if the detector finds the person's faces.
        most_s: The most seconds that are probable.
        share: Share of the episode, 0 to 1.
        first_s: Start of the first appearance.
        last_s: End of the last appearance.
        longest_s: Longest appearance.
        intervals: Start and end of each appearance in seconds, merged and in order.
        tracks: Number of tracks.
        faces: Number of accepted faces.
        confidence: Share of the time that remains without weakly linked tracks and damaged seconds; what a person
            confirmed by a correction is neither.
        weak_link_s: Seconds that rest on weakly linked tracks alone.
        bridged_s: Seconds without a detection: bridged gaps and padding.
        damaged_s: Seconds in which the video is damaged; left out where the whole video is intact.
        confirmed_s: Seconds on tracks that a user confirmed by a correction; left out if there are none.
    """

    person_id: str
    identity_ids: tuple[str, ...]
    name: str | None
    visual_s: float
    least_s: float
    most_s: float
    share: float
    first_s: float
    last_s: float
    longest_s: float
    intervals: tuple[tuple[float, float], ...]
    tracks: int
    faces: int
    confidence: float
    weak_link_s: float
    bridged_s: float
    damaged_s: float | None = None
    confirmed_s: float | None = None

    @property
    def label(self) -> str:
        """The person's name, or the id of a person without one."""
        return self.name or self.person_id


class ScreenTimeTotals(Document):
    """Screen time of an episode as a whole.

    Attributes:
        union_s: Seconds with at least one person.
        sum_s: Seconds of all people added up.
        overlap_s: Seconds with two people or more.
        unassigned_s: Seconds with a face that is assigned to no identity; without pictures.
        picture_s: Seconds with a picture of a face, which is not counted as a person; left out if there are none.
    """

    union_s: float
    sum_s: Seconds
    overlap_s: float
    unassigned_s: float
    picture_s: float | None = None


class SharedTime(Document):
    """Two people who are on screen at the same time.

    Attributes:
        people: The ``person_id`` of both.
        seconds: How long both are on screen.
    """

    people: tuple[str, str]
    seconds: float


class ScreenTime(Document):
    """Who is on screen in an episode, and for how long.

    Attributes:
        ep_id: The episode.
        config: The `ScreenTimeSettings` that it was made with.
        duration_s: Duration of the video.
        people: The people, by falling time on screen.
        totals: The episode as a whole.
        together: Pairs of people, by falling shared time.
        damage: Damaged seconds of the video, in which people may be missing or mistaken; left out if there are none.
        missing_s: Seconds in which the video has no picture, in gaps of its clock; nobody is counted there. Left out if
            there are none.
    """

    ep_id: str
    config: dict[str, Any]
    duration_s: float
    people: tuple[PersonTime, ...]
    totals: ScreenTimeTotals
    together: tuple[SharedTime, ...]
    damage: Damage | None = None
    missing_s: float | None = None


class SeasonEpisode(Document):
    """An episode of a season.

    Attributes:
        ep_id: The episode.
        duration_s: Duration of the video.
        union_s: Seconds with at least one person.
        overlap_s: Seconds with two people or more.
        named: Number of people with a name.
        unnamed: Number of people without one.
        unnamed_s: Seconds of the people without a name added up.
        damaged_s: Damaged seconds of the video, in which people may be missing or mistaken; left out if there are none.
        missing_s: Seconds in which the video has no picture and nobody is counted; left out if there are none.
    """

    ep_id: str
    duration_s: float
    union_s: float
    overlap_s: float
    named: int
    unnamed: int
    unnamed_s: Seconds
    damaged_s: float | None = None
    missing_s: float | None = None


class SeasonPerson(Document):
    """A named person over the episodes of a season.

    Attributes:
        person_id: The person.
        name: The person's name.
        seconds: Seconds on screen in each episode, by ``ep_id``.
        total_s: Their sum.
        share: Share of all episodes, 0 to 1.
        num_episodes: Number of episodes in which the person appears.
        trend_per_episode: Change of the share from one episode to the next, null with fewer than two episodes.
    """

    person_id: str
    name: str
    seconds: dict[str, float]
    total_s: float
    share: float
    num_episodes: int
    trend_per_episode: float | None


class SeasonTotals(Document):
    """A season as a whole.

    Attributes:
        duration_s: Duration of the episodes.
        named_s: Seconds of the people with a name added up.
        unnamed_s: Seconds of the people without a name added up.
        damaged_s: Damaged seconds of the videos added up; left out if there are none.
        missing_s: Seconds in which the videos have no picture added up; left out if there are none.
    """

    duration_s: float
    named_s: Seconds
    unnamed_s: Seconds
    damaged_s: float | None = None
    missing_s: float | None = None


class SeasonScreenTime(Document):
    """People over the episodes of a season.

    Attributes:
        season: For example ``rhobh-s05``.
        episodes: The episodes in order.
        people: The named people, by falling total.
        totals: The season as a whole.
    """

    season: str
    episodes: tuple[SeasonEpisode, ...]
    people: tuple[SeasonPerson, ...]
    totals: SeasonTotals
