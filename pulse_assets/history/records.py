"""The records of a source file as its format gives them, and what is wrong with their columns."""

import reprlib
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

REQUIRED: Final = ("timestamp", "value")
COLUMNS: Final = (*REQUIRED, "published_at")
#: Names of the day of publication: ours, and those of ALFRED, the Bank of England, OpenSTEF and
#: hubverse.
PUBLISHED_NAMES: Final = (
    *("published_at", "realtime_start", "vintage_date", "available_at", "as_of"),
)
#: What ALFRED calls the columns of its tables, besides `value`.
_ALFRED: Final = ("date", "realtime_start")
#: All names that a column of `COLUMNS` may have.
ACCEPTED: Final = (*REQUIRED, _ALFRED[0], *PUBLISHED_NAMES)
#: Other names that days of publication have, which are refused.
_LIKE_PUBLISHED: Final = (
    *PUBLISHED_NAMES,
    *("published", "publication_date", "release_date", "released_at", "published_on"),
)
#: Names that other programs give to the required columns.
_OTHER_NAMES: Final = {
    "timestamp": ("date", "datetime", "time", "ds", "day", "month", "period", "observation_date"),
    "value": ("y", "values", "val", "close", "price", "obs_value", "observation"),
}


class DefectError(Exception):
    """What is wrong, where in the file, and how to fix it; the file's name is added outside."""


@dataclass(frozen=True)
class Records:
    """The records of a file: names of the columns, and its rows as they are read.

    A row is its number in the file, counted in `unit`s, and a cell for each name.
    """

    names: Sequence[str]
    unit: str
    rows: Iterable[tuple[int, Sequence[Any]]]


def decoded(data: bytes) -> str:
    """Decode UTF-8, with or without the mark that Excel puts first."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DefectError(f"byte {error.start + 1} is not UTF-8: save it as UTF-8 text") from error
    before, nul, _ = text.partition("\0")
    if nul:
        line = before.count("\n") + 1
        raise DefectError(f"line {line}: there is a NUL character: save it as plain UTF-8 text")
    return text


def find_columns(names: Sequence[str], place: str = "it") -> dict[str, str]:
    """Return the name that each of `COLUMNS` has.

    Args:
        names: names of all columns.
        place: what has them, for messages.

    Raises:
        DefectError: a required one is missing, misnamed or there twice, or there are two days of
            publication; the message names the columns and how to fix them.

    Example:
        >>> find_columns(["date", "realtime_start", "value", "realtime_end"])
        {'timestamp': 'date', 'value': 'value', 'published_at': 'realtime_start'}
    """
    columns = {name: name for name in REQUIRED if name in names}
    if "timestamp" not in columns and all(name in names for name in _ALFRED):
        columns = {"timestamp": _ALFRED[0], **columns}
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        present = reprlib.repr(list(names)) if names else "nothing"
        raise DefectError(
            f"{place} has no column {' and '.join(missing)} (found: {present}): "
            f"{_column_fix(names, missing)}"
        )
    published = [name for name in PUBLISHED_NAMES if name in names]
    twice = [name for name in (*columns.values(), *published) if list(names).count(name) > 1]
    if twice:
        raise DefectError(f"{place} has two columns {twice[0]}: keep one")
    if len(published) > 1:
        both = " and ".join(published[:2])
        raise DefectError(f"{place} has two columns for one thing, {both}: keep one")
    check_optional(names)
    return columns | ({"published_at": published[0]} if published else {})


def check_optional(names: Collection[str]) -> None:
    """Refuse a misnamed `published_at`: its dates would be ignored without a word."""
    like = [name for name in names if plain_column(name) in _LIKE_PUBLISHED]
    if like and not any(name in names for name in PUBLISHED_NAMES):
        raise DefectError(f"its column {like[0]!r} is not read: rename it to published_at")


def _column_fix(names: Sequence[str], missing: Sequence[str]) -> str:
    """Say how to fix missing columns."""
    if any(map(_is_date, names)):
        return "put a line timestamp,value above the first one"
    meant = {name: _meant(name, names) for name in missing}
    fixes = [f"rename {other!r} to {name}" for name, other in meant.items() if other]
    if len(fixes) == len(missing):
        return " and ".join(fixes)
    more = " (a table with a column per variable is named wide_*.csv)" if len(names) > 2 else ""
    return f"add or rename it{more}"


def _meant(column: str, names: Sequence[str]) -> str | None:
    """Return the column that is meant as the required `column`; None if none looks like it."""
    plain = {plain_column(name): name for name in names if name not in REQUIRED}
    return next((plain[name] for name in (column, *_OTHER_NAMES[column]) if name in plain), None)


def plain_column(name: str) -> str:
    """Return a column's name without case, blanks and quotation marks."""
    return name.strip("\ufeff \t\"'").casefold().replace(" ", "_").replace("-", "_")


def _is_date(text: str) -> bool:
    with suppress(ValueError):
        return bool(date.fromisoformat(text.strip()[:10]))
    return False
