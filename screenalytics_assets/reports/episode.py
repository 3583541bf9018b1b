"""The page of an episode, one self-contained HTML file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.common.episode_ids import season_of
from screenalytics_assets.core.documents.identities import TRACK_REASONS, Identities
from screenalytics_assets.core.identity.identities import PICTURE
from screenalytics_assets.core.people.resolve_people import IGNORED
from screenalytics_assets.core.people.review_candidates import identity_similarity
from screenalytics_assets.core.quality.acceptance import AcceptanceTable
from screenalytics_assets.core.quality.cleanup_comparison import comparison_rows
from screenalytics_assets.reports import provenance
from screenalytics_assets.reports.acceptance import metric_rows
from screenalytics_assets.reports.episode_data import EpisodeData
from screenalytics_assets.reports.page import render_page
from screenalytics_assets.reports.people import Face, ReportPerson, people_of
from screenalytics_assets.reports.pictures.heatmap import MAX_IDENTITIES, Heatmap, heatmap_of
from screenalytics_assets.reports.pictures.thumbnails import animated, still
from screenalytics_assets.reports.review import CheckedTrack, Question, Review
from screenalytics_assets.reports.timeline import Timeline, timeline_of

_PAIRS_SHOWN = 12
_EXAMPLES = 8
_REASONS_SHOWN = 200
_TONES = {"met": "good", "noted": "good", "warning": "fair", "failure": "poor", "not_applicable": ""}


class Bands(NamedTuple):
    """The least quality of a good and of a fair crop."""

    good: float
    fair: float

    @classmethod
    def of(cls, table: AcceptanceTable, season: str) -> "Bands":
        """The limits of the acceptance table for the mean quality; without limits, everything is good."""
        limits = table.limits("quality_mean", season)
        found = [limit if isinstance(limit, int | float) else 0.0 for limit in (limits.target, limits.warn)]
        return cls(found[0], found[1])

    def tone(self, quality: float) -> str:
        """``good``, ``fair`` or ``poor``."""
        return "good" if quality >= self.good else "fair" if quality >= self.fair else "poor"


@dataclass(frozen=True)
class EpisodePage:
    """The report of an episode.

    Attributes:
        data: What the episode has published.
        review: What should be checked first.
        acceptance: The limits of the metrics.
    """

    data: EpisodeData
    review: Review
    acceptance: AcceptanceTable

    def render(self) -> str:
        """The page as HTML."""
        data = self.data
        pairs = data.screen_time.together
        season = season_of(data.ep_id)
        bands = Bands.of(self.acceptance, season)
        labels = {person.key: person.label for person in self._people}
        merges, splits = self.review.merges(), self.review.splits()
        return render_page(
            "episode.html.j2",
            ep_id=data.ep_id,
            video=data.video,
            shots=len(self._cuts_s) + 1,
            totals=data.screen_time.totals,
            damage=data.screen_time.damage,
            likely=sum(question.is_likely for question in (*merges, *splits)),
            timeline=self._timeline,
            thumbnails={i: self._still(i) for i in sorted(self._timeline.thumbnails & self._crops.keys())},
            people=[self._card(person, bands) for person in self._people],
            together=[
                {"labels": [labels[key] for key in pair.people], "seconds": pair.seconds}
                for pair in pairs[:_PAIRS_SHOWN]
            ],
            more_pairs=max(0, len(pairs) - _PAIRS_SHOWN),
            question_lists=[
                (
                    "Possible duplicates: pairs of people whose faces are similar",
                    self._questions(merges),
                    "No two identities could be the same person.",
                ),
                (
                    "Possible mixed identities: tracks whose faces differ from the rest",
                    self._questions(splits),
                    nothing_to_split(data.identities),
                ),
            ],
            good=bands.good,
            fair=bands.fair,
            unassigned=self._unassigned(),
            reasons={reason: TRACK_REASONS[reason] for reason in self._reasons if reason in TRACK_REASONS},
            uncounted=sum(self._reasons[reason] for reason in self._reasons if reason not in (IGNORED, PICTURE)),
            joined=self._checked(self.review.joined),
            loose=self._checked(self.review.unassigned),
            heatmap=self._heatmap(),
            identities=len(data.identities.identities),
            metrics=metric_rows(data.metrics, self.acceptance, season),
            tones=_TONES,
            actions=data.cleanup.actions_completed,
            comparison=comparison_rows(data.cleanup),
            rejected=self._rejected(),
            keys=provenance.used_keys(data.configs, data.declared),
            digest=provenance.used_digest(data.configs),
            models=provenance.used_models(data.configs, data.models),
            versions=provenance.versions(),
        )

    @cached_property
    def _reasons(self) -> Counter[str]:
        """Number of unassigned tracks by reason."""
        return Counter(track.reason for track in self.data.identities.unassigned)

    @cached_property
    def _people(self) -> list[ReportPerson]:
        return people_of(self.data.screen_time, self.data.identities, self.data.faces)

    @cached_property
    def _cuts_s(self) -> list[float]:
        starts_s: list[float] = column_of(self.data.shots, "start_s").tolist()
        return starts_s[1:]

    @cached_property
    def _timeline(self) -> Timeline:
        return timeline_of(self._people, cuts_s=self._cuts_s, duration_s=self.data.video.duration_s)

    @cached_property
    def _examples(self) -> list[tuple[str, int, list[dict[str, Any]]]]:
        """Each reason with its count, most frequent first, and some examples spread over the episode."""
        rows = self.data.rejected.sort_by([("ts_s", "ascending")])
        by_reason: dict[str, list[dict[str, Any]]] = {}
        for row in rows.select(["detection_id", "reason", "ts_s", "quality_score"]).to_pylist():
            by_reason.setdefault(row["reason"], []).append(row)
        ordered = sorted(by_reason.items(), key=lambda entry: (-len(entry[1]), entry[0]))
        return [
            (reason, len(found), _spread([row for row in found if row["detection_id"]], _EXAMPLES))
            for reason, found in ordered
        ]

    @cached_property
    def _crops(self) -> Mapping[str, bytes]:
        wanted = {face.detection_id for person in self._people for face in (*person.best, *person.frames)}
        wanted |= self._timeline.thumbnails | self.review.faces_shown()
        wanted |= {row["detection_id"] for _, _, rows in self._examples for row in rows}
        return self.data.read_crops(wanted)

    @cached_property
    def _stills(self) -> dict[str, str]:
        return {}

    def _still(self, detection_id: str) -> str:
        """A crop as a data URI, encoded once however often it is shown."""
        if detection_id not in self._stills:
            self._stills[detection_id] = still(self._crops[detection_id])
        return self._stills[detection_id]

    def _card(self, person: ReportPerson, bands: Bands) -> dict[str, Any]:
        cohesions = [i.cohesion_score for i in person.identities if len(i.track_ids) > 1]
        frames = [self._crops[face.detection_id] for face in person.frames]
        return {
            "person": person,
            "still": self._still(person.best[0].detection_id) if person.best else None,
            "moving": animated(frames) if len(frames) > 1 else None,
            "cohesion": min(cohesions) if cohesions else None,
            "named_by": next((i.named_by for i in person.identities if i.named_by), None),
            "crops": [self._crop(face, bands) for face in person.best],
        }

    def _crop(self, face: Face, bands: Bands) -> dict[str, Any]:
        return {
            "uri": self._still(face.detection_id),
            "ts_s": face.ts_s,
            "quality": face.quality,
            "tone": bands.tone(face.quality),
        }

    def _questions(self, questions: Sequence[Question]) -> list[dict[str, Any]]:
        return [{**question._asdict(), "faces": self._shown(question.faces)} for question in questions]

    def _shown(self, faces: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        return [{"uri": self._still(crop), "alt": alt} for crop, alt in faces if crop in self._crops]

    def _checked(self, tracks: Sequence[CheckedTrack]) -> list[dict[str, Any]]:
        return [{**track._asdict(), "faces": self._shown(track.faces)} for track in tracks]

    def _heatmap(self) -> Heatmap:
        shown = [i for person in self._people for i in person.identities][:MAX_IDENTITIES]
        labels = {i.identity_id: i.label for i in shown}
        return heatmap_of(identity_similarity(shown, self.review.tracks).ordered(), labels)

    def _unassigned(self) -> list[dict[str, Any]]:
        spans = {row["track_id"]: row for row in self.data.tracks.select(["track_id", "start_s", "end_s"]).to_pylist()}
        unassigned = self.data.identities.unassigned[:_REASONS_SHOWN]
        return [{**spans[track.track_id], "reason": track.reason} for track in unassigned]

    def _rejected(self) -> list[dict[str, Any]]:
        return [
            {
                "reason": reason,
                "count": count,
                "crops": [
                    {
                        "uri": still(self._crops[row["detection_id"]], 72),
                        "ts_s": row["ts_s"],
                        "text": "" if row["quality_score"] is None else f"{row['quality_score']:.2f}",
                    }
                    for row in rows
                    if row["detection_id"] in self._crops
                ],
            }
            for reason, count, rows in self._examples
        ]


def nothing_to_split(identities: Identities) -> str:
    """Why no identity may be mixed, if none may be."""
    if any(len(identity.track_ids) > 1 for identity in identities.identities):
        return "No identity needs checking: the tracks of those that have several were confirmed or corrected."
    return "No identity has more than one track."


def _spread(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """At most ``count`` of the rows, evenly spread."""
    if len(rows) <= count:
        return list(rows)
    return [rows[(2 * i + 1) * len(rows) // (2 * count)] for i in range(count)]
