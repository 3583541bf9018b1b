"""The page of an episode: one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pyarrow as pa

from resources.models.packs import ModelPack
from resources.storage.artifacts import Artifact, Manifest
from resources.storage.crop_file import read_crops
from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.common.episode_ids import season_of
from screenalytics_assets.core.documents.identities import Identity
from screenalytics_assets.core.people.review_candidates import identity_similarity
from screenalytics_assets.core.quality.acceptance import AcceptanceTable
from screenalytics_assets.core.quality.cleanup_comparison import comparison_rows
from screenalytics_assets.reports import provenance
from screenalytics_assets.reports.acceptance import judged
from screenalytics_assets.reports.page import render_page
from screenalytics_assets.reports.people import Face, Person, people_of
from screenalytics_assets.reports.pictures.heatmap import MAX_IDENTITIES, heatmap_of
from screenalytics_assets.reports.pictures.thumbnails import animated, still
from screenalytics_assets.reports.review import Question, Review
from screenalytics_assets.reports.timeline import Timeline, timeline_of

_PAIRS_SHOWN = 12
_EXAMPLES = 8
_REASONS_SHOWN = 200
_TONES = {"met": "good", "noted": "good", "warning": "fair", "failure": "poor", "not_applicable": ""}


class Bands(NamedTuple):
    """From which quality on a crop is good, and from which on it is fair."""

    good: float
    fair: float

    @classmethod
    def of(cls, table: AcceptanceTable, season: str) -> "Bands":
        """As the acceptance table judges the mean quality of an episode; without limits, everything is good."""
        limits = table.limits("quality_mean", season)
        found = [limit if isinstance(limit, int | float) else 0.0 for limit in (limits.target, limits.warn)]
        return cls(found[0], found[1])

    def tone(self, quality: float) -> str:
        """``good``, ``fair`` or ``poor``."""
        return "good" if quality >= self.good else "fair" if quality >= self.fair else "poor"


@dataclass(frozen=True)
class EpisodePage:
    """The report of an episode, out of its published artifacts.

    Attributes:
        ep_id: The episode.
        inputs: Its artifacts by their assets.
        review: What should be looked at first.
        manifests: Of the assets whose configuration is told.
        pack: The models that are configured.
        acceptance: The limits of the metrics.
    """

    ep_id: str
    inputs: Mapping[str, Artifact]
    review: Review
    manifests: Mapping[str, Manifest]
    pack: ModelPack
    acceptance: AcceptanceTable

    def render(self) -> str:
        """The page as HTML."""
        time = self._json("screen_time", "screen_time.json")
        cleanup = self._json("cleanup_report", "cleanup_report.json")
        metrics = self._json("track_metrics", "track_metrics.json")
        season = season_of(self.ep_id)
        bands = Bands.of(self.acceptance, season)
        labels = {person.key: person.label for person in self._people}
        merges, splits = self.review.merges(), self.review.splits()
        return render_page(
            "episode.html.j2",
            ep_id=self.ep_id,
            video=self._json("episode_video", "video.json"),
            shots=len(self._cuts_s) + 1,
            totals=time["totals"],
            likely=sum(question.is_likely for question in (*merges, *splits)),
            timeline=self._timeline,
            thumbnails={i: self._still(i) for i in sorted(self._timeline.thumbnails & self._crops.keys())},
            people=[self._card(person, bands) for person in self._people],
            together=[
                {"labels": [labels[key] for key in pair["people"]], "seconds": pair["seconds"]}
                for pair in time["together"][:_PAIRS_SHOWN]
            ],
            more_pairs=max(0, len(time["together"]) - _PAIRS_SHOWN),
            doubt_lists=[
                ("One person in two identities?", self._questions(merges), "No two identities could be one person."),
                ("Somebody else in an identity?", self._questions(splits), "No identity has several tracks."),
            ],
            good=bands.good,
            fair=bands.fair,
            unassigned=self._unassigned(),
            heatmap=self._heatmap(),
            identities=len(self._identities["identities"]),
            metrics=judged(metrics, self.acceptance, season),
            tones=_TONES,
            actions=cleanup["actions_completed"],
            comparison=comparison_rows(cleanup),
            rejected=self._rejected(),
            keys=provenance.used_keys(self.manifests, self.pack),
            digest=provenance.used_digest(self.manifests),
            models=provenance.used_models(self.manifests, self.pack),
            versions=provenance.versions(),
        )

    def _json(self, asset: str, name: str) -> Any:  # noqa: ANN401 - a JSON document
        return self.inputs[asset].json(name)

    @cached_property
    def _identities(self) -> Mapping[str, Any]:
        document: Mapping[str, Any] = self._json("group_clusters", "identities.json")
        return document

    @cached_property
    def _people(self) -> list[Person]:
        faces = self.inputs["reembed"].table("faces.parquet")
        return people_of(self._json("screen_time", "screen_time.json"), self._identities, faces)

    @cached_property
    def _cuts_s(self) -> list[float]:
        starts_s: list[float] = column_of(self.inputs["detections"].table("shots.parquet"), "start_s").tolist()
        return starts_s[1:]

    @cached_property
    def _timeline(self) -> Timeline:
        duration_s = self._json("episode_video", "video.json")["duration_s"]
        return timeline_of(self._people, cuts_s=self._cuts_s, duration_s=duration_s)

    @cached_property
    def _examples(self) -> list[tuple[str, int, list[dict[str, Any]]]]:
        """Reasons, the commonest first, how many, and some of them over the episode."""
        rows = self.inputs["reembed"].table("crops_debug.parquet").sort_by([("ts_s", "ascending")])
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
        return dict(read_crops(self.inputs["face_crops"].path("face_crops.parquet"), wanted))

    @cached_property
    def _stills(self) -> dict[str, str]:
        return {}

    def _still(self, detection_id: str) -> str:
        """A crop as a picture, encoded once however often it is shown."""
        if detection_id not in self._stills:
            self._stills[detection_id] = still(self._crops[detection_id])
        return self._stills[detection_id]

    def _card(self, person: Person, bands: Bands) -> dict[str, Any]:
        cohesions = [i["cohesion_score"] for i in person.identities if len(i["track_ids"]) > 1]
        frames = [self._crops[face.detection_id] for face in person.frames]
        return {
            "person": person,
            "still": self._still(person.best[0].detection_id) if person.best else None,
            "moving": animated(frames) if len(frames) > 1 else None,
            "cohesion": min(cohesions) if cohesions else None,
            "named_by": next((i["named_by"] for i in person.identities if i.get("named_by")), None),
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
        return [
            {
                **question._asdict(),
                "faces": [{"uri": self._still(detection_id), "alt": alt} for detection_id, alt in question.faces],
            }
            for question in questions
        ]

    def _heatmap(self) -> Any:  # noqa: ANN401 - for the template
        shown = [i for person in self._people for i in person.identities][:MAX_IDENTITIES]
        labels = {i["identity_id"]: i.get("name") or i["identity_id"] for i in shown}
        typed = [Identity.model_validate(identity) for identity in shown]
        return heatmap_of(identity_similarity(typed, self.review.tracks).ordered(), labels)

    def _unassigned(self) -> list[dict[str, Any]]:
        tracks: pa.Table = self.inputs["split_tracks"].table("tracks.parquet", ["track_id", "start_s", "end_s"])
        spans = {row["track_id"]: row for row in tracks.to_pylist()}
        return [{**spans[e["track_id"]], "reason": e["reason"]} for e in self._identities["unassigned"]][
            :_REASONS_SHOWN
        ]

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


def _spread(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """So many of them, evenly from the first to the last."""
    if len(rows) <= count:
        return list(rows)
    return [rows[(2 * i + 1) * len(rows) // (2 * count)] for i in range(count)]
