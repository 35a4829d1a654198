"""Asset checks: what must hold of the stored tables, with the values that were seen.

Those of the batches run in one step after `batch_metrics`, whichever asset they are shown on: a
step that depends on an asset which failed batches lack would be skipped. They read a sample of the
batches, spread evenly over those that are stored, so that their cost does not grow with the grid.

The step fails when a check of severity ERROR does, so the run that made the batches is red. Nothing
depends on the step, so the run makes the aggregates all the same; for a backfill, whose aggregates
are another run, `backfill_sensor` requests them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.batches.fingerprint import configuration_fingerprint
from pulse_assets.batches.grid import batch_keys, batches_of_run
from pulse_assets.catalog import BATCH_TABLES, SORT_KEYS
from pulse_assets.dagster.checks.check import Check, CheckedData, Verdict
from pulse_assets.dagster.failures import plain_failures
from pulse_assets.dagster.resources import DataResource
from pulse_assets.errors import PulseError
from pulse_assets.history.series import Series
from pulse_assets.history.source import Source
from pulse_assets.preflight import resolve_options
from pulse_assets.results import CheckOutcome
from pulse_assets.retrodiction.implausible import implausible_values
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, ENSEMBLE, resolve_rules
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.audit import ROUNDING, Remade, blame, count_duplicates, remake
from pulse_assets.stages.outcome import OUTCOME_COLUMNS, Outcomes, collect_outcomes
from pulse_assets.stages.outcome_texts import (
    describe_failed,
    describe_rule_error,
    describe_rule_errors,
    describe_unpredicted,
    list_some,
)
from pulse_assets.stages.series_ends import STALE_AFTER, ends_before
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.store import open_store

#: Batches whose tables are read, and batches whose forecasts are made again.
READ_BATCHES: Final = 24
REMADE_BATCHES: Final = 4

#: Largest distance of the intervals' coverage from their level, chance apart.
COVERAGE_MARGIN: Final = 0.05

_STATUS: Final = ("batch", "status", "variable", "model", "horizon", "n", "coverage")


class Stored:
    """The stored batches of one configuration, read when a check first asks for them."""

    def __init__(
        self, settings: Settings, options: TrainingOptions, among: Sequence[str] | None = None
    ) -> None:
        """Remember the configuration and the batches, all unless some are named; read nothing."""
        self.settings = settings
        self.options = options
        self._among = among
        self._duplicates: dict[str, Mapping[str, int | PulseError]] = {}

    def tables(self, asset: str, among: Sequence[str] | None = None) -> PartitionedTables:
        """Return the partitions of an asset, all of these batches unless some are named."""
        store = open_store(self.settings.store, self.settings.s3)
        if among is None:
            among = batch_keys(self.settings) if self._among is None else self._among
        return PartitionedTables(store, asset, self.settings.batch_length, among)

    @cached_property
    def _parts(self) -> list[pa.Table]:
        """Metrics of all batches that this configuration made."""
        made_by = configuration_fingerprint(self.settings, self.options)
        columns = sorted({*_STATUS, *OUTCOME_COLUMNS})
        return list(self.tables("batch_metrics").parts(columns, made_of={"configuration": made_by}))

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Status, counts and coverage of the batches."""
        parts = [part.select(list(_STATUS)) for part in self._parts]
        return pa.concat_tables(parts).unify_dictionaries().to_pandas()

    @cached_property
    def outcomes(self) -> Outcomes:
        """What became of the batches."""
        return collect_outcomes(self._parts)

    @cached_property
    def source(self) -> Source:
        """Where the series come from."""
        return self.settings.open_source()

    @cached_property
    def series(self) -> dict[str, Series]:
        """The series of the run."""
        return {name: self.source.load(name) for name in self.options.variables or ()}

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
    """No more batches of the configuration ended in an error than `max_failed_batches` allows."""
    failed, batches = stored.outcomes.failed, sum(stored.outcomes.batches.values())
    named = {one["batch"]: one["message"] for one in failed}
    return Verdict(
        len(failed) <= stored.options.max_failed_batches,
        {"batches": batches, "failed": len(failed), "errors": named},
        describe_failed(failed),
    )


