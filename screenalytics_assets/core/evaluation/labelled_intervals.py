"""Screen time against intervals that were labelled by hand: who is on screen, from when to when, without boxes."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, FiniteFloat, ValidationError
from scipy.optimize import linear_sum_assignment

from screenalytics_assets.core.common.errors import TruthError
from screenalytics_assets.core.common.intervals import Intervals, intervals_of, merged, time_with_at_least, total_s
from screenalytics_assets.core.config.ranges import DAY_S, problem_words
from screenalytics_assets.core.documents.screen_time import PersonTime, ScreenTime
from screenalytics_assets.core.people.corrections.corrections import PersonName
from screenalytics_assets.core.people.person_names import person_id_of

BRIEF_S = 1.0
"""Identities that are on screen no longer than this are mostly single tracks that were not joined to a person."""

AT_END_S = 1.0
"""A label may end this much after the video: players round its length up. It is cut off there."""
SAME_NAME_IOU = 0.02
"""What an equal name adds to the IoU of a pair. Labels made by hand are off by some tenths of a second, so that the IoU
of two people who are on screen together can prefer the exchanged pairs by a little."""

_Time = Annotated[FiniteFloat, Field(ge=0, le=DAY_S, strict=True)]


class _Labels(BaseModel):
    people: dict[PersonName, Annotated[list[tuple[_Time, _Time]], Field(min_length=1)]]


@dataclass(frozen=True)
class PersonSeconds:
    """Seconds of one labelled person.

    Attributes:
        person: The name in the labels.
        true_s: Labelled seconds.
        identity: Name or id of the published person who stands for this one; None without one.
        predicted_s: Seconds of the published person, 0 without one.
        shared_s: Seconds in which both are on screen.
        error: |predicted_s - true_s| / true_s.
        named: Whether the published person has this name: ``right``, ``wrong`` with another name; None without a name.
        least_s: The least seconds of the published person that are probable; None without one.
        most_s: The most of them.
        in_range: Whether the labelled seconds are between these.
    """

    person: str
    true_s: float
    identity: str | None
    predicted_s: float
    shared_s: float
    error: float
    named: Literal["right", "wrong"] | None = None
    least_s: float | None = None
    most_s: float | None = None
    in_range: bool = False


@dataclass(frozen=True)
class NameSeconds:
    """Seconds of one published name.

    Attributes:
        name: The name.
        in_labels: Whether the labels have it.
        stands_for: The labelled person whom the published person stands for; None for nobody.
        right: Whether that is the person with this name.
        right_s: Seconds of the name in which its person is on screen, 0 if it is given to another person or to nobody.
        wrong_s: All its other seconds.
    """

    name: str
    in_labels: bool
    stands_for: str | None
    right: bool
    right_s: float
    wrong_s: float


@dataclass(frozen=True)
class IntervalScores:
    """How published screen time agrees with labelled intervals.

    Attributes:
        people: Labelled people.
        identities: Published people.
        identities_over_1s: Those with more than `BRIEF_S` seconds.
        error_mean: Mean error of the labelled people, each with the same weight; nan without people.
        error_max: The largest one; nan without people.
        false_people_s: Seconds of the published people who stand for nobody, added up.
        unassigned_s: Seconds with a face that is assigned to no identity.
        people_in_range: Labelled people whose seconds are between the least and the most of the published person.
        people_named_right: Labelled people with their name.
        people_named_wrong: Labelled people with another name.
        people_unnamed: Labelled people without a name, or without a published person.
        named_right_s: Seconds of published names in which their person is on screen, added up.
        named_wrong_s: Other seconds of published names: of somebody else, of nobody, or while the person is not there.
        per_person: One entry for each labelled person, in the order of the labels.
        names: One entry for each published name, by falling screen time.
    """

    people: int
    identities: int
    identities_over_1s: int
    error_mean: float
    error_max: float
    false_people_s: float
    unassigned_s: float
    people_in_range: int
    people_named_right: int
    people_named_wrong: int
    people_unnamed: int
    named_right_s: float
    named_wrong_s: float
    per_person: tuple[PersonSeconds, ...]
    names: tuple[NameSeconds, ...]

    def to_dict(self) -> dict[str, object]:
        """The scores as JSON can hold them: nan becomes None, tuples become lists."""
        scores = asdict(self) | {
            "per_person": [asdict(person) for person in self.per_person],
            "names": [asdict(name) for name in self.names],
        }
        return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in scores.items()}


def parse_labels(data: Mapping[str, object]) -> dict[str, Intervals]:
    """Check labelled intervals.

    Args:
        data: ``{"people": {NAME: [[start_s, end_s], ...]}}``, seconds of the video; other keys are ignored.

    Returns:
        The intervals of each person, (N, 2) float64, merged and ascending.

    Raises:
        TruthError: A key is missing or malformed, a person has no interval, or an interval is empty. The message names
            the key, for example ``people.Ann[2]``.
    """
    try:
        people = _Labels.model_validate(data).people
    except ValidationError as error:
        first = error.errors()[0]
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        raise TruthError(f"{key.lstrip('.') or 'labels'}: {problem_words(_Labels, first)}") from error
    for name, pairs in people.items():
        for i, (start_s, end_s) in enumerate(pairs):
            if start_s >= end_s:
                raise TruthError(f"people.{name}[{i}]: [{start_s}, {end_s}] is empty; expected start < end")
    return {name: merged(intervals_of(pairs)) for name, pairs in people.items()}


def score_intervals(labels: Mapping[str, Intervals], published: ScreenTime) -> IntervalScores:
    """Score published screen time against labelled intervals.

    People and identities are assigned one to one so that the sum of the IoU of their intervals is largest (Hungarian
    method); a person who is never on screen together with an identity gets none. Where two assignments are about as
    good, the names decide (`SAME_NAME_IOU`).

    Args:
        labels: By person, merged intervals.
        published: The screen time.

    Raises:
        TruthError: A label is beyond the end of the video.
    """
    labels = {name: _until_end(name, intervals, published) for name, intervals in labels.items()}
    shown = [merged(intervals_of(person.intervals)) for person in published.people]
    true_s = [total_s(intervals) for intervals in labels.values()]
    shown_s = [total_s(intervals) for intervals in shown]
    shared_s = np.array([[time_with_at_least(2, [truth, found]) for found in shown] for truth in labels.values()])
    shared_s = shared_s.reshape(len(true_s), len(shown))
    same_name = np.array([[_has_name(person, name) for person in published.people] for name in labels], bool)
    assigned = _assigned(shared_s, np.add.outer(true_s, shown_s) - shared_s, same_name.reshape(shared_s.shape))
    per_person = []
    for i, name in enumerate(labels):
        identity = assigned.get(i)
        found = None if identity is None else published.people[identity]
        predicted_s = 0.0 if identity is None else shown_s[identity]
        per_person.append(
            PersonSeconds(
                person=name,
                true_s=true_s[i],
                identity=found.label if found else None,
                predicted_s=predicted_s,
                shared_s=0.0 if identity is None else float(shared_s[i, identity]),
                error=abs(predicted_s - true_s[i]) / true_s[i],
                named=None if not found or found.name is None else "right" if _has_name(found, name) else "wrong",
                least_s=found.least_s if found else None,
                most_s=found.most_s if found else None,
                in_range=found is not None and found.least_s <= true_s[i] <= found.most_s,
            )
        )
    errors = [person.error for person in per_person]
    nobody = set(range(len(shown))) - set(assigned.values())
    person_of = {identity: per_person[i] for i, identity in assigned.items()}
    names = tuple(
        _name_seconds(person, person_of.get(i), shown_s[i], in_labels=any(_has_name(person, name) for name in labels))
        for i, person in enumerate(published.people)
        if person.name is not None
    )
    return IntervalScores(
        people=len(labels),
        identities=len(shown),
        identities_over_1s=sum(seconds > BRIEF_S for seconds in shown_s),
        error_mean=float(np.mean(errors)) if errors else math.nan,
        error_max=max(errors, default=math.nan),
        false_people_s=float(sum(shown_s[i] for i in sorted(nobody))),
        unassigned_s=published.totals.unassigned_s,
        people_in_range=sum(person.in_range for person in per_person),
        people_named_right=sum(person.named == "right" for person in per_person),
        people_named_wrong=sum(person.named == "wrong" for person in per_person),
        people_unnamed=sum(person.named is None for person in per_person),
        named_right_s=sum(name.right_s for name in names),
        named_wrong_s=sum(name.wrong_s for name in names),
        per_person=tuple(per_person),
        names=names,
    )


def _until_end(name: str, intervals: Intervals, published: ScreenTime) -> Intervals:
    """Labels up to the end of the video."""
    end_s = published.duration_s
    beyond = intervals[intervals[:, 1] > end_s + AT_END_S]
    if len(beyond):
        start_s, label_end_s = beyond[0].tolist()
        raise TruthError(
            f"people.{name}: [{start_s}, {label_end_s}] is beyond the end of {published.ep_id} at {end_s:.3f} s; "
            "correct the seconds, or check that these are labels of this video"
        )
    kept = np.minimum(intervals, end_s)
    kept = kept[kept[:, 0] < kept[:, 1]]
    if not len(kept):
        raise TruthError(f"people.{name}: the labels begin at the end of {published.ep_id}, at {end_s:.3f} s")
    return kept


def _has_name(published: PersonTime, name: str) -> bool:
    """Whether a published person has a name, by its letters and digits as in ids of people."""
    wanted = person_id_of(name)
    return bool(wanted) and published.name is not None and wanted in (published.person_id, person_id_of(published.name))


def _assigned(
    shared_s: NDArray[np.float64], union_s: NDArray[np.float64], same_name: NDArray[np.bool_]
) -> dict[int, int]:
    """By labelled person, the published one who stands for this person; arguments (P, I)."""
    iou = np.divide(shared_s, union_s, out=np.zeros_like(shared_s), where=union_s > 0)
    score = iou + SAME_NAME_IOU * (same_name & (iou > 0))
    pairs = zip(*linear_sum_assignment(score, maximize=True), strict=True)
    return {int(person): int(identity) for person, identity in pairs if iou[person, identity] > 0}


def _name_seconds(
    published: PersonTime, person: PersonSeconds | None, shown_s: float, *, in_labels: bool
) -> NameSeconds:
    right = person is not None and person.named == "right"
    right_s = person.shared_s if person and right else 0.0
    return NameSeconds(
        name=published.label,
        in_labels=in_labels,
        stands_for=person.person if person else None,
        right=right,
        right_s=right_s,
        wrong_s=shown_s - right_s,
    )
