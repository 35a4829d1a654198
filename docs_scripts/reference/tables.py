"""The page on the stored tables and on the results, from their schemas."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow as pa

from docs_scripts.reference.markdown import (
    bullets,
    code,
    codes,
    heading,
    joined,
    link,
    page_of,
    prose,
    sentence,
    table,
)
from docs_scripts.reference.units import unit_of
from pulse_assets.catalog import CATALOG, AssetInfo
from pulse_assets.results_schema import json_schema
from pulse_assets.storage.layout import object_path

#: How the page calls a type of Arrow.
_TYPES: Final = {
    "string": "text",
    "date32[day]": "date",
    "double": "number",
    "float": "number, 32 bits",
    "int32": "whole number",
    "int64": "whole number, 64 bits",
    "bool": "true or false",
}
#: The object that the page describes part by part.
_RESULTS: Final = "training_results"


def page() -> str:
    """Return the page."""
    rows = (
        (link(code(one.name), f"#{one.name}"), prose(one.description.partition("\n\n")[0]))
        for one in CATALOG
    )
    return page_of(
        "Tables and results",
        "Look up every column that a training stores, and every field of its results. The schemas "
        "that check the stored objects write this page at each build.",
        "Parquet files are read by pandas, DuckDB and Polars as they are. A date is a calendar "
        "day. A score that is undefined is NaN, in JSON null. Names are stored as categories "
        "(Arrow dictionaries).",
        table(("asset", "what it holds"), rows),
        *(_asset(one) for one in CATALOG),
        *_results(),
    )


def _asset(info: AssetInfo) -> str:
    first, _, more = info.description.partition("\n\n")
    return joined(
        heading(2, code(info.name), info.name),
        prose(first),
        *(_kept_bold(part) for part in more.split("\n\n")),
        bullets(_facts(info)),
        ""
        if info.schema is None
        else table(("column", "type and unit", "meaning"), _columns(info)),
    ).strip()


def _kept_bold(text: str) -> str:
    """Return a paragraph of the UI, which is Markdown already."""
    return " ".join(text.split())


def _facts(info: AssetInfo) -> Iterator[str]:
    key, days = ("2020-01-24", 30) if info.by_batch else (None, None)
    path = object_path(info.name, key, days, suffix=info.suffix)
    per = "batch" if info.by_batch else "training"
    yield f"Stored as: {code(path)} in the store, one object per {per}"
    if info.sort_keys:
        yield f"Sorted by: {codes(info.sort_keys)}"
    if info.upstream:
        named = (link(code(name), f"#{name}") for name in info.upstream)
        yield f"Computed from: {', '.join(named)}"


def _columns(info: AssetInfo) -> Iterator[tuple[str, str, str]]:
    for field in info.schema or ():
        yield (
            code(field.name),
            ", ".join(filter(None, (type_text(field.type), unit_of(info.name, *_typed(field))))),
            prose((field.metadata or {})[b"description"].decode()),
        )


def _typed(field: pa.Field) -> tuple[str, pa.DataType]:
    return field.name, field.type


def type_text(kind: pa.DataType) -> str:
    """Return a type of Arrow in words.

    Example:
        >>> type_text(pa.float64()), type_text(pa.dictionary(pa.int32(), pa.string()))
        ('number', 'category')
    """
    if pa.types.is_dictionary(kind):
        return "category"
    if isinstance(kind, pa.ListType):
        return f"list of {type_text(kind.value_type)}s"
    return _TYPES[str(kind)]


def _results() -> Iterator[str]:
    schema = json_schema()
    yield heading(2, "Fields of `training_results`", "fields")
    yield prose(schema["description"])
    yield (
        "The schema is the file `training_results.schema.json` of the package. In Python "
        "`results.data` is the object as plain values, `results.document` has a type for each "
        "field."
    )
    yield table(("field", "type", "meaning"), _fields(schema))
    for name, part in schema["$defs"].items():
        yield joined(
            heading(3, code(name), _anchor(name)),
            prose(part.get("description", "")),
            table(("field", "type", "meaning"), _fields(part)),
        ).strip()


def _anchor(part: str) -> str:
    return f"part-{part}"


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, field in schema["properties"].items():
        yield code(name), json_type(field), prose(sentence(meaning(field)))


def meaning(field: Mapping[str, Any]) -> str:
    """Return the description of a field, or that of the part that it holds."""
    own = field.get("description", "")
    name = field.get("$ref", "").rpartition("/")[2]
    return own or (json_schema()["$defs"][name]["description"] if name else "")


def json_type(field: Mapping[str, Any]) -> str:
    """Return the type of a field in words, with links to the parts.

    Example:
        >>> json_type({"type": "array", "items": {"type": "string"}})
        'list of text'
    """
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return link(code(name), f"#{_anchor(name)}")
    if "const" in field:
        return code(field["const"])
    if "enum" in field:
        return codes(field["enum"])
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(json_type(part) for part in field["anyOf"]))
    if field.get("type") == "array":
        return f"list of {json_type(field['items'])}"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"by name: {json_type(inner)}" if isinstance(inner, dict) else "values by name"
    if field.get("format") == "date":
        return "date"
    words = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    kind = str(field.get("type", "any"))
    return words.get(kind, kind)
