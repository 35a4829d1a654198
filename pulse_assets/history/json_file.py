"""Records of a JSON file: a list of records, one record per line, or an object of lists.

Of each record only the columns that are read stay in memory.
"""

import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from pulse_assets.history.records import (
    ACCEPTED,
    COLUMNS,
    REQUIRED,
    DefectError,
    Records,
    check_optional,
    decoded,
    find_columns,
)

#: Largest number of different objects, other than records, whose names messages can show.
_MOST_SHAPES: Final = 20

#: A text, and the colon after it if it is a name in an object. A text without an end matches to the
#: end of the file, so that no part of it is searched again.
_STRING: Final = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"\s*(:)?|\\?\Z)', re.DOTALL)
#: Characters of a name that are compared.
_NAME_LENGTH: Final = 60


@dataclass(frozen=True, slots=True)
class _Record:
    """The cells of an object that has the required columns, one for each of `COLUMNS`."""

    cells: tuple[Any, ...]

    def __repr__(self) -> str:
        return "{...}"


@dataclass(frozen=True)
class _Other:
    """An object that lacks a required column, and the first of its names."""

    names: tuple[str, ...]

    def __repr__(self) -> str:
        return "{...}"


@dataclass
class _Hook:
    """Reduces each object that the parser has read to the cells that are used."""

    shapes: dict[tuple[str, ...], _Other] = field(default_factory=dict)
    columns: Counter[str] = field(default_factory=Counter)

    def __call__(self, content: Mapping[str, Any]) -> _Record | _Other:
        """Return the cells of a record, or the names of another object."""
        named = tuple(name for name in ACCEPTED if name in content)
        self.columns.update(named)
        if columns := _columns(named):
            return _Record(tuple(content.get(columns.get(name, "")) for name in COLUMNS))
        names = tuple(content)[:_MOST_SHAPES]
        if len(self.shapes) >= _MOST_SHAPES:
            names = names if names in self.shapes else ()
        return self.shapes.setdefault(names, _Other(names))


@cache
def _columns(named: tuple[str, ...]) -> Mapping[str, str] | None:
    """Return the name of each of `COLUMNS`, given the accepted ones that an object has.

    None if it lacks one or has two for one thing.
    """
    try:
        return find_columns(named)
    except DefectError:
        return None


def json_records(data: bytes, _: int) -> Records:
    """Read JSON: a list of records, one record per line, or an object of lists."""
    text = decoded(data).strip()
    first, newline, _rest = text.partition("\n")
    if newline and re.fullmatch(r"\{.*\}\s*", first):
        lines = enumerate(io.StringIO(text), 1)
        content = (_loaded(line, f"line {i}: ") for i, line in lines if line.strip())
        return Records(COLUMNS, "record", _record_rows(content))
    content = _loaded(text, "")
    if isinstance(content, list):
        return Records(COLUMNS, "record", _record_rows(content))
    if isinstance(content, _Other):
        find_columns(content.names)
    if not isinstance(content, _Record):
        raise DefectError("it holds neither records nor lists: write a list of records")
    return _lists(dict(zip(COLUMNS, content.cells, strict=True)))


def _lists(content: Mapping[str, Any]) -> Records:
    """Return the records of an object of lists."""
    columns = {name: cells for name, cells in content.items() if cells is not None}
    if not all(isinstance(columns.get(name), list) for name in (*REQUIRED, *columns)):
        raise DefectError(f"{', '.join(columns)} must be lists: write a list of records instead")
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise DefectError(
            f"its lists differ in length ({counts}): give a timestamp and a value for each record"
        )
    return Records(list(columns), "record", enumerate(zip(*columns.values(), strict=True), 1))


def _loaded(text: str, place: str) -> Any:  # noqa: ANN401 - not validated yet
    written, hook = _count_columns(text), _Hook()
    try:
        content = json.loads(text, object_hook=hook)
    except (ValueError, RecursionError) as error:
        raise DefectError(f"{place}not JSON ({error}): write a list of records") from error
    # Of two values with one name the parser returns the last, without a warning.
    twice = [name for name in ACCEPTED if written[name] > hook.columns[name]]
    if twice:
        raise DefectError(
            f"{place or _record_with_two(text)}{twice[0]} is there twice in one record: keep one"
        )
    return content


def _record_with_two(text: str) -> str:
    """Return which record of a list has a column twice, as the beginning of a message."""

    def has_two(pairs: Sequence[tuple[str, Any]]) -> bool:
        names = [name for name, _ in pairs if name in ACCEPTED]
        return len(set(names)) < len(names)

    records = json.loads(text, object_pairs_hook=has_two)
    rows = enumerate(records if isinstance(records, list) else (), 1)
    return next((f"record {number}: " for number, two in rows if two is True), "")


def _count_columns(text: str) -> Counter[str]:
    """Count how often each column is named in a text; refuse a misnamed `published_at`."""
    names: set[str] = set()
    columns: Counter[str] = Counter()
    for match in _STRING.finditer(text):
        if match[2]:
            columns.update([match[1]] if match[1] in ACCEPTED else [])
            names.add(match[1][:_NAME_LENGTH])
    check_optional(names)
    return columns


def _record_rows(records: Iterable[Any]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield the cells of each record; it may lack `published_at` alone."""
    for i, record in enumerate(records, 1):
        if isinstance(record, _Other):
            find_columns(record.names, f"record {i}")
        if not isinstance(record, _Record):
            raise DefectError(f"record {i}: it must be an object with timestamp and value")
        yield i, record.cells