def no_failed_rules(stored: Stored) -> Verdict:
    """Every rule returned its forecasts from every origin, without an error."""
    errors = stored.outcomes.rule_errors
    # Of the errors of one rule, the most frequent stand first and are named.
    named = {one.model: describe_rule_error(one) for one in reversed(errors)}
    seen = {"origins": sum(one.count for one in errors), "rules": named}
    return Verdict(not errors, seen, describe_rule_errors(errors))


def every_variable_predicted(stored: Stored) -> Verdict:
    """At least one stored batch predicts each variable."""
    variables = stored.options.variables or ()
    seen = {
        "batches": stored.outcomes.batches,
        "predicted": sorted(stored.outcomes.predicted),
        "never_predicted": stored.outcomes.never_predicted(variables),
    }
    message = describe_unpredicted(stored.outcomes, variables)
    if not stored.outcomes.batches:
        message = "no batch was predicted: the store has none of this configuration"
    return Verdict(not message, seen, message)


def every_horizon_predicted(stored: Stored) -> Verdict:
    """Each variable that is predicted is predicted at each horizon."""
    rows = stored.metrics[stored.metrics["n"] > 0]
    made = set(zip(rows["variable"].astype(str), rows["horizon"], strict=True))
    never = {
        name: [steps for steps in stored.options.horizons if (name, steps) not in made]
        for name in sorted(stored.outcomes.predicted)
    }
    never = {name: steps for name, steps in never.items() if steps}
    named = [f"{name} ({', '.join(map(str, steps))})" for name, steps in never.items()]
    message = (
        "horizons that no batch predicts, because no origin so many steps before a target knows "
        f"enough: {list_some(named)}"
    )
    return Verdict(not never, {"never_predicted": never}, message)


def every_batch_made(stored: Stored) -> Verdict:
    """The store has each batch of the grid, made by this configuration."""
    planned = batch_keys(stored.settings)
    made = set(stored.metrics["batch"].astype(str))
    missing = [key for key in planned if key not in made]
    message = (
        f"{len(missing):,} of {len(planned):,} batches are missing, or were made by another "
        f"configuration: {list_some(missing)}: pulse-train --resume makes them"
    )
    return Verdict(not missing, {"batches": len(planned), "missing": len(missing)}, message)


def interval_coverage(stored: Stored) -> Verdict:
    """The ensemble's intervals hold about the share of outcomes that they promise."""
    rows = stored.metrics[stored.metrics["model"] == ENSEMBLE].dropna(subset="coverage")
    n, level = int(rows["n"].sum()), stored.options.interval_level
    coverage = float((rows["n"] * rows["coverage"]).sum() / n) if n else None
    chance = 2 * (level * (1 - level) / max(n, 1)) ** 0.5
    bounds = level - COVERAGE_MARGIN - chance, min(1.0, level + COVERAGE_MARGIN + chance)
    seen = {"coverage": coverage, "lower": bounds[0], "upper": bounds[1], "n": n}
    if coverage is None or bounds[0] <= coverage <= bounds[1]:
        return Verdict(True, seen)
    expected = f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} % were expected"
    held = f"hold {100 * coverage:.1f} % of {n:,} observations"
    return Verdict(False, seen, f"the {100 * level:g} % intervals of ensemble {held}: {expected}")


def schema_holds(asset: str) -> Callable[[Stored], Verdict]:
    """Build the check that the objects of an asset are whole and have its columns."""

    def check(stored: Stored) -> Verdict:
        """Columns and types of the stored objects are those of `pulse_assets.catalog`."""
        found = stored.duplicates(asset)
        problems = {key: str(one) for key, one in found.items() if isinstance(one, PulseError)}
        named = list_some(list(problems.values()), separator="; ")
        return Verdict(not problems, {"read": len(found), "problems": problems}, named)

    return check


def no_duplicates(asset: str) -> Callable[[Stored], Verdict]:
    """Build the check that no key stands twice in a batch of an asset."""

    def check(stored: Stored) -> Verdict:
        """No two rows of a batch have the same key."""
        found = stored.duplicates(asset)
        counts = {key: one for key, one in found.items() if isinstance(one, int)}
        twice = {key: count for key, count in counts.items() if count}
        seen = {"key": ", ".join(SORT_KEYS[asset]), "read": len(counts), "duplicates": twice}
        unread = len(found) - len(counts)
        message = f"{asset}: {unread} of {len(found)} batches cannot be searched for duplicates"
        if twice:
            named = [f"{key} ({count} rows)" for key, count in twice.items()]
            message = f"{asset} holds rows twice in batch {list_some(named)}"
        return Verdict(not twice and not unread, seen, message)

    return check


