"""Which column of a table holds what: one series, series below each other, or side by side."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pulse_assets.history.records import (
    PUBLISHED_NAMES,
    DefectError,
    check_optional,
    find_columns,
)

#: `single`: the rows of one series. `long`: a row per series and date. `wide`: a row per date and a
#: column per series.
Kind = Literal["single", "long", "wide"]

#: Names of the columns of a long table, by what they hold.
LONG_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "variable": ("unique_id", "variable", "series_id"),
    "timestamp": ("ds", "timestamp", "date"),
    "value": ("y", "value"),
    "published_at": PUBLISHED_NAMES,
}
#: Names of the column of dates of a wide table where it is not the first column: pandas writes the
#: index of a data frame into Parquet as the last one.
_WIDE_DATES: Final = (*LONG_NAMES["timestamp"], "__index_level_0__")
#: The first column of FRED-MD and FRED-QD, whose dates are written as in the United States.
FRED_DATES: Final = "sasdate"


@dataclass(frozen=True)
class Layout:
    """The columns of a table that are read.

    Attributes:
        kind: how the table is arranged.
        names: what each column is: `variable`, `timestamp`, `value` and `published_at`, or in a
            wide table the name of the column of dates, and of each series.
        positions: number of each of these columns in the table, from 0.
        titles: names that these columns have in the table, for messages.
    """

    kind: Kind
    names: tuple[str, ...]
    positions: tuple[int, ...]
    titles: tuple[str, ...] = ()

    @classmethod
    def long(cls, names: Sequence[str], columns: Mapping[str, int]) -> "Layout":
        """Return the layout of a long table; `columns` has positions by what they hold."""
        titles = tuple(names[position] for position in columns.values())
        return cls("long", tuple(columns), tuple(columns.values()), titles)

    @property
    def us_dates(self) -> bool:
        """Whether dates like 1/31/2020 are read: in the tables that FRED publishes."""
        return self.kind == "wide" and self.names[0].casefold() == FRED_DATES


def find_layout(names: Sequence[str], kind: Kind | None = None) -> Layout:
    """Return which columns of a table are read, and as what.

    Args:
        names: names of all columns.
        kind: how the table is arranged; None: as its columns say.

    Raises:
        DefectError: a column is missing, or is there twice; the message says how to fix it.

    Example:
        >>> find_layout(["unique_id", "ds", "y", "note"]).kind
        'long'
        >>> find_layout(["date", "gdp", "cpi"]).names
        ('date', 'gdp', 'cpi')
    """
    names = [name.strip() for name in names]
    kind = kind or _kind_of(names)
    if kind == "single":
        columns = find_columns(names)
        positions = tuple(names.index(name) for name in columns.values())
        return Layout(kind, tuple(columns), positions, tuple(columns.values()))
    return _long(names) if kind == "long" else _wide(names)


def _kind_of(names: Sequence[str]) -> Kind:
    if any(name in names for name in LONG_NAMES["variable"]) and _has(names, "timestamp", "value"):
        return "long"
    single = ({"timestamp", "value"}, {"date", "realtime_start", "value"})
    return "single" if any(columns <= set(names) for columns in single) else "wide"


def _has(names: Sequence[str], *roles: str) -> bool:
    return all(any(name in names for name in LONG_NAMES[role]) for role in roles)


def columns_by_role(names: Sequence[str], choices: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the positions of the columns of a table by what they hold, as far as they are there.

    Args:
        names: of all columns.
        choices: the names that a column may have, by what it holds.

    Raises:
        DefectError: two columns hold the same.

    Example:
        >>> columns_by_role(["note", "ds"], {"timestamp": ["ds", "date"], "value": ["y"]})
        {'timestamp': 1}
    """
    columns = {}
    for role, titles in choices.items():
        places = [i for i, name in enumerate(names) if name in titles]
        if len(places) > 1:
            both = " and ".join(names[i] for i in places[:2])
            raise DefectError(f"it has two columns for one thing, {both}: keep one")
        if places:
            columns[role] = places[0]
    return columns


def _long(names: Sequence[str]) -> Layout:
    columns = columns_by_role(names, LONG_NAMES)
    missing = [role for role in LONG_NAMES if role not in columns and role != "published_at"]
    if missing:
        raise DefectError(_explain_missing(names, missing[0]))
    check_optional(names)
    return Layout.long(names, columns)


def _explain_missing(names: Sequence[str], role: str) -> str:
    shown = ", ".join(map(repr, names[:6])) + (", ..." if len(names) > 6 else "")
    choices = ", ".join(LONG_NAMES[role][:-1])
    text = f"it has no column {choices} or {LONG_NAMES[role][-1]} (found: {shown}): rename one"
    if role == "variable":
        text += ", or name the file wide_<anything> if each column is a series"
    return text


def _wide(names: Sequence[str]) -> Layout:
    if len(names) < 2:
        shown = f" (found: {names[0][:60]!r})" if names else ""
        raise DefectError(
            f"it has no column of dates and columns of values{shown}: write both, in a file with "
            "commas between them"
        )
    if _kind_of(names) == "long":
        raise DefectError(
            "it has a row per series and date, not a column per series: name the file "
            "panel_<anything>"
        )
    dated = [i for i, name in enumerate(names) if name in _WIDE_DATES]
    dates = dated[0] if len(dated) == 1 else 0
    series = [i for i in range(len(names)) if i != dates]
    _check_series(names, series)
    return Layout("wide", (names[dates], *(names[i] for i in series)), (dates, *series))


def _check_series(names: Sequence[str], series: Sequence[int]) -> None:
    """Refuse columns without a name, two of one name, and one that holds no values."""
    unnamed = [i for i in series if not names[i]]
    if unnamed:
        raise DefectError(f"column {unnamed[0] + 1} has no name: name or remove it")
    twice = [name for name, count in Counter(names[i] for i in series).items() if count > 1]
    if twice:
        more = f" (and {len(twice) - 1} more names)" if len(twice) > 1 else ""
        raise DefectError(f"it has two columns {twice[0]!r}{more}: keep or rename one")
    published = [name for name in PUBLISHED_NAMES if name in names]
    if published:
        raise DefectError(
            f"its column {published[0]} needs a row per series and date: name the file "
            "panel_<anything>, with a column unique_id"
        )
