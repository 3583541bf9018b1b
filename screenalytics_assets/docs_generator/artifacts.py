"""``docs/reference/artifacts_faces_tracks_identities.md``: the files of an episode with their columns and fields."""

from collections.abc import Iterator

import pyarrow as pa

from resources.storage.manifest import Manifest, PublishedFile
from screenalytics_assets.core.common.layout import crops_dir, file_path, manifest_path, object_key, video_dir
from screenalytics_assets.docs_generator.artifact_fields import (
    ARRAYS,
    ASSET_FILES,
    COLUMNS,
    DOCUMENTS,
    OTHER_FILES,
    REASONS,
    TABLES,
)
from screenalytics_assets.docs_generator.docstrings import attribute_text
from screenalytics_assets.docs_generator.markdown import code, table

_EPISODE = "{ep_id}"
_HEAD = """\
# Artifacts

Generated from the code by `make docs`; a test compares it with a processed episode.

Times are seconds of the container's timestamps. Boxes and landmarks are fractions of the frame, 0 to 1. Frame numbers
count the frames of the source from 0. Ids are stable: the same input and configuration give the same ids.

The graph reads Parquet (zstd). Each table has a twin in JSON lines beside it, with the same name, for people and other
programs (switched off by `write_jsonl=false`); `face_crops.parquet` has none. An artifact exists if its manifest
exists, which is written last.

## Files

All paths are below the data root, for an episode `{ep_id}`. The phases of the cleanup publish in `cleaned/{ep_id}`
under the same names. The video is in `VIDEO_DIR/`, with its original suffix. The report of `episode_report` is
`reports/{ep_id}/index.html`.

"""
_BUCKET = """
In a bucket the same files have other keys, for example:

| below the data root | below the prefix of the bucket |
|---|---|
"""
_MANIFESTS = """
## Manifests

`manifests/{ep_id}/{asset}.manifest.json`:

"""
_FACEBANK = """
For the facebank of a show see [facebank](facebank.md), for corrections [corrections](corrections.md).
"""


def artifacts_page() -> str:
    """The page, in Markdown."""
    return "".join(
        [
            _HEAD.replace("VIDEO_DIR", video_dir(_EPISODE)),
            table(("asset", "files"), [(code(asset), ", ".join(_places(asset))) for asset in ASSET_FILES]),
            _FACEBANK,
            _BUCKET,
            *_bucket_rows(),
            _MANIFESTS,
            table(
                ("field", "meaning"), [(code(name), attribute_text(Manifest, name)) for name in Manifest.model_fields]
            ),
            "\nA file has the fields ",
            ", ".join(map(code, PublishedFile.model_fields)),
            ". For a folder, `rows` is the number of its files.\n",
            "\n## Tables\n",
            *(_table_section(name) for name in TABLES),
            "\n## Reasons\n\nWhy a box, a face or a track was rejected:\n\n",
            table(("reason", "meaning"), [(code(name), text) for name, text in REASONS.items()]),
            "\n## Documents\n\n`a.b` is a field of an object, `a[].b` a field of each list entry, `a.*` "
            "everything below. Fields with a question mark are optional.\n",
            *(_document_section(name) for name in DOCUMENTS),
            "\n## Arrays and other files\n\nNumPy files are float32 with 512 columns; each row has length 1.\n\n",
            table(("file", "what it is"), [(code(name), text) for name, text in {**ARRAYS, **OTHER_FILES}.items()]),
        ]
    )


def _places(asset: str) -> Iterator[str]:
    for name in ASSET_FILES[asset]:
        place = crops_dir(_EPISODE, asset) + "/" if name == "crops" else file_path(_EPISODE, name, asset)
        yield code(place)


def _bucket_rows() -> Iterator[str]:
    ep_id = "rhobh-s05e02"
    for place in (
        f"{video_dir(ep_id)}/episode.mp4",
        file_path(ep_id, "faces.parquet"),
        f"{crops_dir(ep_id)}/track-00001/frame_000042.jpg",
        manifest_path("faces", ep_id),
    ):
        yield f"| `{place}` | `{object_key(place)}` |\n"


def _table_section(name: str) -> str:
    schema, row = TABLES[name]
    rows = [(code(field.name), type_name(field), COLUMNS[field.name]) for field in schema]
    return f"\n### {name}\n\nA row is {row}.\n\n{table(('column', 'type', 'meaning'), rows)}"


def _document_section(name: str) -> str:
    rows = [(code(field), text) for field, text in DOCUMENTS[name].items()]
    return f"\n### {name}\n\n{table(('field', 'meaning'), rows)}"


def type_name(field: pa.Field) -> str:
    """The type of a column in words."""
    return _type_words(field.type) + (" or null" if field.nullable else "")


def _type_words(kind: pa.DataType) -> str:
    if pa.types.is_struct(kind):
        return "{" + ", ".join(field.name for field in kind) + "}"
    if pa.types.is_fixed_size_list(kind):
        inner = _type_words(kind.value_type)
        return f"{kind.list_size} × ({inner})" if " " in inner else f"{kind.list_size} × {inner}"
    if pa.types.is_list(kind):
        return f"list of {_type_words(kind.value_type)}"
    return str(kind)