def no_lookahead(stored: Stored) -> Verdict:
    """Forecasts of some batches, made again with all later data cut off, are the stored ones."""
    options = stored.options
    models, found = options.models or DEFAULT_MODELS, dict[str, Remade]()
    for key in stored.sample(REMADE_BATCHES):
        rules = resolve_rules(models, seconds=options.rule_timeout_seconds)
        tables = {name: stored.tables(name, [key])[key] for name in BATCH_TABLES[:3]}
        found[key] = remake(tables, rules, options)
    differing = {key: one for key, one in found.items() if one.difference > ROUNDING}
    failed = {
        f"{name}, batch {key}": text
        for key, one in found.items()
        for name, text in one.failures.items()
    }
    seen = {
        "batches": list(found),
        "forecasts": sum(one.forecasts for one in found.values()),
        "largest_difference": str(max((one.difference for one in found.values()), default=0.0)),
        "rules": sorted({one.model for one in differing.values()}),
        "failed_rules": failed,
    }
    return Verdict(not differing, seen, _describe_lookahead(differing))


def _describe_lookahead(differing: Mapping[str, Remade]) -> str:
    """Name the rule, variable and batch of the largest difference, and the other rules."""
    if not differing:
        return ""
    batch, worst = max(differing.items(), key=lambda item: blame(item[1]))
    others = sorted({one.model for one in differing.values()} - {worst.model})
    more = f"; so do those of {list_some(others)}" if others else ""
    share = worst.difference
    apart = f"by up to {100 * share:.3g} %" if np.isfinite(share) else "in what is missing"
    return (
        f"look-ahead: the stored forecasts of rule {worst.model} for {worst.variable} in batch "
        f"{batch} differ {apart} from those made with all later data cut off{more}: a rule may "
        "read y[: origin + 1] alone, and equal input must give equal output"
    )


def sources_are_fresh(stored: Stored) -> Verdict:
    """Each series reaches the last day to predict, but for a few of its own steps."""
    last = {name: one.timestamps[-1].item() for name, one in stored.series.items()}
    last_day = stored.settings.last_day
    stale = ends_before(last, stored.options.frequencies, last_day)
    seen = {"stale": stale, "last_observation": last, "last_day": str(last_day)}
    named = [f"{name} (on {last[name]})" for name in stale]
    verb, whose = ("ends", "its") if len(stale) == 1 else ("end", "their")
    message = (
        f"{list_some(named)} {verb} more than {STALE_AFTER} of {whose} steps before {last_day}"
    )
    return Verdict(not stale, seen, message)


def every_file_is_read(stored: Stored) -> Verdict:
    """No file that looks meant for the source is left unread."""
    unread = dict(stored.source.unread())
    named = [f"{path} ({reason})" for path, reason in unread.items()]
    message = f"files in {stored.source.uri} that are not read: {list_some(named)}"
    return Verdict(not unread, {"unread": unread}, message)


def no_implausible_values(stored: Stored) -> Verdict:
    """No value lies so far from its neighbours that it looks like a typing error."""
    frequencies = stored.options.frequencies
    found = {
        f"{name} on {one.timestamps[i]}": float(one.values[i])
        for name, one in stored.series.items()
        for i in implausible_values(one.values, getattr(frequencies.get(name), "season", 1))
    }
    named = [f"{place} ({value:g})" for place, value in found.items()]
    message = (
        "values that look implausible beside their neighbours, and count as missing from the next "
        f"value on: {list_some(named)}"
    )
    return Verdict(not found, {"implausible": found}, message)


def ensemble_not_worse_than_naive(results: Mapping[str, Any]) -> Verdict:
    """Over all variables and horizons the ensemble is at least as close as naive."""
    skill = {row["model"]: row["skill"] for row in results["models"]}.get(ENSEMBLE)
    details = results["variables"]["details"]
    worse = {name: one["skill"] for name, one in details.items() if (one["skill"] or 0) < -ROUNDING}
    seen = {"skill": "undefined" if skill is None else skill, "variables_worse": worse}
    if skill is None or skill >= -ROUNDING:  # a sum of weights may round
        return Verdict(True, seen)
    worst = sorted(worse, key=lambda name: worse[name])
    where = f", most of all for {list_some(worst)}" if worst else ""
    message = f"the errors of ensemble are {-100 * skill:.1f} % larger than those of naive{where}"
    return Verdict(False, seen, message)


