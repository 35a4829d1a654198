"""Data frames as a source: pandas, Polars, or whatever else offers Arrow's C stream.

A frame is checked as a file is. It is then written once into the store, as a long table of Parquet
whose name is the hash of its content, and read from there, by the workers of any cluster, too.
"""

import io
import sys
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pulse_assets.array_types import Dates, Floats
from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.history.layouts import LONG_NAMES
from pulse_assets.history.observed import FileContent
from pulse_assets.history.readers import MAX_TABLE_BYTES, read_frame
from pulse_assets.history.series import Series
from pulse_assets.history.source import Source
from pulse_assets.history.source_files import SourceFile
from pulse_assets.storage.store import Store

#: What a frame is called in messages.
NAME: Final = "data"
#: Where frames are in a store.
_FOLDER: Final = "source_data"

#: Bytes of a row when unpacked: name, date, value and day of publication.
_ROW_BYTES: Final = 20

_SCHEMA: Final = pa.schema(
    [
        ("unique_id", pa.dictionary(pa.int32(), pa.string())),
        ("ds", pa.date32()),
        ("y", pa.float64()),
        ("published_at", pa.date32()),
    ]
)


def read_data(data: Any) -> FileContent:  # noqa: ANN401 - whatever offers the interface
    """Return the series of a data frame, long or wide.

    Args:
        data: a frame of pandas or Polars, an Arrow table, or another object with the method
            `__arrow_c_stream__`.

    Raises:
        ConfigurationError: it is nothing of that kind.
        HistoricalDataError: a row is not sound, or a column is missing.

    Example:
        >>> table = pa.table({"unique_id": ["gdp", "cpi"], "ds": ["2020-01-01"] * 2, "y": [1, 2]})
        >>> sorted(read_data(table).series)
        ['cpi', 'gdp']
    """
    kind = type(data).__name__
    if not hasattr(data, "__arrow_c_stream__") or kind == "Series":
        raise ConfigurationError(
            f"data: {kind} is no data frame: give one of pandas or Polars, an Arrow table, or an "
            "object with __arrow_c_stream__"
        )
    try:
        table = pa.table(_from_pandas(data))
        _check_dates(table)
        return read_frame(table, NAME)
    except (pa.ArrowException, TypeError) as error:
        cause = str(error).partition("\n")[0]
        raise HistoricalDataError(f"{NAME}: not readable as a table ({cause})") from error


def _check_dates(table: pa.Table) -> None:
    """Refuse a table that is empty, or that has numbers where dates are expected."""
    if not table.num_columns or not table.num_rows:
        raise HistoricalDataError(f"{NAME}: it is empty: give rows with dates and values")
    dated = any(name in LONG_NAMES["timestamp"] for name in table.column_names)
    if not dated and pa.types.is_floating(table.schema.types[0]):
        raise HistoricalDataError(
            f"{NAME}: its first column {table.column_names[0]!r} holds numbers, not dates: make "
            "the dates the index, or the first column"
        )


