"""Stored tables as data frames of pandas, Arrow or Polars: the wanted rows of the wanted batches.

A table is read when it is asked for. Of tables with an object per batch the objects of the wanted
batches are read, the wanted columns of them decoded, and the other rows dropped before the next
ones are read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cached_property, reduce
from numbers import Integral
from operator import and_
from typing import Any, Final, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.array_types import Floats
from pulse_assets.batches.grid import batch_keys
from pulse_assets.catalog import ASSETS, SORT_KEYS
from pulse_assets.errors import ConfigurationError, StoreError
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.objects import StoredTable
from pulse_assets.storage.store import Store
from pulse_assets.storage.tables import fingerprint_of, sorted_table, with_fingerprint

#: The library of a frame.
Library = Literal["pandas", "arrow", "polars"]
#: One name or several; None: all.
Names = str | Sequence[str] | None
#: One batch or several, by the first day of its window; None: all.
Batches = str | date | np.datetime64 | Sequence[str | date | np.datetime64] | None
#: One number of steps or several; None: all.
Horizons = int | Sequence[int] | None
#: A frame of the library that the caller names.
Frame = Any

#: Name of the column of a level, by column of lists with a number per level.
_LEVEL_COLUMNS: Final = {"quantiles": "q{:.9g}", "below": "below_{:.9g}"}


@dataclass(frozen=True)
class StoredFrames:
    """The stored tables of one training.

    Attributes:
        store: where they are.
        configuration: all settings of the training, by name.
    """

    store: Store
    configuration: Mapping[str, Any]

    @cached_property
    def settings(self) -> Settings:
        """What fixes the batch grid, with the store that is read."""
        given = {name: self.configuration[name] for name in Settings.model_fields}
        given["store"] = self.store.uri
        return Settings(**given)

    @cached_property
    def options(self) -> TrainingOptions:
        """What the training predicted, and how."""
        fields = TrainingOptions.model_fields
        return TrainingOptions(**{name: self.configuration[name] for name in fields})

    @cached_property
    def levels(self) -> tuple[float, ...]:
        """The levels of all quantiles, ascending."""
        names = ("quantiles", "interval_level")
        return TrainingOptions(**{name: self.configuration[name] for name in names}).quantile_levels

    @cached_property
    def keys(self) -> list[str]:
        """The keys of the batch grid, in order of date."""
        return batch_keys(self.settings)

    @cached_property
    def _ledger(self) -> pa.Table:
        return StoredTable(self.store, "trust_ledger").load()

    @property
    def _made_of(self) -> dict[str, str]:
        """The fingerprint of the configuration, which batches of other trainings do not have."""
        return {"configuration": fingerprint_of(self._ledger)["configuration"]}

    @cached_property
    def _scored(self) -> frozenset[str]:
        """The batches of which the results have scores."""
        return frozenset(self._ledger["batch"].unique().to_pylist())

    def batches(
        self,
        asset: str,
        *,
        batch: Batches = None,
        where: pc.Expression | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return rows of a table with an object per batch.

        Args:
            asset: name of the table.
            batch: which batches.
            where: which rows of them.
            columns: which columns; those of `where` must be among them.

        Raises:
            ConfigurationError: there is no such batch.
            StoreError: an object cannot be read, is damaged or of another schema.
        """
        parts = self.parts(asset, chosen_batches(batch, self.keys), columns)
        wanted = [part if where is None else part.filter(where) for part in parts]
        return _in_order(pa.concat_tables(wanted), asset)

    def parts(
        self, asset: str, keys: Sequence[str], columns: Sequence[str] | None = None
    ) -> Iterator[pa.Table]:
        """Yield the tables of some batches, a few at a time, in order of batch.

        Raises:
            StoreError: an object cannot be read, is damaged or of another schema, or a batch that
                these results have scored is missing, or was computed anew by another configuration.
        """
        tables = PartitionedTables(self.store, asset, self.settings.batch_length, keys)
        scored = self._scored.intersection(keys)
        return tables.parts(columns, made_of=self._made_of, required=scored)

    def whole(self, asset: str, where: pc.Expression | None = None) -> pa.Table:
        """Return rows of a table that is one object, with its fingerprint.

        Raises:
            StoreError: it is missing, damaged or of another schema.
        """
        table = StoredTable(self.store, asset).load()
        rows = _in_order(table if where is None else table.filter(where), asset)
        return with_fingerprint(rows, fingerprint_of(table))


def rows_of(**wanted: Sequence[Any] | None) -> pc.Expression | None:
    """Return which rows have one of the wanted values in each column; None: all have.

    Example:
        >>> print(rows_of(variable=["gdp"], horizon=None))
        is_in(variable, {value_set=string:[
          "gdp"
        ], null_matching_behavior=MATCH})
    """
    conditions = [
        pc.field(column).isin(pa.array(values)) if values else pc.scalar(value=False)
        for column, values in wanted.items()
        if values is not None
    ]
    return reduce(and_, conditions) if conditions else None


def chosen_batches(given: Batches, keys: Sequence[str]) -> list[str]:
    """Return the keys of the wanted batches.

    Raises:
        ConfigurationError: one is no key of the grid.

    Example:
        >>> chosen_batches(date(2020, 1, 31), ["2020-01-01", "2020-01-31"])
        ['2020-01-31']
    """
    if given is None:
        return [*keys]
    is_one = isinstance(given, str | date | np.datetime64)
    wanted = [as_text(day) for day in ([given] if is_one else as_list(given, "batch"))]
    for day in wanted:
        if day not in keys and (earlier := [key for key in keys if key < day]):
            raise ConfigurationError(
                f"batch {day!r} is not in these results: did you mean {earlier[-1]}, the last one "
                "that begins before?"
            )
    check_names(wanted, keys, "batch")
    return wanted


