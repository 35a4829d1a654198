"""`scores_by_period`: the stored sums of batches, grouped by years, recessions, crises and others.

Nothing is computed again: a batch belongs to a period if the middle day of its window does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.catalog import SCORES_BY_PERIOD
from pulse_assets.evaluation.volatility import VolatilityState
from pulse_assets.evaluation_records import Kind, PeriodResult
from pulse_assets.history.periods import Period, middle_days, recessions
from pulse_assets.retrodiction.rules import ENSEMBLE, ENSEMBLES, INDICATORS, REFERENCE
from pulse_assets.retrodiction.scores import METRICS, log_ratios
from pulse_assets.stages.pooling import COMPLETE, batch_slices

#: The sums of a group: pairs, compared pairs, absolute errors of rule and naive over these; scaled
#: errors, covered outcomes and weights, each with the number of its pairs.
_SUMS: Final = (
    *("n", "compared", "error", "naive", "mase", "mase_n"),
    *("coverage", "coverage_n", "weight", "weight_n"),
)


class _Key(NamedTuple):
    """What a period is: its kind, its name, and its first and last day, where it has some."""

    kind: str
    name: str
    start: date | None = None
    end: date | None = None


class PeriodSums:
    """Adds up rows by period as `add_up` reads them."""

    def __init__(self, planned: Sequence[str], periods: Sequence[Period] = ()) -> None:
        """Start with no batch.

        Args:
            planned: keys of the whole grid of batches.
            periods: those of the user.
        """
        self._planned = planned
        self._periods = [_Key("file", p.name, p.start, p.end) for p in periods]
        self._holds: list[Callable[[date], bool]] = [p.holds for p in periods]
        self._sums: dict[_Key, Floats] = {}
        self._states: dict[str, VolatilityState] = {}

    def add(self, rows: pa.Table, places: Ints) -> None:
        """Read rows, see `Observer`."""
        values = _values(rows)
        slices = dict(batch_slices(rows))
        middles = middle_days(slices, self._planned)
        variable = _encoded(rows["variable"])
        codes = variable.indices.to_numpy()
        names: list[str] = variable.dictionary.to_pylist()
        losses = _losses_of_naive(rows, values)
        naive = np.flatnonzero(~np.isnan(losses))
        for batch, part in slices.items():
            for key in self._keys(middles[batch]):
                self._add(key, places[part], values[:, part])
            own = naive[slice(*naive.searchsorted([part.start, part.stop]))]
            in_crisis = self._next_states(codes[own], losses[own], names)
            for state in (0, 1):
                own = in_crisis[codes[part]] == state
                if own.any():
                    self._add(_STATES[state], places[part][own], values[:, part][:, own])

    def _keys(self, day: date) -> Iterator[_Key]:
        """Yield the periods of a day."""
        yield _Key("year", str(day.year), date(day.year, 1, 1), date(day.year, 12, 31))
        within = [r for r in _RECESSIONS if r.start <= day <= r.end]
        for recession in within:
            yield _Key("recession", recession.name, recession.start, recession.end)
        yield _RECESSION_TIMES if within else _Key("cycle", "expansions")
        for key, holds in zip(self._periods, self._holds, strict=True):
            if holds(day):
                yield key

    def _next_states(self, codes: Ints, losses: Floats, names: Sequence[str]) -> Ints:
        """Return whether each variable is in a crisis: 1, 0, or -1 while that is unknown.

        Args:
            codes: variables that have a loss of naive in the batch.
            losses: these losses.
            names: of the variables.
        """
        states = np.full(len(names), -1)
        for code, loss in zip(codes.tolist(), losses.tolist(), strict=True):
            series = self._states.setdefault(str(names[code]), VolatilityState())
            state = series.next_state()
            states[code] = -1 if state is None else state == "crisis"
            series.add(loss)
        return states

    def _add(self, key: _Key, places: Ints, values: Floats) -> None:
        sums, size = self._sums.get(key), int(places.max(initial=-1)) + 1
        if sums is None or sums.shape[1] < size:
            larger = np.zeros((len(_SUMS), size))
            if sums is not None:
                larger[:, : sums.shape[1]] = sums
            self._sums[key] = sums = larger
        with np.errstate(over="ignore"):
            sums[:, places] += values

    def table(self, groups: pd.DataFrame, general: pd.Series) -> pa.Table:
        """Return the scores as a table of schema `SCORES_BY_PERIOD`.

        Args:
            groups: the frame that `add_up` returned.
            general: name of the rule of each group, one for all rules on leading indicators.
        """
        keys = sorted(self._sums, key=lambda k: (k.kind, k.name))
        if _RECESSION_TIMES not in keys:  # a short recession may hold no middle day
            keys = [key for key in keys if key.kind != _RECESSION_TIMES.kind]
        parts = []
        for grouping in (_Grouping.by_variable(groups), _Grouping.over_all(groups, general)):
            scores = []
            for at, key in enumerate(keys):
                sums = np.zeros((len(_SUMS), len(groups)))
                sums[:, : self._sums[key].shape[1]] = self._sums[key]
                scores.append(grouping.scores(sums, at))
            parts.append(grouping.table(keys, scores))
        return pa.concat_tables(parts).unify_dictionaries()


_RECESSIONS: Final = recessions()
_RECESSION_TIMES: Final = _Key("cycle", "recessions")
_STATES: Final = (_Key("volatility", "calm"), _Key("volatility", "crisis"))


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    return cast("pa.DictionaryArray", column.unify_dictionaries().combine_chunks())


def _values(rows: pa.Table) -> Floats:
    """Return what each row adds to `_SUMS`, [S, R]."""
    n, compared, error, naive = (
        rows[name].to_numpy().astype(np.float64)
        for name in ("n", "compared", "abs_error", "naive_abs_error")
    )
    finite = np.isfinite(error) & np.isfinite(naive) & (compared > 0)
    values = [n, *(np.where(finite, each, 0.0) for each in (compared, error, naive))]
    for name in ("mase", "coverage"):
        metric = METRICS[name]
        total = metric.to_total(rows[metric.column].to_numpy(), n, error)
        defined = np.isfinite(total)
        values += [np.where(defined, total, 0.0), np.where(defined, n, 0.0)]
    weight, pairs = rows["weight"].to_numpy(), n + rows["missing"].to_numpy()
    weighed = np.isfinite(weight)
    values += [np.where(weighed, pairs * weight, 0.0), np.where(weighed, pairs, 0.0)]
    return np.array(values)


def _losses_of_naive(rows: pa.Table, values: Floats) -> Floats:
    """Return naive's mean scaled error in the rows of its shortest horizon, [R]; NaN in others."""
    horizon = rows["horizon"].to_numpy()
    model = _encoded(rows["model"])
    at = model.dictionary.to_pylist().index(REFERENCE) if _has_naive(model) else -1
    own = (model.indices.to_numpy() == at) & (horizon == horizon.min(initial=1 << 30))
    total, n = values[_SUMS.index("mase")], values[_SUMS.index("mase_n")]
    with np.errstate(invalid="ignore"):
        return np.where(own, total / n, np.nan)


