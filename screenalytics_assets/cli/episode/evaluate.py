"""``screenalytics evaluate``: score an episode against a truth file, or a season against a folder of them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from screenalytics_assets.cli.options import AsJson, DataRoot, new_console, uncut, use_data_root

if TYPE_CHECKING:
    from resources.storage.store import ArtifactStore
    from screenalytics_assets.core.evaluation.episode_scores import EpisodeScores
    from screenalytics_assets.core.evaluation.labelled_intervals import IntervalScores
    from screenalytics_assets.core.evaluation.name_scores import NameScores
    from screenalytics_assets.services.scoring import SeasonScores


def evaluate(
    ep_id: Annotated[str | None, typer.Argument(help="A published episode; requires --truth or --intervals.")] = None,
    truth: Annotated[Path | None, typer.Option(help="The episode's truth file, JSON.")] = None,
    intervals: Annotated[
        Path | None, typer.Option(help="Instead of a truth file: JSON with the seconds of each person, without boxes.")
    ] = None,
    season: Annotated[
        str | None, typer.Option(help="All published episodes of a season, SHOW-sSS; requires --truth-dir.")
    ] = None,
    truth_dir: Annotated[Path | None, typer.Option(help="Folder of the season's EP.truth.json files.")] = None,
    as_json: AsJson = False,
    output: Annotated[
        Path | None,
        typer.Option(help="File for the season's table, .csv or .md; default: reports/SEASON/evaluation.csv."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the published intervals of an episode over those of the truth, as a .png.")
    ] = None,
    before_cleanup: Annotated[
        bool, typer.Option("--before-cleanup", help="Score tracks and identities from before the cleanup.")
    ] = False,
    data_root: DataRoot = None,
) -> None:
    """Score recall, precision, purity, B-cubed, WCP, NMI, HOTA, IDF1, switches, screen time and names."""
    from resources.artifact_store import ArtifactStoreResource
    from screenalytics_assets.core.common.errors import ConfigurationError

    use_data_root(data_root)
    if (
        ep_id is not None
        and intervals is not None
        and not (truth or season or truth_dir or output or picture or before_cleanup)
    ):
        _evaluate_intervals(ArtifactStoreResource().store(), ep_id, intervals, as_json=as_json)
    elif ep_id is not None and truth is not None and not (intervals or season or truth_dir or output):
        store = ArtifactStoreResource().store()
        if picture is not None:
            _draw(store, ep_id, truth, picture)
        _evaluate_episode(store, ep_id, truth, as_json=as_json, before_cleanup=before_cleanup)
    elif season is not None and truth_dir is not None and not (ep_id or truth or intervals or picture):
        _evaluate_season(
            ArtifactStoreResource().store(), season, truth_dir, output, as_json=as_json, before_cleanup=before_cleanup
        )
    else:
        raise ConfigurationError(
            "evaluate: expected EP --truth FILE [--picture FILE.png], or EP --intervals FILE, or --season SEASON "
            "--truth-dir DIR [--output FILE]"
        )


def _draw(store: "ArtifactStore", ep_id: str, truth: Path, picture: Path) -> None:
    from resources.storage.store import require_artifact
    from resources.system.files import write_whole
    from screenalytics_assets.core.common.episode_ids import parse_ep_id
    from screenalytics_assets.core.common.errors import ConfigurationError
    from screenalytics_assets.core.documents.screen_time import ScreenTime
    from screenalytics_assets.reports.pictures.over_truth import compared, over_truth
    from screenalytics_assets.services.scoring import read_truth, score_published

    if picture.suffix != ".png":
        raise ConfigurationError(f"--picture {picture}: expected a name that ends in .png")
    parse_ep_id(ep_id)
    known = read_truth(truth)
    screen_time = require_artifact(store, "screen_time", ep_id).document("screen_time.json", ScreenTime)
    rows = compared(known, score_published(store, ep_id, known), screen_time)
    write_whole(picture, over_truth(rows, title=ep_id, duration_s=screen_time.duration_s))
    new_console(stderr=True).print(f"picture: {picture}")


def _evaluate_episode(store: "ArtifactStore", ep_id: str, truth: Path, *, as_json: bool, before_cleanup: bool) -> None:
    from screenalytics_assets.core.common.episode_ids import parse_ep_id
    from screenalytics_assets.services.scoring import is_final, read_truth, score_published, score_published_names

    parse_ep_id(ep_id)
    known = read_truth(truth)
    scores, names = (
        score_published(store, ep_id, known, before_cleanup=before_cleanup),
        score_published_names(store, ep_id, known),
    )
    if as_json:
        typer.echo(json.dumps({**scores.to_dict(), "names": names.to_dict() if names else None}, indent=2))
        return
    console = new_console()
    final = not before_cleanup and is_final(store, ep_id)
    console.print(_figures(ep_id if final else f"{ep_id} before the cleanup", scores))
    console.print(_people(scores))
    if names:
        console.print(_names(names))


def _evaluate_intervals(store: "ArtifactStore", ep_id: str, intervals: Path, *, as_json: bool) -> None:
    from screenalytics_assets.core.common.episode_ids import parse_ep_id
    from screenalytics_assets.services.scoring import read_labels, score_published_intervals

    parse_ep_id(ep_id)
    scores = score_published_intervals(store, ep_id, read_labels(intervals))
    if as_json:
        typer.echo(json.dumps(scores.to_dict(), indent=2))
        return
    console = new_console()
    console.print(_figures(ep_id, scores))
    table = Table("person", "seconds", "predicted", "90 % range", "both", "error", "identity", "name")
    for person in scores.per_person:
        between = "" if person.least_s is None else f"{person.least_s:.1f}–{person.most_s:.1f}"
        seconds = (f"{person.true_s:.1f}", f"{person.predicted_s:.1f}", between, f"{person.shared_s:.1f}")
        identity, named = escape(person.identity or "none"), person.named or "none"
        table.add_row(escape(person.person), *seconds, f"{person.error:.1%}", identity, named)
    console.print(uncut(table))
    names = Table("name", "right", "wrong", "stands for", title="seconds of each published name")
    for name in scores.names:
        stands_for = escape(name.stands_for or "nobody in the labels")
        names.add_row(escape(name.name), f"{name.right_s:.1f}", f"{name.wrong_s:.1f}", stands_for)
    if scores.names:
        console.print(uncut(names))


def _evaluate_season(
    store: "ArtifactStore", season: str, truth_dir: Path, output: Path | None, *, as_json: bool, before_cleanup: bool
) -> None:
    from screenalytics_assets.services.scoring import check_table_path, score_season, table_text, write_table

    if output is not None:
        check_table_path(output)
    scores = score_season(store, season, truth_dir, before_cleanup=before_cleanup)
    if output is not None:
        write_table(scores.rows(), output)
        place = str(output)
    else:
        place = store.write(f"reports/{season}/evaluation.csv", table_text(scores.rows(), ".csv").encode())
    if as_json:
        typer.echo(json.dumps(scores.to_dict(), indent=2))
    else:
        new_console().print(_season(scores))
        if scores.names:
            new_console().print(_names(scores.names))
    messages = new_console(stderr=True)
    if scores.not_published:
        messages.print(f"not published, not scored: {', '.join(scores.not_published)}")
    messages.print(f"table: {place}")


def _figures(title: str, scores: "EpisodeScores | IntervalScores") -> Table:
    from screenalytics_assets.services.scoring import text_of

    table = Table("figure", "value", title=title)
    for name, value in scores.to_dict().items():
        if isinstance(value, int | float):
            table.add_row(name, text_of(value))
    return uncut(table)


def _people(scores: "EpisodeScores") -> Table:
    table = Table("person", "seconds", "predicted", "error", "found", "precision", "recall", "identity", "identities")
    for person in scores.per_person:
        table.add_row(
            person.person,
            f"{person.presence_s:.1f}",
            f"{person.predicted_s:.1f}",
            f"{person.screen_time_error:.1%}",
            f"{person.found:.3f}",
            f"{person.character_precision:.3f}",
            f"{person.character_recall:.3f}",
            person.identity_id or "none",
            ", ".join(person.identity_ids),
        )
    return uncut(table)


def _names(scores: "NameScores") -> Table:
    table = Table(
        "person", "seconds", "found", "named correctly", "of found", "named wrongly", "as", "screen time", title="names"
    )
    for person in scores.people:
        table.add_row(
            person.person,
            f"{person.seconds:.1f}",
            f"{person.found_s:.1f}",
            f"{person.right_s / person.seconds:.1%}",
            f"{person.right_s / person.found_s:.1%}" if person.found_s else "",
            f"{person.wrong_s / person.seconds:.1%}",
            ", ".join(person.wrong_names),
            f"{person.shown_s / person.present_s:.1%}" if person.present_s else "",
        )
    return uncut(table)


def _season(scores: "SeasonScores") -> Table:
    """A column per episode, because a terminal is not wide enough for a column per figure."""
    from screenalytics_assets.services.scoring import text_of

    rows = scores.rows()
    table = Table("figure", *(row["ep_id"] for row in rows), title=scores.season)
    for name in list(rows[0])[1:]:
        table.add_row(name, *(text_of(row[name]) for row in rows))
    return uncut(table)
