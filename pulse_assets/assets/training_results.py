"""`training_results`, `skill_by_horizon` and `training_report`: the aggregate as JSON, table, page.

One step computes them and stores them. Only then does it fail if a check of severity ERROR failed,
so the results of a failed run exist, and the run says why it failed.
"""

import importlib.metadata
import platform
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final, NamedTuple

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.assets.earlier_checks import earlier_checks, undecided
from pulse_assets.assets.result_previews import (
    preview_periods,
    preview_results,
    preview_significance,
    preview_skill,
)
from pulse_assets.assets.specs import aggregate
from pulse_assets.batches.blocks import group_batches
from pulse_assets.batches.fingerprint import configuration_fingerprint
from pulse_assets.batches.grid import batch_keys, batch_of, batches_of_run
from pulse_assets.catalog import ASSETS
from pulse_assets.dagster.checks.check import CheckedData, RecordedOutcomes
from pulse_assets.dagster.checks.forecasts import FORECAST_CHECKS
from pulse_assets.dagster.checks.results import RESULT_CHECKS
from pulse_assets.dagster.checks.step import BATCH_CHECKS, fail_on_errors
from pulse_assets.dagster.deployment import Deployment, Names
from pulse_assets.dagster.failures import plain_failures
from pulse_assets.dagster.io_managers import to_json
from pulse_assets.execution.separate_process import run_step
from pulse_assets.history.calendars import load_series
from pulse_assets.history.periods import Period
from pulse_assets.history.series import Series
from pulse_assets.preflight import resolve_options
from pulse_assets.report.cards import ReportTables
from pulse_assets.report.gallery import with_later_observations
from pulse_assets.report.page import build_report, choose_figured, rank_variables
from pulse_assets.result_records import CheckOutcome, Costs, Performance
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.retrodiction.rules import (
    DEFAULT_MODELS,
    ENSEMBLE,
    ENSEMBLES,
    REFERENCE,
    resolve_rules,
)
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.source_check import publication_of, report_models
from pulse_assets.stages.outcome import conclude
from pulse_assets.stages.results import RESULT_COLUMNS, Summary, summarise
from pulse_assets.stages.revision_tax import (
    FORECAST_COLUMNS,
    forecasts_on_newest_values,
    measure_revisions,
    revised_variables,
    skills,
)
from pulse_assets.storage.layout import PartitionedTables, object_path
from pulse_assets.storage.objects import EncodedObject, StoredTable
from pulse_assets.storage.store import open_store
from pulse_assets.storage.tables import rows_with

_REPORTED: Final = [
    "variable",
    "model",
    "horizon",
    "origin_date",
    "target_date",
    "predicted",
    "lower",
    "upper",
    "observed",
]
_NEEDED: Final = ("batch_metrics", "trust_ledger", "next_forecasts")
_PUBLISHED: Final = (
    *("skill_by_horizon", "significance", "scores_by_period"),
    *("training_results", "training_report"),
)
_VERSIONS_OF: Final = ("pulse-assets", "dagster", "dask", "numba", "numpy", "pandas", "pyarrow")


def build_training_results(deployment: Deployment) -> dg.AssetsDefinition:
    """Define the step over the batches of a deployment."""
    settings, names = deployment.settings, deployment.names

    @dg.multi_asset(
        name=names.definition("publish_results"),
        ins={name: dg.AssetIn(names.key(name)) for name in _NEEDED},
        outs={
            name: dg.AssetOut(key=names.key(name), is_required=False, **aggregate(name, deployment))
            for name in _PUBLISHED
        },
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys=deployment.resource_keys("training", "data"),
        check_specs=[check.spec(names) for check in RESULT_CHECKS],
    )
    def publish_results(
        context: dg.AssetExecutionContext,
        batch_metrics: PartitionedTables,
        trust_ledger: StoredTable,
        next_forecasts: StoredTable,
    ) -> Iterator[dg.Output[EncodedObject] | dg.AssetCheckResult]:
        with plain_failures(), fresh_hosts():
            run = deployment.settings_of(context.resources)
            options = resolve_options(run, deployment.options_of(context.resources))
            checked = CheckedData.of(run, options, names)
            earlier = (*BATCH_CHECKS, *FORECAST_CHECKS)
            inputs = _Inputs(
                *(batch_metrics, trust_ledger, next_forecasts),
                batches_of_run(context.run.tags, settings),
                checked.recorded(context.instance, earlier, context.run.run_id),
                *_last_training(context.instance, names.key("batch_metrics")),
            )
            published = run_step("publish_results", options, compute_results, run, options, inputs)
            _store_unselected(context, run, names, published.outputs)
        for output in published.outputs:
            if output.output_name in _selected(context):
                yield output
        for check, outcome in zip(RESULT_CHECKS, published.own, strict=True):
            if check.key(names) in context.selected_asset_check_keys:
                yield checked.evaluation(outcome)
        fail_on_errors(undecided(published.earlier, inputs.recorded))

    return publish_results