def _has_naive(model: pa.DictionaryArray) -> bool:
    return REFERENCE in model.dictionary.to_pylist()


@dataclass(frozen=True)
class _Grouping:
    """How groups are joined to the rows of the table.

    Attributes:
        cell: index of the compared cell of each group, [G].
        row: index of the row of each cell, [C].
        naive: index of naive's cell at the variable and horizon of each cell, [C]; -1: none.
        unit: number of the variable of each cell, [C]; 0 over all.
        variable: name of the variable of each row, [R]; None: over all.
        model: name of the rule of each row, [R].
    """

    cell: Ints
    row: Ints
    naive: Ints
    unit: Ints
    variable: pd.Categorical | None
    model: pd.Categorical

    @classmethod
    def by_variable(cls, groups: pd.DataFrame) -> "_Grouping":
        """Return a row per variable and rule; each group is a cell of its own."""
        variable, model = groups["variable"].cat, groups["model"].cat
        pairs = np.stack([variable.codes.to_numpy(), model.codes.to_numpy()])
        rows, row = np.unique(pairs, axis=1, return_inverse=True)
        return cls(
            np.arange(len(groups)),
            row.ravel(),
            _cells_of_naive(variable.codes, groups["horizon"], groups["model"] == REFERENCE),
            variable.codes.to_numpy().astype(np.int64),
            pd.Categorical.from_codes(rows[0], variable.categories),
            pd.Categorical.from_codes(rows[1], model.categories),
        )

    @classmethod
    def over_all(cls, groups: pd.DataFrame, general: pd.Series) -> "_Grouping":
        """Return a row per rule; a cell joins all rules on leading indicators of a variable."""
        keys = [groups["variable"].cat.codes, general.cat.codes, groups["horizon"]]
        cells, cell = np.unique(np.stack(keys), axis=1, return_inverse=True)
        rows, row = np.unique(cells[1], return_inverse=True)
        models = pd.Categorical.from_codes(rows, general.cat.categories)
        naive = _cells_of_naive(cells[0], cells[2], models[row] == REFERENCE)
        return cls(cell.ravel(), row, naive, np.zeros(len(row), np.int64), None, models)

    def scores(self, sums: Floats, period: int) -> pd.DataFrame:
        """Return the scores of the rows that have a pair in a period, given its number."""
        cells = np.array([np.bincount(self.cell, each, len(self.row)) for each in sums])
        named = dict(zip(_SUMS, cells, strict=True))
        ratios = log_ratios(named["error"], named["naive"])
        valid = ~np.isnan(ratios) & (named["compared"] > 0)
        added = (valid, np.where(valid, ratios, 0.0), *(named[name] for name in _SUMS))
        count, logs, *totals = (
            np.bincount(self.row, each.astype(np.float64), len(self.model)) for each in added
        )
        total = dict(zip(_SUMS, totals, strict=True))
        with np.errstate(all="ignore"):
            scores = {
                "skill": 1.0 - np.exp(logs / count),
                "mase": total["mase"] / total["mase_n"],
                "coverage": total["coverage"] / total["coverage_n"],
                "weight": total["weight"] / total["weight_n"],
            }
        some = np.flatnonzero(total["n"] > 0)
        numbers = {name: _finite(values[some]) for name, values in scores.items()}
        n = total["n"][some].astype(np.int64)
        complete = self._complete(named["n"])[some]
        return pd.DataFrame(
            {"period": period, "row": some, "n": n, **numbers, "complete": complete}
        )

    def _complete(self, n: Floats) -> Bools:
        """Return whether each row has nearly all of naive's pairs in each of its cells, [R].

        Args:
            n: pairs of each cell.
        """
        pairs = np.where(self.naive >= 0, n[self.naive], 0.0)
        needed = np.bincount(self.unit, (self.naive == np.arange(len(n))) & (n > 0))
        enough = np.bincount(self.row, (pairs > 0) & (n >= COMPLETE * pairs), len(self.model))
        unit = np.zeros(len(self.model), np.int64)
        unit[self.row] = self.unit
        return (enough > 0) & (enough >= needed[unit])

    def table(self, keys: Sequence[_Key], scores: Sequence[pd.DataFrame]) -> pa.Table:
        """Return the rows of all periods, as `scores` returned them."""
        if not scores:
            return SCORES_BY_PERIOD.empty_table()
        rows = pd.concat(scores)
        at, own = rows["period"].to_numpy(), rows["row"].to_numpy()
        columns: dict[str, Any] = {
            "kind": pa.array([key.kind for key in keys]).take(at).dictionary_encode(),
            "period": pa.array([key.name for key in keys]).take(at).dictionary_encode(),
            "start": pa.array([key.start for key in keys], pa.date32()).take(at),
            "end": pa.array([key.end for key in keys], pa.date32()).take(at),
            "variable": pa.nulls(len(rows), SCORES_BY_PERIOD.field("variable").type),
            "model": pa.array(self.model[own]),
        }
        if self.variable is not None:
            columns["variable"] = pa.array(self.variable[own])
        for name in ("n", "skill", "mase", "coverage", "weight", "complete"):
            columns[name] = pa.array(rows[name].to_numpy())  # where NaN stays NaN
        arrays = [columns[field.name].cast(field.type) for field in SCORES_BY_PERIOD]
        return pa.table(arrays, schema=SCORES_BY_PERIOD)


