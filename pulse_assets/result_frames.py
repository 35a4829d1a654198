"""The frames of results: which rows and columns each method reads from the store."""

import json
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets import frames
from pulse_assets.frames import Batches, Frame, Horizons, Library, Names, StoredFrames
from pulse_assets.retrodiction.rules import ENSEMBLES, INDICATOR_PREFIX
from pulse_assets.stages.columns import stored_levels
from pulse_assets.storage.store import Store
from pulse_assets.storage.tables import fingerprint_of

#: Columns of `batch_metrics` that describe batches without scores.
_OF_BATCHES: Final = ("status", "skip_reason")
#: Columns of `training_batches` that say what is left out.
_SKIPPED: Final = (
    *("batch", "window_start", "window_end", "variable", "skip_reason"),
    *("history", "missing", "targets", "missing_targets"),
)
#: Columns of the frame of checks; `values` is JSON.
_CHECKS: Final = pa.schema(
    [
        ("name", pa.string()),
        ("asset", pa.string()),
        ("severity", pa.string()),
        ("passed", pa.bool_()),
        ("message", pa.string()),
        ("values", pa.string()),
    ]
)


class ResultFrames:
    """The methods of `TrainingResults` that return data frames.

    Attributes:
        data: the `training_results` object as plain values.
        store: where the tables are.
    """

    data: Mapping[str, Any]
    store: Store

    def retrodictions(
        self,
        *,
        variable: Names = None,
        model: Names = None,
        batch: Batches = None,
        horizon: Horizons = None,
        to: Library = "pandas",
    ) -> Frame:
        """Return forecasts with their outcomes, one row per variable, model, origin and horizon.

        The quantiles are columns such as `q0.05`, one per level.

        Args:
            variable: name of a series, or several; None: all.
            model: name of a rule, such as `ensemble`, or several; None: all.
            batch: first day of the window of a batch, or several; None: all.
            horizon: steps ahead, or several; None: all.
            to: `pandas`, `arrow` or `polars`.

        Raises:
            ConfigurationError: such a name does not occur, or the library is not installed.
            StoreError: an object cannot be read, is damaged or of another version.

        Example:
            The errors of the ensemble in one year:

            >>> import pulse_assets
            >>> results = pulse_assets.open_store("store")  # doctest: +SKIP
            >>> frame = results.retrodictions(model="ensemble")  # doctest: +SKIP
            >>> frame = frame[frame["target_date"].dt.year == 2008]  # doctest: +SKIP
            >>> (frame["predicted"] - frame["observed"]).abs().mean()  # doctest: +SKIP
        """
        where = self._rows(variable, model, horizon)
        table = self.tables.batches("retrodictions", batch=batch, where=where)
        return frames.to_frame(frames.with_levels(table, self.tables.levels), to)

    def metrics(
        self,
        *,
        variable: Names = None,
        model: Names = None,
        batch: Batches = None,
        horizon: Horizons = None,
        to: Library = "pandas",
    ) -> Frame:
        """Return what scores are pooled from, one row per batch, variable, model and horizon.

        The counts of outcomes below each quantile are columns such as `below_0.05`. Arguments and
        errors are those of `retrodictions`. Batches without scores are in `skipped` and `errors`.
        """
        scored = pc.field("model").is_valid()
        where = self._rows(variable, model, horizon)
        where = scored if where is None else scored & where
        table = self.tables.batches("batch_metrics", batch=batch, where=where)
        table = table.drop_columns([*_OF_BATCHES])
        return frames.to_frame(frames.with_levels(table, self.tables.levels), to)

    def trust(
        self,
        *,
        variable: Names = None,
        model: Names = None,
        batch: Batches = None,
        horizon: Horizons = None,
        to: Library = "pandas",
    ) -> Frame:
        """Return the trust in each rule after each batch, with its 90 % interval.

        `horizon` is missing in the rows over all horizons; there is one row per horizon after the
        last batch. Arguments and errors are those of `retrodictions`.
        """
        keys = None if batch is None else frames.chosen_batches(batch, self.tables.keys)
        where = frames.rows_of(**self._wanted(variable, model, horizon), batch=keys)
        return frames.to_frame(self.tables.whole("trust_ledger", where), to)

    def forecasts(
        self,
        *,
        variable: Names = None,
        model: Names = None,
        horizon: Horizons = None,
        to: Library = "pandas",
    ) -> Frame:
        """Return the next forecasts, one row per variable, model and horizon.

        With quantiles, weight and trust. A variable without a forecast has one row without a model,
        whose `error` says why. Arguments and errors are those of `retrodictions`.
        """
        table = self.tables.whole("next_forecasts")
        # `pulse-train forecast` may have made them, with other horizons, rules or quantiles.
        levels = stored_levels(fingerprint_of(table)) or self.tables.levels
        there = {
            name: table[name].unique().to_pylist() for name in ("variable", "model", "horizon")
        }
        where = self._rows(variable, model, horizon, there=there)
        rows = table if where is None else table.filter(where)
        return frames.to_frame(frames.with_levels(rows, levels), to)

    def skipped(
        self, *, variable: Names = None, batch: Batches = None, to: Library = "pandas"
    ) -> Frame:
        """Return what is not predicted and why, one row per batch and variable.

        Arguments and errors are those of `retrodictions`.
        """
        where = pc.field("skip_reason").is_valid()
        own = self._rows(variable, None, None)
        where = where if own is None else where & own
        table = self.tables.batches("training_batches", batch=batch, where=where, columns=_SKIPPED)
        return frames.to_frame(table.select([*_SKIPPED]), to)

    def checks(self, *, to: Library = "pandas") -> Frame:
        """Return the outcomes of the asset checks, one row per check; `values` is JSON.

        Raises:
            ConfigurationError: the library is not installed.
        """
        rows = [{**check, "values": json.dumps(check["values"])} for check in self.data["checks"]]
        return frames.to_frame(pa.Table.from_pylist(rows, _CHECKS), to)

    @cached_property
    def tables(self) -> StoredFrames:
        """The stored tables of this training."""
        return StoredFrames(self.store, self.data["configuration"])

    def _rows(
        self,
        variable: Names,
        model: Names,
        horizon: Horizons,
        *,
        there: Mapping[str, list[Any]] = MappingProxyType({}),
    ) -> Any:  # noqa: ANN401 - an expression of Arrow
        """Return which rows are wanted; None: all. See `_wanted`."""
        return frames.rows_of(**self._wanted(variable, model, horizon, there))

    def _wanted(
        self,
        variable: Names,
        model: Names,
        horizon: Horizons,
        there: Mapping[str, list[Any]] = MappingProxyType({}),
    ) -> dict[str, list[Any] | None]:
        """Return the wanted values of each column; None: all.

        Args:
            variable: names of series.
            model: names of rules.
            horizon: steps ahead.
            there: values by column that there are besides those of the training.

        Raises:
            ConfigurationError: one does not occur.
        """
        settings = self.data["configuration"]
        wanted = {
            "variable": (variable, settings["variables"]),
            "model": (model, self._models),
            "horizon": (horizon, settings["horizons"]),
        }
        return {
            name: frames.chosen(given, [*trained, *there.get(name, ())], name)
            for name, (given, trained) in wanted.items()
        }

    @cached_property
    def _models(self) -> list[str]:
        """The names of all models, whether they have forecasts or not."""
        settings = self.data["configuration"]
        scored = (row["model"] for rows in self.data["models_by_variable"].values() for row in rows)
        given = (model["model"] for model in self.data["given_forecasts"])
        indicators = (INDICATOR_PREFIX + name for name in settings["variables"])
        names = [*ENSEMBLES, *settings["models"], *scored, *given, *indicators]
        return list(dict.fromkeys(names))