def _selected(context: dg.AssetExecutionContext) -> set[str]:
    return {key.path[-1] for key in context.selected_asset_keys}


def _store_unselected(
    context: dg.AssetExecutionContext,
    run: Settings,
    names: Names,
    outputs: Sequence[dg.Output[EncodedObject]],
) -> None:
    """Store what the run does not select, too, so that results, tables and report fit each other.

    Raises:
        StoreError: an object cannot be written.
    """
    store = open_store(run.store, run.s3)
    for output in outputs:
        if (name := output.output_name) not in _selected(context):
            path = object_path(name, suffix=ASSETS[name].suffix)
            store.write(path, output.value.data)
            metadata = {"dagster/uri": f"{store.uri}/{path}", **output.metadata}
            context.log_event(dg.AssetMaterialization(names.key(name), metadata=metadata))


class _Inputs(NamedTuple):
    """What the results are computed from.

    Attributes:
        metrics: the stored `batch_metrics`.
        ledger: the stored `trust_ledger`.
        forecasts: the stored `next_forecasts`.
        required: keys of batches that must be among the metrics.
        recorded: the outcomes of checks that Dagster has.
        performance: timings of the last step that computed batches.
        cluster: where it computed them.
    """

    metrics: PartitionedTables
    ledger: StoredTable
    forecasts: StoredTable
    required: Collection[str]
    recorded: RecordedOutcomes
    performance: Performance
    cluster: Mapping[str, Any]


class _Published(NamedTuple):
    """The outputs of the step, and the outcomes of its checks and of those before it."""

    outputs: Sequence[dg.Output[EncodedObject]]
    own: list[CheckOutcome]
    earlier: list[CheckOutcome]


def compute_results(run: Settings, options: TrainingOptions, inputs: _Inputs) -> _Published:
    """Return skill, results and report, as they are stored and shown, and the outcomes of checks.

    Args:
        run: where data lies.
        options: the resolved configuration.
        inputs: what they are computed from.
    """
    # Before the summary is in memory, because they need as much while they read all scores.
    earlier = earlier_checks(run, options, inputs.recorded)
    ledger = inputs.ledger.load()
    summary = _summary(run, options, inputs, ledger)
    results, source = summary.results, run.open_source()
    results["configuration"]["all_variables"] = options.variables == source.variables()
    series = load_series(
        source,
        options.variables or (),
        options.frequencies,
        options.publication_lag_days,
    )
    results |= _of_source(run, options, series, results, _scored(ledger, results))
    own = [check.run(results) for check in RESULT_CHECKS]
    results = conclude(results, [*earlier, *own])
    retrodictions = _reported(run, _scored(ledger, results), results, options)
    shortest = retrodictions.filter(pc.field("horizon") == min(options.horizons))
    report = build_report(
        results,
        ReportTables(
            skill=summary.skill_by_horizon,
            ledger=ledger,
            retrodictions=with_later_observations(shortest, series),
            forecasts=inputs.forecasts.load(),
            periods=summary.scores_by_period,
            quills=rows_with(retrodictions, "model", ENSEMBLE),
        ),
    )
    text, page = (EncodedObject(part.encode()) for part in (to_json(results), report))
    outputs = (
        _table_output("skill_by_horizon", summary.skill_by_horizon, preview_skill),
        _table_output("significance", summary.significance, preview_significance),
        _table_output("scores_by_period", summary.scores_by_period, preview_periods),
        dg.Output(text, "training_results", metadata=preview_results(results, shortest)),
        dg.Output(page, "training_report", metadata=_link(run)),
    )
    return _Published(outputs, own, earlier)


def _summary(run: Settings, options: TrainingOptions, inputs: _Inputs, ledger: pa.Table) -> Summary:
    """Return the results of all batches of this configuration, before their checks are added."""
    metrics = inputs.metrics.parts(
        RESULT_COLUMNS,
        made_of={"configuration": configuration_fingerprint(run, options)},
        required=inputs.required,
    )
    return summarise(
        metrics,
        ledger,
        levels=options.quantile_levels,
        planned=batch_keys(run),
        performance=inputs.performance,
        cluster=inputs.cluster,
        configuration=describe(run, options),
        versions=_versions(),
        periods=[Period.parse(name, text) for name, text in options.periods.items()],
    )


def _of_source(
    run: Settings,
    options: TrainingOptions,
    series: Mapping[str, Series],
    results: Mapping[str, Any],
    keys: Sequence[str],
) -> dict[str, Any]:
    """Return the parts of the results that the source tells: releases and others' forecasts.

    Args:
        run: where data lies.
        options: the resolved configuration.
        series: the series by variable.
        results: the others.
        keys: keys of the batches that have scores.
    """
    source = run.open_source()
    publication = publication_of(source, options)
    return {
        "revisions": _revisions(run, options, series, results, keys),
        "publication": {name: asdict(each) for name, each in publication.items()},
        "given_forecasts": [asdict(m) for m in report_models(source, options.variables or ())],
    }