def _cells_of_naive(variable: Any, horizon: Any, is_naive: Any) -> Ints:  # noqa: ANN401
    """Return for each cell the index of that of naive at its variable and horizon; -1: none.

    Args:
        variable: number of the variable of each cell.
        horizon: of each cell.
        is_naive: whether the cell is of naive.
    """
    frame = pd.DataFrame({"variable": np.asarray(variable), "horizon": np.asarray(horizon)})
    index = np.where(np.asarray(is_naive), np.arange(len(frame)), -1)
    groups = pd.Series(index).groupby([frame["variable"], frame["horizon"]])
    return groups.transform("max").to_numpy(np.int64)


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def summarise_periods(table: pa.Table, periods: Sequence[Period] = ()) -> list[PeriodResult]:
    """Return `ensemble` and the best rule of each period over all variables.

    Args:
        table: of schema `SCORES_BY_PERIOD`.
        periods: those of the user, which are listed without a score, too.
    """
    overall = table.filter(table["variable"].is_null()).to_pylist()
    by_period: dict[tuple[str, str], list[Mapping[str, Any]]] = {
        ("file", period.name): [] for period in periods
    }
    days = {("file", period.name): (period.start, period.end) for period in periods}
    for row in overall:
        key = row["kind"], row["period"]
        by_period.setdefault(key, []).append(row)
        days[key] = row["start"], row["end"]
    return [_period_result(*key, *days[key], by_period[key]) for key in sorted(by_period)]