def _from_pandas(data: Any) -> Any:  # noqa: ANN401 - see `read_data`
    """Return an Arrow table of a frame of pandas, with an index of dates or names as columns."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(data, pandas.DataFrame):
        return data
    index = data.index
    if isinstance(index, pandas.PeriodIndex):
        index = index.to_timestamp().rename(index.name)
        data = data.set_axis(index)
    if isinstance(index, pandas.DatetimeIndex) and index.name is None:
        data = data.rename_axis(index="timestamp")
    if any(name is not None for name in data.index.names):
        data = data.reset_index()
    names = [str(name) for name in data.columns]
    columns = [_arrow_column(data.iloc[:, i], name) for i, name in enumerate(names)]
    return pa.table(columns, names=names)


def _arrow_column(column: Any, name: str) -> pa.Array:  # noqa: ANN401 - a series of pandas
    """Return a column of pandas as Arrow has it; periods are their first days.

    Raises:
        HistoricalDataError: Arrow has no such values, or they are of several kinds.
    """
    pandas = sys.modules["pandas"]
    if isinstance(column.dtype, pandas.PeriodDtype):
        column = column.dt.to_timestamp()
    elif isinstance(column.dtype, pandas.SparseDtype):
        column = column.sparse.to_dense()
    try:
        return pa.Array.from_pandas(column)
    except (pa.ArrowException, TypeError) as error:
        cause = str(error).partition("\n")[0]
        raise HistoricalDataError(
            f"{NAME}: column {name}: its values are not all dates, numbers or texts ({cause})"
        ) from error


@dataclass(frozen=True)
class FrameSource(Source):
    """A source whose series are those of a data frame, in memory."""

    content: FileContent = field(default_factory=lambda: FileContent({}), compare=False)

    @classmethod
    def of(cls, data: Any, store: Store, max_bytes: int | None = None) -> Self:  # noqa: ANN401
        """Return the source of a frame that is to be stored in `store`; nothing is stored yet.

        Args:
            data: see `read_data`.
            store: where it will be stored.
            max_bytes: largest table that is read, unpacked; None: the default of a table.

        Raises:
            ConfigurationError: it is no frame.
            HistoricalDataError: a row is not sound, a column is missing, or it is too large.
        """
        content = read_data(data)
        size = sum(_ROW_BYTES * _count_releases(series) for series in content.series.values())
        if size > (max_bytes or MAX_TABLE_BYTES):
            raise HistoricalDataError(
                f"{NAME}: its {size} bytes are more than the {max_bytes or MAX_TABLE_BYTES} that "
                "are read: set max_source_bytes higher"
            )
        return cls(NAME, store, content=content)

    @cached_property
    def _files(self) -> list[SourceFile]:
        return [SourceFile(NAME, "", "any")]

    def _content(self, file: SourceFile) -> FileContent:
        return self.content

    @cached_property
    def _forecast_files(self) -> list[SourceFile]:
        return []

    @cached_property
    def _encoded(self) -> bytes:
        """The series as a long table of Parquet; equal series are equal bytes."""
        sink = io.BytesIO()
        pq.write_table(_long_table(list(self.content.series.values())), sink, compression="zstd")
        return sink.getvalue()

    @cached_property
    def path(self) -> str:
        """The path of the table in the store."""
        return f"{_FOLDER}/panel-{sha256(self._encoded).hexdigest()[:32]}.parquet"

    @property
    def address(self) -> str:
        """The address of the table as a source."""
        return f"{self.store.uri}/{self.path}"

    def save(self) -> None:
        """Store the table, unless it is stored already.

        Raises:
            StoreUnavailableError: it cannot be written.
        """
        if self.path not in self.store.versions(self.path):
            self.store.write(self.path, self._encoded)


def _long_table(series: list[Series]) -> pa.Table:
    """Return series below each other, sorted by name; releases of one date by publication."""
    ordered = sorted(series, key=lambda each: each.variable)
    every = [_release_columns(each) for each in ordered]
    codes = np.repeat(np.arange(len(ordered), dtype=np.int32), [len(days) for days, *_ in every])
    names = pa.DictionaryArray.from_arrays(codes, [each.variable for each in ordered])
    columns = [pa.array(np.concatenate(parts)) for parts in zip(*every, strict=True)]
    return pa.table([names, *columns], schema=_SCHEMA)


def _count_releases(series: Series) -> int:
    return len(series.values) + (len(series.revisions.rows) if series.revisions else 0)


def _release_columns(series: Series) -> tuple[Dates, Floats, Dates]:
    """Return dates, values and days of publication of all releases."""
    published = series.published_at
    if published is None:
        published = np.full(len(series.values), np.datetime64("NaT", "D"))
    later = series.revisions
    if later is None:
        return series.timestamps, series.values, published
    rows = np.append(np.arange(len(published)), later.rows)
    order = np.argsort(rows, kind="stable")
    values = np.append(series.values, later.values)[order]
    return series.timestamps[rows[order]], values, np.append(published, later.published_at)[order]