def _revisions(
    run: Settings,
    options: TrainingOptions,
    series: Mapping[str, Series],
    results: Mapping[str, Any],
    keys: Sequence[str],
) -> dict[str, Any]:
    """Return what revisions do to the skill of each rule, by variable that has revisions."""
    if not (revised := revised_variables(series)):
        return {}
    retrodictions = PartitionedTables(
        open_store(run.store, run.s3), "retrodictions", run.batch_length, keys
    ).parts(FORECAST_COLUMNS, made_of={"configuration": configuration_fingerprint(run, options)})
    blocks = group_batches([batch_of(run, key, tuple(series)) for key in keys], options, threads=1)
    models = options.models or DEFAULT_MODELS
    rules = resolve_rules([name for name in models if ":" not in name])
    again = forecasts_on_newest_values(series, blocks, rules, options)
    promised = skills(again, series, revised)
    if len(rules) < len(models):  # an ensemble without users' rules is another one
        promised = promised[~promised["model"].isin(ENSEMBLES)]
    real_time = skills(retrodictions, series, revised)
    return measure_revisions(results["models_by_variable"], real_time, promised)


def describe(settings: Settings, options: TrainingOptions) -> dict[str, Any]:
    """Return all settings of a training, ready for JSON; none of them is a secret."""
    return settings.model_dump(mode="json") | options.model_dump(mode="json")


def _scored(ledger: pa.Table, results: dict[str, Any]) -> list[str]:
    """Return the keys of the batches that have scores."""
    without = {entry["batch"] for entry in [*results["errors"], *results["skipped"]]}
    return sorted({*ledger["batch"].unique().to_pylist()} - without)


def _reported(
    settings: Settings, keys: Sequence[str], results: Mapping[str, Any], options: TrainingOptions
) -> pa.Table:
    """Read what the report draws: `ensemble`, and `naive` at the shortest horizon.

    They are read from the store and are no input of the step, because Dagster skips a step whose
    input is missing, as it is for failed batches.

    Raises:
        StoreError: an object is missing, damaged or of another schema.
    """
    tables = PartitionedTables(
        open_store(settings.store, settings.s3),
        "retrodictions",
        settings.batch_length,
        keys,
    )
    tables.require(keys)
    variables = pa.array(choose_figured(rank_variables(results)), pa.string())
    drawn = (
        (pc.field("model") == ENSEMBLE)
        | (pc.field("model") == REFERENCE) & (pc.field("horizon") == min(options.horizons))
    ) & pc.field("variable").isin(variables)
    return tables.load(_REPORTED, drawn)


def _last_training(
    instance: dg.DagsterInstance, status: dg.AssetKey
) -> tuple[Performance, dict[str, Any]]:
    """Return timings and cluster of the last step that computed batches, as recorded in Dagster."""
    event = instance.get_latest_materialization_event(status)
    materialization = event.asset_materialization if event else None
    metadata = materialization.metadata if materialization else {}
    values: dict[str, Any] = {name: value.value for name, value in metadata.items()}
    performance = Performance.of(
        values.get("run_seconds", 0.0),
        values.get("run_sequential_seconds", 0.0),
        _recorded_costs(values),
    )
    return performance, values.get("run_cluster", {})


def _recorded_costs(values: Mapping[str, Any]) -> Costs | None:
    """Return what the batches of a run cost; None where an older version has recorded nothing."""
    names = [part.name for part in fields(Costs)]
    recorded = {name: values[f"run_{name}"] for name in names if f"run_{name}" in values}
    counts = {name: round(value) for name, value in recorded.items() if name != "processor_seconds"}
    return Costs(**(recorded | counts)) if recorded else None


def _table_output(
    name: str, table: pa.Table, preview: Callable[[pa.Table], dict[str, Any]]
) -> dg.Output[EncodedObject]:
    return dg.Output(EncodedObject.of_table(table, name), name, metadata=preview(table))


def _link(settings: Settings) -> dict[str, dg.MetadataValue]:
    """Return the link that opens the report; without an address, where the page lies."""
    if settings.report_url:
        return {"open": dg.MetadataValue.url(settings.report_url)}
    store = open_store(settings.store, settings.s3)
    path = object_path("training_report", suffix="html")
    return {"open": dg.MetadataValue.path(f"{store.uri}/{path}")}


def _versions() -> dict[str, str]:
    versions = {name: importlib.metadata.version(name) for name in _VERSIONS_OF}
    return {"python": platform.python_version(), **versions}
