"""Asset checks: what must hold of the stored tables, with the values that were seen.

Those of the batches run in one step after `batch_metrics`, whichever asset they are shown on: a
step that depends on an asset which failed batches lack would be skipped. They read a sample of the
batches, spread evenly over those that are stored, so that their cost does not grow with the grid.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.assets.failures import plain_failures
from pulse_assets.assets.previews import as_cell, in_words
from pulse_assets.errors import PulseError
from pulse_assets.execution.batch_task import BATCH_TABLES
from pulse_assets.fingerprint import configuration_fingerprint
from pulse_assets.history.frequency import dates_ahead
from pulse_assets.partitions import batch_keys
from pulse_assets.preflight import resolve_options
from pulse_assets.resources import DataResource
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules
from pulse_assets.schema import SORT_KEYS
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.audit import count_duplicates, remake
from pulse_assets.stages.plan import decide_frequency
from pulse_assets.stages.results import ENSEMBLE
from pulse_assets.stages.window import Observations
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.store import open_store

#: Batches whose tables are read, and batches whose forecasts are made again.
READ_BATCHES: Final = 24
REMADE_BATCHES: Final = 4

#: Largest distance of the intervals' coverage from their level, chance apart.
COVERAGE_MARGIN: Final = 0.05
#: Steps of its own frequency that a series may end before the last day to predict.
STALE_AFTER: Final = 4
#: Largest difference of a forecast that was made again, as a share of it: rounding, and no more.
ROUNDING: Final = 1e-9

_WARN: Final = dg.AssetCheckSeverity.WARN
_STATUS: Final = ("batch", "status", "error", "model", "n", "coverage")


@dataclass(frozen=True)
class Verdict:
    """What a check found, and the values it saw."""

    passed: bool
    seen: Mapping[str, Any]


class Stored:
    """The stored batches of one configuration, read when a check first asks for them."""

    def __init__(self, settings: Settings, options: TrainingOptions) -> None:
        """Remember the grid and the configuration; nothing is read yet."""
        self.settings = settings
        self.options = options
        self._duplicates: dict[str, Mapping[str, int | PulseError]] = {}

    def tables(self, asset: str, among: Sequence[str] | None = None) -> PartitionedTables:
        """Return the partitions of an asset, all of the grid unless some are named."""
        every = batch_keys(self.settings)
        store = open_store(self.settings.store, self.settings.s3)
        return PartitionedTables(
            store, asset, self.settings.batch_length, every if among is None else among
        )

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Status, counts and coverage of all batches that this configuration made."""
        made_by = configuration_fingerprint(self.settings, self.options)
        parts = self.tables("batch_metrics").parts(_STATUS, made_of={"configuration": made_by})
        return pa.concat_tables(parts).unify_dictionaries().to_pandas()

    def duplicates(self, asset: str) -> Mapping[str, int | PulseError]:
        """Count the rows that stand twice in each batch of the sample; an error where it has none.

        Each object is read once, whichever checks ask, and its table is not kept.
        """
        if asset not in self._duplicates:
            tables = self.tables(asset, self.sample(READ_BATCHES))
            self._duplicates[asset] = {key: _duplicates_in(tables, key) for key in tables.among}
        return self._duplicates[asset]

    def sample(self, size: int) -> list[str]:
        """Return the keys of at most `size` completed batches, spread evenly, the last included."""
        done = self.metrics.loc[self.metrics["status"] == "completed", "batch"].astype(str).unique()
        at = np.linspace(len(done) - 1, 0, min(size, len(done))).round().astype(int)
        return [str(done[i]) for i in sorted(at)]


def _duplicates_in(tables: PartitionedTables, key: str) -> int | PulseError:
    try:
        return count_duplicates(tables[key], SORT_KEYS[tables.asset])
    except PulseError as error:
        return error


def no_failed_batches(stored: Stored) -> Verdict:
    """No batch of the configuration ended in an error."""
    rows = stored.metrics.drop_duplicates("batch")
    failed = rows[rows["status"] == "failed"]
    named = dict(zip(failed["batch"].astype(str), failed["error"], strict=True))
    return Verdict(failed.empty, {"batches": len(rows), "failed": len(failed), "errors": named})


def interval_coverage(stored: Stored) -> Verdict:
    """The ensemble's intervals hold about the share of outcomes that they promise."""
    rows = stored.metrics[stored.metrics["model"] == ENSEMBLE].dropna(subset="coverage")
    n, level = int(rows["n"].sum()), stored.options.interval_level
    coverage = float((rows["n"] * rows["coverage"]).sum() / n) if n else None
    chance = 2 * (level * (1 - level) / max(n, 1)) ** 0.5
    bounds = level - COVERAGE_MARGIN - chance, min(1.0, level + COVERAGE_MARGIN + chance)
    passed = coverage is None or bounds[0] <= coverage <= bounds[1]
    return Verdict(passed, {"coverage": coverage, "lower": bounds[0], "upper": bounds[1], "n": n})


def schema_holds(asset: str) -> Callable[[Stored], Verdict]:
    """Build the check that the objects of an asset are whole and have its columns."""

    def check(stored: Stored) -> Verdict:
        """Columns and types of the stored objects are those of `pulse_assets.schema`."""
        found = stored.duplicates(asset)
        problems = {key: str(one) for key, one in found.items() if isinstance(one, PulseError)}
        return Verdict(not problems, {"read": len(found), "problems": problems})

    return check


