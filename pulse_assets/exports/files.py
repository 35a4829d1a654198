"""The files of an export: the results of a training in a form of another library, or as tables."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from pulse_assets.catalog import SCHEMAS
from pulse_assets.errors import ConfigurationError
from pulse_assets.exports import hubverse
from pulse_assets.frames import Horizons, Names
from pulse_assets.result_records import ModelResult
from pulse_assets.storage.tables import stored_schema
from pulse_assets.stored_results import TrainingResults

#: What `pulse-train export --format` takes.
Format = Literal["nixtla", "hubverse", "fev", "csv", "parquet"]


@dataclass(frozen=True)
class ExportedFile:
    """A file of an export.

    Attributes:
        path: below the folder of the export.
        data: its bytes.
        rows: number of rows; None: it is no table.
    """

    path: str
    data: bytes
    rows: int | None = None


@dataclass(frozen=True)
class Selection:
    """The rows of an export; None: all."""

    variable: Names = None
    model: Names = None
    horizon: Horizons = None

    def retrodictions(self, results: TrainingResults) -> pd.DataFrame:
        """Return the retrodictions, of which there must be some.

        Raises:
            ConfigurationError: there are none.
        """
        return self.checked(results, results.retrodictions(**vars(self)))

    def checked(self, results: TrainingResults, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame, which must have rows.

        Raises:
            ConfigurationError: it has none.
        """
        if frame.empty:
            raise ConfigurationError(
                f"{results.store.uri} has no such retrodictions to export: "
                "pulse-train status says which batches are missing, and why others are skipped"
            )
        return frame


def export_files(
    results: TrainingResults, form: Format, selection: Selection
) -> Iterator[ExportedFile]:
    """Yield the files of an export.

    Args:
        results: of a training.
        form: the form.
        selection: which rows.

    Raises:
        ConfigurationError: there is nothing to export, or a name cannot be written.
        StoreError: the store cannot be read.
    """
    return _FORMS[form](results, selection)


def _nixtla(results: TrainingResults, selection: Selection) -> Iterator[ExportedFile]:
    frame = selection.checked(results, results.to_nixtla(**vars(selection)))
    yield _parquet("cross_validation", pa.Table.from_pandas(frame, preserve_index=False))


def _hubverse(results: TrainingResults, selection: Selection) -> Iterator[ExportedFile]:
    rows, levels = selection.retrodictions(results), results.tables.levels
    frequencies = results.data["configuration"]["frequencies"]
    models = hubverse.model_ids(sorted(rows["model"].unique()))
    schema = {"type": "object", "properties": {"team_abbr": {}, "model_abbr": {}}}
    yield _json("hub-config/admin", hubverse.admin())
    yield _json("hub-config/tasks", hubverse.tasks(rows, levels, frequencies))
    yield _json("hub-config/model-metadata-schema", schema)
    for model, name in models.items():
        outputs = hubverse.hubverse_frame(rows[rows["model"] == model], levels)
        table = _plain(outputs.drop(columns="model_id"))
        yield _parquet(f"model-output/{name}/{hubverse.ROUND}-{name}", table)
        team, _, abbreviation = name.partition("-")
        yield _json(
            f"model-metadata/{name}", {"team_abbr": team, "model_abbr": abbreviation}, "yml"
        )
    yield _parquet("target-data/time-series", _plain(hubverse.time_series(rows)))
    yield _parquet("target-data/oracle-output", _plain(hubverse.oracle_output(rows)))


def _fev(results: TrainingResults, selection: Selection) -> Iterator[ExportedFile]:
    summaries = selection.checked(results, results.to_fev(**vars(selection)))
    text = summaries.to_csv(index=False)
    yield ExportedFile("summaries.csv", text.encode(), len(summaries))


