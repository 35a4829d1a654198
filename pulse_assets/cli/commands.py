"""The subcommands of `pulse-train` that train nothing: status, forecast and report.

Each returns the exit code of the program: 0 or 1.
"""

import argparse
import json
import sys
import webbrowser
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final, Literal

import dagster as dg
from rich.console import Console

from pulse_assets.batches.status import grid_status, stored_outcomes
from pulse_assets.cli.as_of import show_as_of
from pulse_assets.cli.terminal import (
    plain_rows,
    print_error,
    print_forecasts,
    print_json,
    print_status,
    print_warnings,
)
from pulse_assets.dagster.run_errors import failure_message
from pulse_assets.dagster.runs import materialize, rebuild_results
from pulse_assets.errors import ConfigurationError, TrainingError
from pulse_assets.report.serve import report_server
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.retrodiction.rules import ENSEMBLE
from pulse_assets.settings import TrainingConfig, dagster_home
from pulse_assets.stages.outcome import warnings_of
from pulse_assets.stages.series_ends import left_out
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import LocalStore, MissingObjectError, Store, open_store
from pulse_assets.storage.tables import decode_table, rows_with

_REPORT: Final = object_path("training_report", suffix="html")

#: A check of the next forecasts whose variables a command lists one by one.
_LISTED: Final = "every_variable_has_a_forecast"

#: Success or failure of a command, as its exit code.
ExitCode = Literal[0, 1]


def run_command(args: argparse.Namespace, config: TrainingConfig) -> ExitCode:
    """Run the command that the command line names, unless it is `train`.

    Args:
        args: from `parse_args`.
        config: from `create_config_from_args`.

    Raises:
        PulseError: the command could not be completed; the message says why and what to do.
        KeyboardInterrupt: the command was interrupted.
    """
    if args.command == "status":
        return show_status(config, as_json=args.json)
    if args.command == "forecast" and args.as_of is not None:
        return show_as_of(config, args.as_of, as_json=args.json)
    if args.command == "forecast":
        return forecast(config, as_json=args.json)
    return show_report(config, rebuild=args.rebuild, port=args.serve)


def show_status(config: TrainingConfig, *, as_json: bool) -> ExitCode:
    """Print the state of each batch; return 0 if all that are due are done, else 1."""
    settings, options = config.settings(), config.options()
    with fresh_hosts():
        status = grid_status(settings, options)
        tally = stored_outcomes(settings, options, status.states)
        outcomes = tally.batches.to_json() | {
            "alarms": [asdict(alarm) for alarm in tally.alarms],
            "trust_watched": tally.trust_watched,
        }
    if as_json:
        waiting = {key: [v.to_json() for v in values] for key, values in status.waiting.items()}
        states = {"batches": status.states, "waiting": waiting, "versions": status.versions}
        print_json(states | outcomes)
    else:
        print_status(status, outcomes)
    if {*status.states.values()} == {"missing"}:
        print_error(
            f"{settings.store} holds no batch of these options: run pulse-train with them, or name "
            "the store of a training (--store)"
        )
    return 0 if set(status.states.values()) <= {"done", "waiting"} else 1


def forecast(config: TrainingConfig, *, as_json: bool) -> ExitCode:
    """Compute `next_forecasts` with the stored trust, and print those of the ensemble.

    Returns:
        0 if every variable has a forecast and no rule failed, else 1.

    Raises:
        MissingObjectError: there is no trust ledger yet.
        TrainingError: the forecasts could not be computed.
    """
    run = materialize(config, ["next_forecasts"])
    _require_success(run)
    problems = _failed_checks(run, dg.AssetCheckSeverity.ERROR)
    path = object_path("next_forecasts")
    store = open_store(config.store, config.s3)
    table = decode_table(store.read(path), "next_forecasts", name=f"{store.uri}/{path}")
    rows = rows_with(table, "model", ENSEMBLE).drop_columns(["model", "weight"])
    without, warnings = left_out(table), _failed_checks(run, dg.AssetCheckSeverity.WARN)
    if as_json:
        excluded = [{"variable": name, "reason": reason} for name, reason in without.items()]
        messages = {"left_out": excluded, "warnings": warnings, "problems": problems}
        print_json({"forecasts": plain_rows(rows), **messages})
    else:
        print_forecasts(rows.to_pylist(), warnings, {"forecasts": f"{store.uri}/{path}"})
    for name, reason in without.items():
        print_error(f"{name} has no forecast: {reason.removeprefix(f'{name}: ')}")
    for problem in problems:
        print_error(problem)
    return 1 if without or problems else 0


def show_report(config: TrainingConfig, *, rebuild: bool, port: int | None) -> ExitCode:
    """Print the path of the report, and open it in a browser if stdout is a terminal.

    Args:
        config: names the store.
        rebuild: compute the aggregates from the stored batches first. Problems and warnings are
            printed on stderr.
        port: serve the report at this port until interrupted, instead of opening it.

    Returns:
        1 if the rebuilt results have problems, else 0.

    Raises:
        ConfigurationError: the port is taken, or no stored batch is of this configuration.
        MissingObjectError: there is no report.
        TrainingError: the report could not be rebuilt.
    """
    problems = _problems(rebuild_results(config)) if rebuild else []
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


def _require_success(run: dg.ExecuteInProcessResult) -> None:
    """Check that no step failed.

    Raises:
        TrainingError: some did; the message says why.
    """
    if not run.success:
        raise TrainingError("; ".join(_failures(run)))


def _failures(run: dg.ExecuteInProcessResult) -> list[str]:
    events = run.filter_events(lambda event: event.is_step_failure)
    return [failure_message(event) for event in events]


def _failed_checks(run: dg.ExecuteInProcessResult, severity: dg.AssetCheckSeverity) -> list[str]:
    """Return the messages of the failed checks, but for those whose variables are listed."""
    return [
        check.description or check.check_name
        for check in run.get_asset_check_evaluations()
        if not check.passed and check.severity == severity and check.check_name != _LISTED
    ]


def _problems(run: dg.ExecuteInProcessResult) -> list[str]:
    """Return why the rebuilt results are not a success.

    Raises:
        TrainingError: the results were not rebuilt.
    """
    report = dg.AssetKey("training_report")
    events = run.get_asset_materialization_events()
    if not any(event.asset_key == report for event in events):
        _require_success(run)
    return _failures(run)


def _serve(store: Store, port: int) -> ExitCode:
    try:
        server = report_server(port, lambda: store.read(_REPORT))
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"--serve {port}: {error}: choose another port") from error
    with server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}/\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):  # Ctrl-C is how a user ends it
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