def _period_result(
    kind: str, name: str, start: date | None, end: date | None, rows: list[Mapping[str, Any]]
) -> PeriodResult:
    by_model = {row["model"]: row for row in rows}
    ours = by_model.get(ENSEMBLE, {"n": 0, "skill": np.nan, "coverage": np.nan})
    best = best_rule(rows) or {"model": None, "skill": np.nan}
    return PeriodResult(
        kind=cast("Kind", kind),
        period=name,
        start=start.isoformat() if start else None,
        end=end.isoformat() if end else None,
        n=ours["n"],
        skill=_plain(ours["skill"]),
        coverage=_plain(ours["coverage"]),
        best_model=best["model"],
        best_skill=_plain(best["skill"]),
    )


def best_rule(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the row of the rule of highest skill among those that are complete; None without any.

    Args:
        rows: of schema `SCORES_BY_PERIOD`, of one period.
    """
    others = (*ENSEMBLES, INDICATORS)
    rules = [row for row in rows if row["complete"] and row["model"] not in others]
    rules = [row for row in rules if np.isfinite(row["skill"])]
    return max(rules, key=lambda row: row["skill"], default=None)


def _plain(number: float) -> float | None:
    return float(f"{number:.6g}") if np.isfinite(number) else None


def describe_period_skill(periods: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return lines on the skill of the ensemble by period: one on crises, and those of the user.

    Args:
        periods: the entry of `training_results`.

    Example:
        >>> base = {"best_model": None, "n": 9, "kind": "volatility"}
        >>> calm = base | {"period": "calm", "skill": 0.081}
        >>> describe_period_skill([calm, base | {"period": "crisis", "skill": -0.02}])
        ['calm +8.1 %, crisis -2.0 %']
    """
    scored = [entry for entry in periods if entry["skill"] is not None]
    states = [e for kind in ("volatility", "cycle") for e in scored if e["kind"] == kind]
    parts = ", ".join(
        f"{'US ' if e['kind'] == 'cycle' else ''}{e['period']} {100 * e['skill']:+.1f} %"
        for e in states
    )
    lines = [parts] if parts else []
    for entry in scored:
        if entry["kind"] == "file":
            best = ""
            if entry["best_model"]:
                best = f", best rule {entry['best_model']} {100 * entry['best_skill']:+.1f} %"
            lines.append(
                f"{entry['period']}: {100 * entry['skill']:+.1f} % of {entry['n']:,} pairs{best}"
            )
    empty = [e["period"] for e in periods if e["kind"] == "file" and e["skill"] is None]
    return lines + [f"{name}: no score" for name in empty]