def no_duplicates(asset: str) -> Callable[[Stored], Verdict]:
    """Build the check that no key stands twice in a batch of an asset."""

    def check(stored: Stored) -> Verdict:
        """No two rows of a batch have the same key."""
        found = stored.duplicates(asset)
        counts = {key: one for key, one in found.items() if isinstance(one, int)}
        twice = {key: count for key, count in counts.items() if count}
        seen = {"key": ", ".join(SORT_KEYS[asset]), "read": len(counts), "duplicates": twice}
        return Verdict(not twice and len(counts) == len(found), seen)

    return check


def no_lookahead(stored: Stored) -> Verdict:
    """Forecasts of some batches, made again with all later data cut off, are the stored ones."""
    rules = resolve_rules(stored.options.models or DEFAULT_MODELS)
    found = {}
    for key in stored.sample(REMADE_BATCHES):
        tables = {name: stored.tables(name, [key])[key] for name in BATCH_TABLES[:3]}
        found[key] = remake(tables, rules, stored.options)
    worst = max((one.difference for one in found.values()), default=0.0)
    seen = {
        "batches": list(found),
        "forecasts": sum(one.forecasts for one in found.values()),
        "largest_difference": str(worst),
    }
    return Verdict(worst <= ROUNDING, seen)


def sources_are_fresh(stored: Stored) -> Verdict:
    """Each series reaches the last day to predict, but for a few of its own steps."""
    source = stored.settings.open_source()
    seen, stale = {}, []
    for name in stored.options.variables or ():
        series = source.load(name)
        known = Observations(series.timestamps, series.values, series.timestamps)
        frequency = decide_frequency(name, known, stored.options.frequencies.get(name))
        last = series.timestamps[-1]
        (until,) = dates_ahead(last, np.array([STALE_AFTER]), frequency)
        seen[name] = str(last)
        if until < np.datetime64(stored.settings.last_day):
            stale.append(name)
    last_day = str(stored.settings.last_day)
    return Verdict(not stale, {"stale": stale, "last_observation": seen, "last_day": last_day})


@dataclass(frozen=True)
class BatchCheck:
    """A check by name, the asset that it is shown on, and what it looks at."""

    name: str
    asset: str
    function: Callable[[Stored], Verdict]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """How Dagster knows it."""
        return dg.AssetCheckSpec(self.name, asset=self.asset, description=self.function.__doc__)

    def run(self, stored: Stored) -> dg.AssetCheckResult:
        """Look; data that cannot be read do not pass."""
        try:
            found = self.function(stored)
        except PulseError as error:
            found = Verdict(False, {"error": str(error)})
        return dg.AssetCheckResult(
            asset_key=self.asset,
            check_name=self.name,
            passed=bool(found.passed),
            severity=self.severity,
            metadata={k: _readable(v) for k, v in found.seen.items() if v is not None},
        )


def _readable(value: object) -> str | int | float | bool | None:
    """Return a value that was seen as its page shows it without a click."""
    return in_words(value) if isinstance(value, Mapping | list) else as_cell(value)


BATCH_CHECKS: Final = (
    BatchCheck("sources_are_fresh", "historical_data", sources_are_fresh, _WARN),
    BatchCheck("no_lookahead", "retrodictions", no_lookahead),
    BatchCheck("no_failed_batches", "batch_metrics", no_failed_batches),
    BatchCheck("interval_coverage", "batch_metrics", interval_coverage, _WARN),
    *(BatchCheck("schema_holds", name, schema_holds(name)) for name in BATCH_TABLES),
    *(BatchCheck("no_duplicates", name, no_duplicates(name)) for name in BATCH_TABLES),
)


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """Define all checks of a deployment."""
    return [_batch_checks(settings), build_ensemble_check()]


def _batch_checks(settings: Settings) -> dg.AssetChecksDefinition:
    specs = {check.spec.get_python_identifier(): check.spec for check in BATCH_CHECKS}

    @dg.op(
        name="check_batches",
        ins={"batch_metrics": dg.In(dg.Nothing)},
        out={name: dg.Out(None, is_required=False) for name in specs},
    )
    def check_batches(
        context: dg.OpExecutionContext,
        training: dg.ResourceParam[TrainingOptions],
        data: DataResource,
    ) -> Iterator[dg.AssetCheckResult]:
        with plain_failures():
            run = data.applied_to(settings)
            stored = Stored(run, resolve_options(run, training))
        chosen = context.selected_asset_check_keys
        for check in BATCH_CHECKS:
            if check.spec.key in chosen:
                yield check.run(stored)

    # Not @multi_asset_check, which would make the step depend on every asset that it looks at.
    return dg.AssetChecksDefinition.create(
        keys_by_input_name={"batch_metrics": dg.AssetKey("batch_metrics")},
        node_def=check_batches,
        check_specs_by_output_name=specs,
        can_subset=True,
    )


def build_ensemble_check() -> dg.AssetChecksDefinition:
    """Define the check of `training_results`."""

    @dg.asset_check(
        asset="training_results",
        name="ensemble_not_worse_than_naive",
        description="Over all variables and horizons the ensemble is at least as close as naive.",
    )
    def ensemble_not_worse_than_naive(training_results: dict[str, Any]) -> dg.AssetCheckResult:
        skills = {row["model"]: row["skill"] for row in training_results["models"]}
        skill = skills.get(ENSEMBLE)
        details = training_results["variables"]["details"]
        worse = {name: one["skill"] for name, one in details.items() if (one["skill"] or 0) < 0}
        return dg.AssetCheckResult(
            passed=skill is None or skill >= 0,
            severity=_WARN,
            metadata={
                "skill": "undefined" if skill is None else _readable(skill),
                "variables_worse": _readable(worse),
            },
        )

    return ensemble_not_worse_than_naive