def check_names(wanted: Iterable[Any], available: Sequence[Any], kind: str) -> None:
    """Refuse a name that does not occur.

    Raises:
        ConfigurationError: one does not; the message has a similar one, or says what there is.

    Example:
        >>> check_names(["gpd"], ["cpi", "gdp"], "variable")
        Traceback (most recent call last):
        pulse_assets.errors.ConfigurationError: variable 'gpd' is not in these results: did you ...
    """
    there = {*available}
    for name in wanted:
        if name not in there:
            texts = [*map(str, available)]
            near = get_close_matches(str(name), texts, n=1) if isinstance(name, str) else []
            fix = f"did you mean {near[0]}?" if near else f"there are {_some(texts)}"
            raise ConfigurationError(f"{kind} {name!r} is not in these results: {fix}")


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many there are besides."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown or "none"


def chosen(given: Names | Horizons, available: Sequence[Any], kind: str) -> list[Any] | None:
    """Return one value or several as a list; None: all.

    Args:
        given: what the caller wants.
        available: what there is.
        kind: what it is, for the message.

    Raises:
        ConfigurationError: one does not occur.

    Example:
        >>> chosen("gdp", ["cpi", "gdp"], "variable"), chosen([1, 3], [1, 2, 3], "horizon")
        (['gdp'], [1, 3])
    """
    if given is None:
        return None
    several = [given] if isinstance(given, str | Integral) else as_list(given, kind)
    check_names(several, available, kind)
    return [int(value) if isinstance(value, Integral) else value for value in several]


def as_text(day: object) -> str:
    """Return a date of any library as text; anything else as it is written.

    Example:
        >>> as_text(np.datetime64("2020-01-31")), as_text(date(2020, 1, 31)), as_text("2020-01-31")
        ('2020-01-31', '2020-01-31', '2020-01-31')
    """
    if isinstance(day, np.datetime64):
        return str(day.astype("datetime64[D]"))
    return day.isoformat()[:10] if isinstance(day, date) else str(day)


def as_list(given: Any, kind: str) -> list[Any]:  # noqa: ANN401 - whatever a caller may give
    """Return several values as a list.

    Raises:
        ConfigurationError: it is one value, of a kind that is none of ours.

    Example:
        >>> as_list(2004, "batch")
        Traceback (most recent call last):
        pulse_assets.errors.ConfigurationError: batch 2004: is neither a batch nor a list of them
    """
    try:
        return [*given]
    except TypeError:
        raise ConfigurationError(
            f"{kind} {given!r}: is neither a {kind} nor a list of them"
        ) from None


def _in_order(table: pa.Table, asset: str) -> pa.Table:
    """Return the rows in the order of their keys; categories are the names that occur."""
    keys = [*SORT_KEYS[asset], *(["batch"] if ASSETS[asset].by_batch else [])]
    present = [key for key in dict.fromkeys(keys) if key in table.column_names]
    return sorted_table(table, present)


def with_levels(table: pa.Table, levels: Sequence[float]) -> pa.Table:
    """Return the table with a column per level instead of lists.

    Args:
        table: perhaps with the columns `quantiles` or `below`.
        levels: of the numbers in the lists.

    Raises:
        StoreError: the lists have another length.

    Example:
        >>> table = pa.table({"n": [1], "quantiles": [[0.5, 1.5]]})
        >>> with_levels(table, (0.1, 0.9)).to_pylist()
        [{'n': 1, 'q0.1': 0.5, 'q0.9': 1.5}]
    """
    columns = {}
    for name in table.column_names:
        if name in _LEVEL_COLUMNS:
            names = [_LEVEL_COLUMNS[name].format(level) for level in levels]
            columns |= dict(zip(names, _numbers(table[name], len(levels)).T, strict=True))
        else:
            columns[name] = table[name]
    return pa.table(columns)


def _numbers(lists: pa.ChunkedArray, length: int) -> Floats:
    """Return lists of one length as [N, L]; NaN where there is none."""
    whole = cast("pa.ListArray", lists.combine_chunks())
    present = whole.is_valid().to_numpy(zero_copy_only=False)
    numbers = np.full((len(whole), length), np.nan)
    values = whole.drop_null().flatten().to_numpy()
    if len(values) != present.sum() * length:
        raise StoreError(
            f"there are not {length} quantiles in each row, as these results say: "
            "run pulse-train --resume"
        )
    numbers[present] = values.reshape(-1, length)
    return numbers


def to_frame(table: pa.Table, library: Library) -> Frame:
    """Return a table as a frame of a library, in which text is categories and days are dates.

    Args:
        table: with days as `date32`.
        library: `pandas`: dates are `datetime64`, whole numbers with gaps `Int32`. `arrow`: the
            table. `polars`: dates are `Date`.

    Raises:
        ConfigurationError: the library is unknown or not installed.
    """
    table = table.replace_schema_metadata(None)
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            table = table.set_column(place, field.name, table[field.name].dictionary_encode())
    if library == "arrow":
        return table
    if library == "pandas":
        return _to_pandas(table)
    if library == "polars":
        return _to_polars(table)
    raise ConfigurationError(f"to={library!r}: choose pandas, arrow or polars")


def _to_pandas(table: pa.Table) -> Frame:
    frame = table.to_pandas(date_as_object=False)
    gaps = {
        field.name: "Int32"
        for field in table.schema
        if pa.types.is_integer(field.type) and table[field.name].null_count
    }
    return frame.astype(gaps) if gaps else frame


def _to_polars(table: pa.Table) -> Frame:
    try:
        import polars
    except ImportError as error:
        raise ConfigurationError("to='polars' needs Polars: pip install polars") from error
    return polars.from_arrow(table)