BATCH_CHECKS: Final[tuple[Check[Stored], ...]] = (
    Check("no_failed_batches", "batch_metrics", no_failed_batches, quick=True, by_batch=True),
    Check("no_failed_rules", "retrodictions", no_failed_rules, quick=True, by_batch=True),
    Check("every_variable_predicted", "batch_metrics", every_variable_predicted, quick=True),
    Check("every_batch_made", "batch_metrics", every_batch_made, "WARN", quick=True),
    Check("no_lookahead", "retrodictions", no_lookahead),
    *(Check("schema_holds", name, schema_holds(name)) for name in BATCH_TABLES),
    *(Check("no_duplicates", name, no_duplicates(name)) for name in BATCH_TABLES),
    Check("sources_are_fresh", "historical_data", sources_are_fresh, "WARN"),
    Check("every_file_is_read", "historical_data", every_file_is_read, "WARN"),
    Check("no_implausible_values", "historical_data", no_implausible_values, "WARN"),
    Check("every_horizon_predicted", "batch_metrics", every_horizon_predicted, "WARN"),
    Check("interval_coverage", "batch_metrics", interval_coverage, "WARN"),
)

#: `publish_results` runs it, so that its outcome is in the results.
ENSEMBLE_CHECK: Final = Check(
    "ensemble_not_worse_than_naive", "training_results", ensemble_not_worse_than_naive, "WARN"
)


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """Define the checks of the batches; those of aggregates belong to the steps that make them."""
    specs = {check.spec.get_python_identifier(): check.spec for check in BATCH_CHECKS}

    @dg.op(
        name="check_batches",
        ins={"batch_metrics": dg.In(dg.Nothing)},
        out={name: dg.Out(None, is_required=False) for name in specs},
        tags={"dagster/priority": "1"},  # before the aggregates, which report the outcomes
    )
    def check_batches(
        context: dg.OpExecutionContext,
        training: dg.ResourceParam[TrainingOptions],
        data: DataResource,
    ) -> Iterator[dg.AssetCheckResult]:
        with plain_failures():
            run = data.applied_to(settings)
            options = resolve_options(run, training)
            checked, stored = CheckedData.of(run, options), Stored(run, options)
        outcomes = {}
        with fresh_hosts():
            for check in BATCH_CHECKS:
                if check.key in context.selected_asset_check_keys:
                    outcomes[check] = check.run(stored)
                    yield checked.evaluation(outcomes[check])
        if not _makes_aggregates(context.run):
            among = batches_of_run(context.run.tags, settings)
            outcomes = _of_these_batches(outcomes, Stored(run, options, among))
        fail_on_errors(outcomes.values())

    # Not @multi_asset_check, which would make the step depend on every asset that it looks at.
    definition = dg.AssetChecksDefinition.create(
        keys_by_input_name={"batch_metrics": dg.AssetKey("batch_metrics")},
        node_def=check_batches,
        check_specs_by_output_name=specs,
        can_subset=True,
    )
    return [definition]


def _makes_aggregates(run: dg.DagsterRun) -> bool:
    return not run.asset_selection or dg.AssetKey("training_results") in run.asset_selection


def _of_these_batches(
    outcomes: Mapping[Check[Stored], CheckOutcome], own: Stored
) -> dict[Check[Stored], CheckOutcome]:
    """Return the outcomes that decide whether a run which makes batches alone succeeds.

    Batches of other runs, such as the others of a backfill, may have failed or not be made yet: the
    run that makes the aggregates answers for all.
    """
    reread = {check: check.run(own) for check in outcomes if check.by_batch}
    return reread | {check: one for check, one in outcomes.items() if not check.quick}


def fail_on_errors(outcomes: Iterable[CheckOutcome]) -> None:
    """Fail the step if a check of severity ERROR has not passed; the failure names each."""
    if failed := [one for one in outcomes if one.passed is False and one.severity == "ERROR"]:
        named = [f"{one.message} ({one.name})" for one in failed]
        raise dg.Failure("; ".join(named), allow_retries=False)