def _tables(results: TrainingResults, selection: Selection) -> Iterator[tuple[str, pa.Table]]:
    """Yield each frame of the results by its name."""
    wanted: dict[str, Any] = {**vars(selection), "to": "arrow"}
    rows = results.retrodictions(**wanted)
    if not rows.num_rows:
        selection.checked(results, pd.DataFrame())
    yield "retrodictions", rows
    yield "metrics", results.metrics(**wanted)
    yield "trust", results.trust(**wanted)
    yield "forecasts", results.forecasts(**wanted)
    yield "skipped", results.skipped(variable=selection.variable, to="arrow")
    yield "checks", results.checks(to="arrow")
    yield "leaderboard", _leaderboard(results, selection)
    for name in ("skill_by_horizon", "significance", "scores_by_period"):
        frame = _chosen(getattr(results, name), selection)
        yield name, pa.Table.from_pandas(frame, SCHEMAS[name], preserve_index=False)


def _chosen(scores: pd.DataFrame, selection: Selection) -> pd.DataFrame:
    """Return the chosen rows of a table of scores; those over all horizons always."""
    for name, wanted in vars(selection).items():
        if wanted is not None and name in scores:
            matches = scores[name].isin([*wanted])
            scores = scores[matches | scores[name].isna() if name == "horizon" else matches]
    return scores


def _leaderboard(results: TrainingResults, selection: Selection) -> pa.Table:
    """Return the leaderboards as one table; without a variable: that over all of them.

    Scores are over all horizons, whichever are selected.
    """
    boards = {None: results.data["models"], **results.data["models_by_variable"]}
    if selection.variable is not None:
        boards = {name: boards[name] for name in selection.variable if name in boards}
    rows = [{"variable": name, **row} for name, board in boards.items() for row in board]
    if selection.model is not None:
        rows = [row for row in rows if row["model"] in selection.model]
    columns = ["variable", *(field.name for field in fields(ModelResult))]
    return pa.table({name: [row[name] for row in rows] for name in columns})


def _csv(results: TrainingResults, selection: Selection) -> Iterator[ExportedFile]:
    for name, table in _tables(results, selection):
        sink = io.BytesIO()
        pyarrow.csv.write_csv(_without_nan(_as_text(table)), sink)
        yield ExportedFile(f"{name}.csv", sink.getvalue(), table.num_rows)


def _tables_as_parquet(results: TrainingResults, selection: Selection) -> Iterator[ExportedFile]:
    for name, table in _tables(results, selection):
        yield _parquet(name, table.cast(stored_schema(table.schema)))


def _plain(frame: pd.DataFrame) -> pa.Table:
    """Return a frame with days as `date32` and names as text."""
    return _as_text(pa.Table.from_pandas(frame, preserve_index=False))


def _as_text(table: pa.Table) -> pa.Table:
    """Return the table with days as `date32`, and texts instead of categories."""
    fields = []
    for field in table.schema:
        kind = field.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_large_string(kind):
            kind = pa.string()
        if pa.types.is_timestamp(kind):
            kind = pa.date32()
        fields.append(pa.field(field.name, kind))
    return table.replace_schema_metadata(None).cast(pa.schema(fields))


def _without_nan(table: pa.Table) -> pa.Table:
    """Return the table with nulls instead of NaN, which CSV writes as empty cells."""
    for place, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            column = table[field.name]
            empty = pa.scalar(None, field.type)
            cells = pc.call_function(
                "if_else", [pc.call_function("is_nan", [column]), empty, column]
            )
            table = table.set_column(place, field, cells)
    return table


def _parquet(path: str, table: pa.Table) -> ExportedFile:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return ExportedFile(f"{path}.parquet", sink.getvalue().to_pybytes(), table.num_rows)


def _json(path: str, content: object, suffix: str = "json") -> ExportedFile:
    """Return a file of JSON, which is YAML, too."""
    return ExportedFile(f"{path}.{suffix}", json.dumps(content, indent=2).encode() + b"\n")


_FORMS: Final[dict[str, Callable[[TrainingResults, Selection], Iterator[ExportedFile]]]] = {
    "nixtla": _nixtla,
    "hubverse": _hubverse,
    "fev": _fev,
    "csv": _csv,
    "parquet": _tables_as_parquet,
}
