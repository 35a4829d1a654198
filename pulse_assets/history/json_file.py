"""Records of a JSON file: a list of records, one record per line, or an object of lists.

Only the columns that are read are kept of each record, so that others cost no memory.
"""

import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pulse_assets.history.records import (
    COLUMNS,
    REQUIRED,
    DefectError,
    Records,
    check_columns,
    check_optional,
    decoded,
)

#: Bytes of memory that JSON takes once loaded, at most, beside its characters: a list, a record, an
#: object of which nothing is kept, a text, a number of one or two digits, another value.
_LIST, _RECORD, _OBJECT, _TEXT, _SMALL, _VALUE = 120, 130, 10, 60, 10, 40
#: The bytes that are taken of them per character.
_DENSITY: Final = 8
#: What every JSON may take.
_FREE: Final = 4096
#: Different names at most: each takes a hundred bytes.
_MOST_NAMES: Final = 1000
#: Shapes of objects that are no records whose names are remembered for messages.
_MOST_SHAPES: Final = 20

#: How a file that is made otherwise can be written.
_RECORDS: Final = 'write a list of records like {"timestamp": "2020-01-31", "value": 1.5}'
#: A text, and the colon after it if it is a name of an object. A text that does not end is taken
#: in whole, so that no part of it is searched again.
_STRING: Final = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"\s*(:)?|\\?\Z)', re.DOTALL)
#: Characters of a name that are compared.
_NAME_LENGTH: Final = 60
_NAME_END: Final = re.compile(r'"\s*:')
_SMALL_NUMBER: Final = re.compile(r"(?<=[\[,:\s])\d\d?(?=[\],}\s])")


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
    """Reduces each object that the parser has read to what is kept of it."""

    shapes: dict[tuple[str, ...], _Other] = field(default_factory=dict)
    columns: Counter[str] = field(default_factory=Counter)

    def __call__(self, content: Mapping[str, Any]) -> _Record | _Other:
        """Keep the cells of a record; of another object its names, once for all alike."""
        self.columns.update(name for name in COLUMNS if name in content)
        if all(name in content for name in REQUIRED):
            return _Record(tuple(content.get(name) for name in COLUMNS))
        names = tuple(content)[:_MOST_SHAPES]
        if len(self.shapes) >= _MOST_SHAPES:
            names = names if names in self.shapes else ()
        return self.shapes.setdefault(names, _Other(names))


def json_records(data: bytes, _: int) -> Records:
    """Read JSON: a list of records, one record a line, or an object of lists."""
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
        check_columns(content.names)
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
        seen = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise DefectError(
            f"its lists differ in length ({seen}): give a timestamp and a value for each record"
        )
    return Records(list(columns), "record", enumerate(zip(*columns.values(), strict=True), 1))


def _loaded(text: str, place: str) -> Any:  # noqa: ANN401 - not validated yet
    _check_memory(text, place)
    written, hook = _check_names(text, place), _Hook()
    try:
        content = json.loads(text, object_hook=hook)
    except (ValueError, RecursionError) as error:
        raise DefectError(f"{place}not JSON ({error}): write a list of records") from error
    # Of two values of a name the parser keeps the last without a word.
    twice = [name for name in COLUMNS if written[name] > hook.columns[name]]
    if twice:
        where = place or _record_with_two(text, len(content) if isinstance(content, list) else 1)
        raise DefectError(f"{where}{twice[0]} is there twice in one record: keep one")
    return content


def _record_with_two(text: str, records: int) -> str:
    """Return which record of a list has a column twice, as the beginning of a message.

    Empty where its names could take more memory than the file may.
    """
    if len(text) > _MOST_NAMES * records:
        return ""

    def has_two(pairs: Sequence[tuple[str, Any]]) -> bool:
        names = [name for name, _ in pairs if name in COLUMNS]
        return len(set(names)) < len(names)

    found = json.loads(text, object_pairs_hook=has_two)
    rows = enumerate(found if isinstance(found, list) else (), 1)
    return next((f"record {number}: " for number, two in rows if two is True), "")


def _check_memory(text: str, place: str) -> None:
    """Refuse what would take more than ten times its size once loaded; records take eight times."""
    texts = text.count('"') // 2 - sum(1 for _ in _NAME_END.finditer(text))
    small = sum(1 for _ in _SMALL_NUMBER.finditer(text))
    values = max(text.count(",") - texts - small, 0)
    lists = text.count("[")
    memory = _LIST * lists + _RECORD * text.count('"timestamp"') + _OBJECT * text.count("{")
    memory += _TEXT * texts + _SMALL * small + _VALUE * values
    if memory > _DENSITY * len(text) + _FREE:
        columns = f"keep the columns {', '.join(COLUMNS)} alone, or write CSV"
        raise DefectError(
            f"{place}its {len(text)} characters could take {memory} bytes of memory, more than "
            f"{_DENSITY} times as many: {_RECORDS if lists > _MOST_NAMES else columns}"
        )


def _check_names(text: str, place: str) -> Counter[str]:
    """Refuse more different names than there can be columns, and a misnamed `published_at`.

    Returns:
        How often each column is named.
    """
    names: set[str] = set()
    columns: Counter[str] = Counter()
    for found in _STRING.finditer(text):
        if found[2]:
            columns.update([found[1]] if found[1] in COLUMNS else [])
            names.add(found[1][:_NAME_LENGTH])
        if len(names) > _MOST_NAMES:
            raise DefectError(
                f"{place}it has more than {_MOST_NAMES} different names, such as {min(names)!r}: "
                f"{_RECORDS}"
            )
    check_optional(names)
    return columns


def _record_rows(records: Iterable[Any]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield the cells of each record; it may lack `published_at` alone."""
    for i, record in enumerate(records, 1):
        if isinstance(record, _Other):
            check_columns(record.names, f"record {i}")
        if not isinstance(record, _Record):
            raise DefectError(f"record {i}: it must be an object with timestamp and value")
        yield i, record.cells
