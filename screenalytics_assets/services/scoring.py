"""Scores of published episodes against truth files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from resources.storage.store import ArtifactStore, require_artifact
from resources.system.files import write_whole
from resources.system.text_documents import read_json_file
from screenalytics_assets.core.common.csv_text import csv_text
from screenalytics_assets.core.common.episode_ids import parse_ep_id, parse_season
from screenalytics_assets.core.common.errors import ArtifactError, ConfigurationError, TruthError
from screenalytics_assets.core.common.intervals import Intervals
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.documents.screen_time import ScreenTime
from screenalytics_assets.core.evaluation.episode_scores import EpisodeScores, score_episode
from screenalytics_assets.core.evaluation.labelled_intervals import IntervalScores, parse_labels, score_intervals
from screenalytics_assets.core.evaluation.name_scores import NameScores, all_names, score_names
from screenalytics_assets.core.evaluation.truth import Truth, parse_truth

_TRUTH = ".truth.json"
ParsedT = TypeVar("ParsedT")


def read_truth(path: Path) -> Truth:
    """A truth file.

    Raises:
        TruthError: The file is missing, not JSON, or malformed.
    """
    return _parsed(path, parse_truth)


def read_labels(path: Path) -> dict[str, Intervals]:
    """A file of labelled intervals, by person.

    Raises:
        TruthError: The file is missing, not JSON, or malformed.
    """
    return _parsed(path, parse_labels)


def _parsed(path: Path, parse: Callable[[Any], ParsedT]) -> ParsedT:
    content = read_json_file(path, TruthError)
    try:
        return parse(content)
    except TruthError as error:
        raise TruthError(f"{path}: {error}") from error


def is_final(store: ArtifactStore, ep_id: str) -> bool:
    """Whether the people of an episode are published as they are after the cleanup."""
    return store.manifest("group_clusters", ep_id) is not None


def score_published(store: ArtifactStore, ep_id: str, truth: Truth, *, before_cleanup: bool = False) -> EpisodeScores:
    """Score the people of an episode: after the cleanup if it is published, else before."""
    cleaned = not before_cleanup and is_final(store, ep_id)
    tracks = require_artifact(store, "split_tracks" if cleaned else "tracks", ep_id)
    identities = require_artifact(store, "group_clusters" if cleaned else "identities", ep_id)
    detections = require_artifact(store, "detections", ep_id)
    screen_time = store.open("screen_time", ep_id) if cleaned else None
    return score_episode(
        truth,
        detections.table("analysed_frames.parquet"),
        detections.table("shots.parquet"),
        detections.table("detections.parquet"),
        tracks.table("tracks.parquet"),
        identities.document("identities.json", Identities),
        None if screen_time is None else screen_time.document("screen_time.json", ScreenTime),
    )


def score_published_intervals(store: ArtifactStore, ep_id: str, labels: Mapping[str, Intervals]) -> IntervalScores:
    """Score the screen time of an episode against labelled intervals."""
    screen_time = require_artifact(store, "screen_time", ep_id).document("screen_time.json", ScreenTime)
    return score_intervals(labels, screen_time)


def score_published_names(store: ArtifactStore, ep_id: str, truth: Truth) -> NameScores | None:
    """Score the names of an episode; None if ``group_clusters`` has not named anyone."""
    grouped, screen_time = store.open("group_clusters", ep_id), store.open("screen_time", ep_id)
    if grouped is None or screen_time is None:
        return None
    detections = require_artifact(store, "detections", ep_id)
    return score_names(
        truth,
        detections.table("analysed_frames.parquet"),
        detections.table("detections.parquet"),
        require_artifact(store, "split_tracks", ep_id).table("tracks.parquet"),
        grouped.document("identities.json", Identities),
        screen_time.document("screen_time.json", ScreenTime),
    )


@dataclass(frozen=True)
class SeasonScores:
    """The scores of a season.

    Attributes:
        season: For example ``rhobh-s05``.
        episodes: Scores by episode id, in alphabetical order.
        not_published: Episodes with a truth file but without published identities.
        names: The name scores of all episodes added up; None if no one has a name.
    """

    season: str
    episodes: Mapping[str, EpisodeScores]
    not_published: tuple[str, ...]
    names: NameScores | None = None

    def rows(self) -> list[dict[str, Any]]:
        """A row per episode and one for all: counts are summed, shares averaged, maxima are the maximum."""
        rows = [{"ep_id": ep_id, **_figures(scores)} for ep_id, scores in self.episodes.items()]
        total: dict[str, Any] = {"ep_id": "all"}
        for name in list(rows[0])[1:]:
            values = [row[name] for row in rows if row[name] is not None]
            if not values:
                total[name] = None
            elif name.endswith("_max"):
                total[name] = max(values)
            else:
                total[name] = sum(values) if isinstance(values[0], int) else sum(values) / len(values)
        return [*rows, total]

    def to_dict(self) -> dict[str, Any]:
        """The scores as JSON."""
        return {
            "season": self.season,
            "episodes": {ep_id: scores.to_dict() for ep_id, scores in self.episodes.items()},
            "all": {name: value for name, value in self.rows()[-1].items() if name != "ep_id"},
            "not_published": list(self.not_published),
            "names": self.names.to_dict() if self.names else None,
        }


def _figures(scores: EpisodeScores) -> dict[str, Any]:
    return {name: value for name, value in scores.to_dict().items() if name != "per_person"}


def score_season(store: ArtifactStore, season: str, truth_dir: Path, *, before_cleanup: bool = False) -> SeasonScores:
    """Score each published episode of a season with a ``{ep_id}.truth.json``, as `score_published` does.

    Raises:
        ConfigurationError: The season does not have the form ``show-s05``.
        TruthError: The folder has no truth file of the season, or one is malformed.
        ArtifactError: None of the episodes with a truth file is published.
    """
    parse_season(season)
    truths = {path.name.removesuffix(_TRUTH): path for path in sorted(truth_dir.glob(f"{season}e*{_TRUTH}"))}
    if not truths:
        raise TruthError(f"{truth_dir}: no truth file of {season}; expected {season}e01{_TRUTH} and so on")
    for ep_id in truths:
        parse_ep_id(ep_id)
    published = [ep_id for ep_id in truths if store.manifest("identities", ep_id) is not None]
    if not published:
        raise ArtifactError(
            f"{season}: none of {', '.join(truths)} has published identities; "
            f"compute one first, for example with `screenalytics run --ep-id {next(iter(truths))}`"
        )
    known = {ep_id: read_truth(truths[ep_id]) for ep_id in published}
    names = [scores for ep_id in published if (scores := score_published_names(store, ep_id, known[ep_id]))]
    return SeasonScores(
        season=season,
        episodes={
            ep_id: score_published(store, ep_id, truth, before_cleanup=before_cleanup) for ep_id, truth in known.items()
        },
        names=all_names(names) if names else None,
        not_published=tuple(ep_id for ep_id in truths if ep_id not in published),
    )


def check_table_path(path: Path) -> None:
    """Refuse a file format that `write_table` cannot write.

    Raises:
        ConfigurationError: The name ends neither in ``.csv`` nor in ``.md``.
    """
    if path.suffix not in (".csv", ".md"):
        raise ConfigurationError(f"--output {path}: expected a name that ends in .csv or .md")


def table_text(rows: Sequence[Mapping[str, Any]], suffix: str) -> str:
    """Rows as ``.csv``, or as a Markdown table for ``.md``; None is an empty cell."""
    if suffix == ".csv":
        return csv_text([rows[0], *([_rounded(value) for value in row.values()] for row in rows)])
    lines = [list(rows[0]), *([text_of(value) for value in row.values()] for row in rows)]
    lines.insert(1, ["---", *["---:"] * (len(lines[0]) - 1)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value


def write_table(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows as CSV or, if the name ends in ``.md``, as a Markdown table; None is an empty cell."""
    check_table_path(path)
    write_whole(path, table_text(rows, path.suffix).encode())


def text_of(value: object) -> str:
    """A figure as a table cell: four decimals, empty for None."""
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
