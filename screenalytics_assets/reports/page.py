"""Renders a template as one self-contained HTML file."""

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from screenalytics_assets.reports.timeline import clock

_SCRIPT = "report.js"


def render_page(template: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """Fill in a template; everything is escaped.

    The content security policy lets the page load nothing and run only the report's own script, identified by its
    SHA-256, so that markup in a name has no effect even if it is not escaped.
    """
    templates = Environment(
        loader=PackageLoader("screenalytics_assets.reports", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    templates.filters |= {"clock": clock, "percent": _percent, "figure": _figure}
    script = (files("screenalytics_assets.reports") / _SCRIPT).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    # The script is a file of this package, not of the episode.
    return templates.get_template(template).render(policy=policy, script=Markup(script), **values)  # noqa: S704


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
