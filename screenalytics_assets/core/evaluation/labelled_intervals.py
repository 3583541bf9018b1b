"""Screen time against intervals that were labelled by hand: who is on screen, from when to when, without boxes."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat, ValidationError
from scipy.optimize import linear_sum_assignment

from screenalytics_assets.core.common.errors import TruthError
from screenalytics_assets.core.common.intervals import Intervals, intervals_of, merged, time_with_at_least, total_s
from screenalytics_assets.core.config.ranges import DAY_S, problem_words
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.people.corrections.corrections import PersonName

BRIEF_S = 1.0
"""Identities that are on screen no longer than this are mostly single tracks that were not joined to a person."""

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
    """

    person: str
    true_s: float
    identity: str | None
    predicted_s: float
    shared_s: float
    error: float


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
        per_person: One entry for each labelled person, in the order of the labels.
    """

    people: int
    identities: int
    identities_over_1s: int
    error_mean: float
    error_max: float
    false_people_s: float
    unassigned_s: float
    per_person: tuple[PersonSeconds, ...]

    def to_dict(self) -> dict[str, object]:
        """The scores as JSON can hold them: nan becomes None, tuples become lists."""
        scores = asdict(self) | {"per_person": [asdict(person) for person in self.per_person]}
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
    method); a person who is never on screen together with an identity gets none.

    Args:
        labels: By person, merged intervals.
        published: The screen time.
    """
    shown = [merged(intervals_of(person.intervals)) for person in published.people]
    true_s = [total_s(intervals) for intervals in labels.values()]
    shown_s = [total_s(intervals) for intervals in shown]
    shared_s = np.array([[time_with_at_least(2, [truth, found]) for found in shown] for truth in labels.values()])
    shared_s = shared_s.reshape(len(true_s), len(shown))
    union_s = np.add.outer(true_s, shown_s) - shared_s
    iou = np.divide(shared_s, union_s, out=np.zeros_like(shared_s), where=union_s > 0)
    assigned = {
        int(person): int(identity)
        for person, identity in zip(*linear_sum_assignment(iou, maximize=True), strict=True)
        if iou[person, identity] > 0
    }
    per_person = []
    for i, name in enumerate(labels):
        identity = assigned.get(i)
        predicted_s = 0.0 if identity is None else shown_s[identity]
        per_person.append(
            PersonSeconds(
                person=name,
                true_s=true_s[i],
                identity=None if identity is None else published.people[identity].label,
                predicted_s=predicted_s,
                shared_s=0.0 if identity is None else float(shared_s[i, identity]),
                error=abs(predicted_s - true_s[i]) / true_s[i],
            )
        )
    errors = [person.error for person in per_person]
    nobody = set(range(len(shown))) - set(assigned.values())
    return IntervalScores(
        people=len(labels),
        identities=len(shown),
        identities_over_1s=sum(seconds > BRIEF_S for seconds in shown_s),
        error_mean=float(np.mean(errors)) if errors else math.nan,
        error_max=max(errors, default=math.nan),
        false_people_s=float(sum(shown_s[i] for i in sorted(nobody))),
        unassigned_s=published.totals.unassigned_s,
        per_person=tuple(per_person),
    )
