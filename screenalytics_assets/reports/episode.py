"""The page of an episode: one HTML file that needs nothing else."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader

from screenalytics_assets.reports.cast import CastMember


def render_episode(
    ep_id: str,
    *,
    video: Mapping[str, Any],
    metrics: Mapping[str, Any],
    identities: Mapping[str, Any],
    cast: Sequence[CastMember],
    crops: Mapping[str, bytes],
    timeline_png: bytes,
) -> str:
    """The report as HTML.

    Args:
        ep_id: The episode.
        video: The probe of its video.
        metrics: The metrics document.
        identities: The identities document.
        cast: Its people.
        crops: JPEG of each of their best faces, by detection id.
        timeline_png: When each of them is seen.
    """
    templates = Environment(
        loader=PackageLoader("screenalytics_assets.reports", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = {**metrics["detect_track_metrics"], **metrics["cluster_metrics"]}
    figures |= {name: value for name, value in metrics["crop_stats"].items() if name != "rejected"}
    return templates.get_template("episode.html.j2").render(
        ep_id=ep_id,
        video=video,
        tracks=metrics["detect_track_metrics"]["tracks"],
        shots=metrics["detect_track_metrics"]["shots"],
        cast=[
            {"member": member, "crops": [_data_uri("jpeg", crops[face]) for face in member.best_faces]}
            for member in cast
        ],
        unassigned=identities["unassigned"],
        figures={name: _figure(value) for name, value in figures.items()},
        rejected=metrics["crop_stats"]["rejected"],
        timeline=_data_uri("png", timeline_png),
    )


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _figure(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return str(value)
