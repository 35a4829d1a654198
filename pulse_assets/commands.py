"""`pulse-train status`, `report` and `forecast`: what is there, without training again."""

import json
import sys
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from pulse_assets.batches.status import grid_status, stored_outcomes
from pulse_assets.dagster.definitions import build_definitions
from pulse_assets.dagster.instance import open_instance
from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.dagster.partitions import register_batches
from pulse_assets.errors import ConfigurationError, TrainingError
from pulse_assets.preflight import check_ready, resolve_options
from pulse_assets.report.serve import report_server
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.retrodiction.rules import ENSEMBLE
from pulse_assets.settings import TrainingConfig, dagster_home
from pulse_assets.stages.outcome import warnings_of
from pulse_assets.stages.series_ends import (
    early_ends,
    last_observations,
    left_out,
)
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import LocalStore, MissingObjectError, Store, open_store
from pulse_assets.storage.tables import decode_table
from pulse_assets.terminal import (
    print_error,
    print_forecasts,
    print_json,
    print_status,
    print_warnings,
)
from pulse_assets.training import failure_of, run_config

_AGGREGATES: Final = ("trust_ledger", "next_forecasts", "training_results", "training_report")
_REPORT: Final = object_path("training_report", suffix="html")


def show_status(config: TrainingConfig, *, as_json: bool) -> int:
    """Print what became of each batch; return 0 when all are done, else 1."""
    settings, options = config.settings(), config.options()
    with fresh_hosts():
        status = grid_status(settings, options)
        outcomes = stored_outcomes(settings, options, status.states).to_json()
    if as_json:
        print_json({"batches": status.states, "versions": status.versions, **outcomes})
    else:
        print_status(status.states, outcomes, status.versions)
    return 0 if set(status.states.values()) <= {"done"} else 1


def forecast(config: TrainingConfig, *, as_json: bool) -> int:
    """Make `next_forecasts` with the stored trust, and print the ensemble's.

    Returns:
        0 when every variable has a forecast and no rule failed, else 1.
    """
    run = _materialize(config, ["next_forecasts"])
    _raise_unmade(run)
    problems = _failed_checks(run)
    path = object_path("next_forecasts")
    store = open_store(config.store, config.s3)
    table = decode_table(store.read(path), "next_forecasts", name=f"{store.uri}/{path}")
    rows = table.filter(pc.field("model") == ENSEMBLE).drop_columns(["model", "weight"])
    without, warnings = left_out(table), _warn_early(config, table)
    if as_json:
        named = [{"variable": name, "reason": reason} for name, reason in without.items()]
        found = {"left_out": named, "warnings": warnings, "problems": problems}
        print_json({"forecasts": _plain_rows(rows), **found})
    else:
        print_forecasts(rows.to_pylist(), warnings, {"forecasts": f"{store.uri}/{path}"})
    for name, reason in without.items():
        print_error(f"{name} has no forecast: {reason.removeprefix(f'{name}: ')}")
    for problem in problems:
        print_error(problem)
    return 1 if without or problems else 0


def _warn_early(config: TrainingConfig, forecasts: pa.Table) -> list[str]:
    """Return a sentence for each series that ends much earlier than the others."""
    settings, last = config.settings(), last_observations(forecasts)
    options = resolve_options(settings, config.options())
    return list(early_ends(last, options.frequencies).values())


def show_report(config: TrainingConfig, *, rebuild: bool, port: int | None) -> int:
    """Print where the report lies, and open it if a person is there to see it.

    Args:
        config: where the store is.
        rebuild: make the aggregates anew from the stored batches first; a problem that they
            report is printed and makes the exit code 1, a warning is printed on stderr.
        port: serve the report there until interrupted instead of opening it.

    Raises:
        ConfigurationError: the port is taken.
        MissingObjectError: there is no report.
        TrainingError: it could not be rebuilt.
    """
    problems = _problems(_materialize(config, _AGGREGATES)) if rebuild else []
    for problem in problems:
        print_error(problem)
    store = open_store(config.store, config.s3)
    if rebuild:
        results = json.loads(store.read(object_path("training_results", suffix="json")))
        print_warnings(warnings_of(results), Console(stderr=True))
    if port is not None:
        return _serve(store, port)
    place = _local_copy(store)
    sys.stdout.write(f"{place}\n")
    if sys.stdout.isatty():
        webbrowser.open(place.as_uri())
    return 1 if problems else 0


def _materialize(config: TrainingConfig, assets: Sequence[str]) -> dg.ExecuteInProcessResult:
    """Make aggregates of what is stored; the result tells what failed."""
    with fresh_hosts():
        return _materialize_with(config, assets)


def _materialize_with(config: TrainingConfig, assets: Sequence[str]) -> dg.ExecuteInProcessResult:
    settings = config.settings()
    options = check_ready(settings, config.options())
    job = build_definitions(settings).resolve_job_def(JOB_NAME)
    with open_instance(dagster_home()) as instance:
        register_batches(settings, instance)
        return job.execute_in_process(
            run_config=run_config(settings, options),
            instance=instance,
            asset_selection=[dg.AssetKey(name) for name in assets],
            raise_on_error=False,
        )


def _failures(run: dg.ExecuteInProcessResult) -> list[str]:
    return [failure_of(event) for event in run.filter_events(lambda one: one.is_step_failure)]


def _raise_unmade(run: dg.ExecuteInProcessResult) -> None:
    if not run.success:
        raise TrainingError("; ".join(_failures(run)))


def _failed_checks(run: dg.ExecuteInProcessResult) -> list[str]:
    """Return what the failed checks of severity ERROR found."""
    error = dg.AssetCheckSeverity.ERROR
    failed = (one for one in run.get_asset_check_evaluations() if not one.passed)
    return [one.description or one.check_name for one in failed if one.severity == error]


def _problems(run: dg.ExecuteInProcessResult) -> list[str]:
    """Return why the rebuilt results are not a success.

    Raises:
        TrainingError: they were not rebuilt.
    """
    report = dg.AssetKey("training_report")
    if not any(one.asset_key == report for one in run.get_asset_materialization_events()):
        _raise_unmade(run)
    return _failures(run)


def _serve(store: Store, port: int) -> int:
    try:
        server = report_server(port, lambda: store.read(_REPORT))
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"--serve {port}: {error}: choose another port") from error
    with server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}/\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):  # the way to end it
            server.serve_forever()
    return 0


def _local_copy(store: Store) -> Path:
    """Return the report as a file: the stored one, or a copy of the one in a bucket."""
    try:
        page = store.read(_REPORT)
    except MissingObjectError as error:
        raise MissingObjectError(f"there is no report yet ({error}): run pulse-train") from error
    if isinstance(store, LocalStore):
        return store.root / _REPORT
    copy = dagster_home() / "training_report.html"
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(page)
    return copy


def _plain_rows(rows: pa.Table) -> list[dict[str, Any]]:
    """Return rows as JSON has them: dates as text, None where undefined."""
    return json.loads(rows.to_pandas().to_json(orient="records", date_format="iso"))
