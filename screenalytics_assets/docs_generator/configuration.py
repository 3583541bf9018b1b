"""``docs/reference/config/pipeline_configs.md``: every key, what it means, and which values it takes."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from resources.configuration.run_settings import ENV_PREFIX, read_profiles
from resources.models.registry import EmbedderEntry, Registry, load_registry
from resources.system.paths import project_dir
from screenalytics_assets.core.config.keys import STAGE_FILES, Settings, flatten
from screenalytics_assets.core.config.ranges import number_words
from screenalytics_assets.core.config.thresholds import Thresholds
from screenalytics_assets.docs_generator.markdown import code, table

_HEAD = """\
# Configuration

Generated from the code by `make docs`.

A key has one name everywhere: in its file below `config/pipeline/`, in a profile, in the environment as
`SCREENALYTICS_KEY` (`SCREENALYTICS_CLUSTER_THRESH`; a dot becomes two underscores), on the command line as
`--set key=value`, in the launchpad and in GraphQL below `overrides`. The first of these that gives a value wins:

1. the run configuration: `--set`, or `resources.settings.config.overrides`;
2. the environment;
3. the profile: `--profile`, or `resources.settings.config.profile`, or `SCREENALYTICS_PROFILE`, or the default profile;
4. the stage's file;
5. the default.

`screenalytics config show` prints every key with its value and source. Unknown keys and invalid values are refused,
with their source, before anything is computed. The values and their hash are stored with every artifact and shown in
its metadata. `null` in the table means the value that `models.yaml` declares for the models in use (below).
"""
_MODELS = """
## Thresholds of the models

Scores and similarities are only comparable within one model. Therefore these thresholds are declared in `models.yaml`
for the SHA-256 of the weights, with their derivation. A key that is set overrides them. With a verifier, its score
replaces the detector's, and its thresholds hold. `min_confidence` is `track_thresh`; `recluster_thresh` and
`recluster_tight_thresh` are the embedder's `cluster_thresh` and `tight_thresh`. A detector that is not listed uses the
values of its kind. An embedder that is not listed needs its own values, in the `pack.yaml` of its folder or by `--set`.

"""
_SHA256_DIGITS = 64
_OTHER_FILES: Mapping[str, str] = {
    "config/acceptance.yaml": "limits of the acceptance checks: [acceptance matrix](../../ACCEPTANCE_MATRIX.md)",
    "config/seasons.yaml": "seasons that run on a schedule: [seasons and alerts](../../ops/seasons_and_alerts.md)",
    "config/inbox.yaml": "the inbox for new episodes: [seasons and alerts](../../ops/seasons_and_alerts.md)",
    "config/instance/": "Dagster's instance with PostgreSQL, logs in a bucket: [storage](../../ops/storage.md)",
    "dagster.yaml": "the rest of Dagster's instance: concurrent runs, pools, retries, retention",
}
ENVIRONMENT: Mapping[str, str] = {
    "ALERT_URLS": "where alerts are sent: Apprise URLs, separated by spaces",
    "CACHE_DIR": "folder of the model packs; default `~/.cache/screenalytics`",
    "CONFIG_DIR": "folder of the configuration; default `config/` of the checkout",
    "DATABASE_URL": "a PostgreSQL server for vectors; without it one is started below the data root",
    "DATA_ROOT": "a folder, or `s3://bucket/prefix`; default `data/` of the checkout",
    "FACEBANK_ROOT": "photos of known people, `{show}/{person}/`; default `facebank/` below the data root",
    "INBOX": "the inbox folder, instead of the one in `config/inbox.yaml`",
    "LOGS_BUCKET": "a bucket for the logs of the steps",
    "PROFILE": "the profile of runs that set none",
    "S3_CACHE_DIR": "local copies of the bucket's files; default `~/.cache/screenalytics/s3`",
    "S3_CACHE_GB": "how much space they may take; default 20",
    "SHARED_DIR": "labelled footage, read by the tests only",
    "UI_URL": "address of the UI, for links and as a name that the server answers to; default `http://127.0.0.1:3000`",
}
"""Variables that are not configuration keys, without their prefix."""


def configuration_page() -> str:
    """The page, in Markdown."""
    registry = load_registry(project_dir() / "config" / "pipeline" / "models.yaml")
    return "".join(
        [
            _HEAD,
            *(_section(section, file) for section, file in STAGE_FILES.items()),
            _profiles(),
            _thresholds(registry),
            "\n## Other files\n\n`SCREENALYTICS_CONFIG_DIR` selects a folder other than `config/`.\n\n",
            table(("file", "what it holds"), [(code(name), text) for name, text in _OTHER_FILES.items()]),
            "\n## Environment\n\nBesides the keys, these variables set paths and addresses:\n\n",
            table(("variable", "meaning"), [(code(f"{ENV_PREFIX}{name}"), text) for name, text in ENVIRONMENT.items()]),
        ]
    )


def _section(section: str, file: str) -> str:
    model = type(getattr(Settings(), section))
    heading = (model.__doc__ or "").split(" (``")[0].rstrip(".")
    header = ("key", "default", "values", "meaning")
    return f"\n## {file}\n\n{heading}.\n\n{table(header, _keys(model, ''))}"


def _keys(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")
        else:
            yield (
                code(f"{prefix}{name}"),
                code(json.dumps(field.default)),
                allowed_values(field),
                field.description or "",
            )


def allowed_values(field: FieldInfo) -> str:
    """What a key may be, in words: a range, a choice, or the kind of value."""
    if words := number_words(field):
        return words.replace(", or null", ", or `null`")
    kind = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(map(code, get_args(kind)))
    if get_origin(kind) is list:
        return "any of " + ", ".join(map(code, get_args(get_args(kind)[0])))
    names: dict[object, str] = {bool: "`true`, `false`", str: "text", str | None: "text, or `null`"}
    return names[kind]


def _profiles() -> str:
    known = read_profiles()
    aliases = {profile: alias for alias, profile in known.aliases.items()}
    rows = []
    for name, values in known.profiles.items():
        given = [code(f"{key}: {yaml_value(value)}") for key, value in flatten(values or {}).items()]
        also = f", also `{aliases[name]}`" if name in aliases else ""
        default = ", the default" if name == known.default_profile else ""
        rows.append((f"{code(name)}{also}{default}", ", ".join(given) or "the values of the stage files"))
    text = "`performance_profiles.yaml`; a profile may set any key.\n\n"
    return f"\n## Profiles\n\n{text}{table(('profile', 'sets'), rows)}"


def yaml_value(value: object) -> str:
    """A value as it is written in a file."""
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


def _thresholds(registry: Registry) -> str:
    detector_keys = ("confidence_th", "track_thresh")
    embedder_keys = [name for name in Thresholds._fields if name in EmbedderEntry.model_fields]
    detectors = [
        (entry.name if len(key) == _SHA256_DIGITS else f"any other {entry.name}", *_declared(entry, detector_keys))
        for key, entry in registry.detectors.items()
    ]
    verifiers = [(entry.name, *_declared(entry, detector_keys)) for entry in registry.verifiers.values()]
    embedders = [(entry.name, *_declared(entry, embedder_keys)) for entry in registry.embedders.values()]
    return (
        _MODELS
        + table(("detector", *map(code, detector_keys)), detectors)
        + "\n"
        + table(("verifier", *map(code, detector_keys)), verifiers)
        + "\n"
        + table(("embedder", *map(code, embedder_keys)), embedders)
    )


def _declared(entry: BaseModel, keys: Iterable[str]) -> list[str]:
    values = [getattr(entry, key) for key in keys]
    return ["–" if value is None else f"{value:g}" for value in values]
