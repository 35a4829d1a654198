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

from pulse_assets.definitions import build_definitions
from pulse_assets.errors import ConfigurationError, TrainingError
from pulse_assets.jobs import JOB_NAME
from pulse_assets.partitions import register_batches
from pulse_assets.preflight import check_ready
from pulse_assets.report.serve import report_server
from pulse_assets.settings import TrainingConfig, dagster_home
from pulse_assets.stages.results import ENSEMBLE
from pulse_assets.status import batch_states
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import LocalStore, MissingObjectError, Store, open_store
from pulse_assets.storage.tables import decode_table
from pulse_assets.terminal import print_forecasts, print_json, print_status
from pulse_assets.training import failure_of, open_instance, run_config

_AGGREGATES: Final = ("trust_ledger", "next_forecasts", "training_results", "training_report")
_REPORT: Final = object_path("training_report", suffix="html")


def show_status(config: TrainingConfig, *, as_json: bool) -> int:
    """Print what became of each batch; return 0 when all are done, else 1."""
    states = batch_states(config.settings(), config.options())
    if as_json:
        print_json(states)
    else:
        print_status(states)
    return 0 if set(states.values()) <= {"done"} else 1


def forecast(config: TrainingConfig, *, as_json: bool) -> int:
    """Make `next_forecasts` with the stored trust, and print the ensemble's."""
    _materialize(config, ["next_forecasts"])
    path = object_path("next_forecasts")
    store = open_store(config.store, config.s3)
    table = decode_table(store.read(path), "next_forecasts", name=f"{store.uri}/{path}")
    rows = table.filter(pc.field("model") == ENSEMBLE).drop_columns(["model", "weight"])
    if as_json:
        print_json(_plain_rows(rows))
    else:
        print_forecasts(rows.to_pylist(), {"forecasts": f"{store.uri}/{path}"})
    return 0


def show_report(config: TrainingConfig, *, rebuild: bool, port: int | None) -> int:
    """Print where the report lies, and open it if a person is there to see it.

    Args:
        config: where the store is.
        rebuild: make the aggregates anew from the stored batches first.
        port: serve the report there until interrupted instead of opening it.

    Raises:
        ConfigurationError: the port is taken.
        MissingObjectError: there is no report.
        TrainingError: it could not be rebuilt.
    """
    if rebuild:
        _materialize(config, _AGGREGATES)
    store = open_store(config.store, config.s3)
    if port is not None:
        return _serve(store, port)
    place = _local_copy(store)
    sys.stdout.write(f"{place}\n")
    if sys.stdout.isatty():
        webbrowser.open(place.as_uri())
    return 0


def _materialize(config: TrainingConfig, assets: Sequence[str]) -> None:
    settings = config.settings()
    options = check_ready(settings, config.options())
    job = build_definitions(settings).resolve_job_def(JOB_NAME)
    with open_instance(dagster_home()) as instance:
        register_batches(settings, instance)
        run = job.execute_in_process(
            run_config=run_config(settings, options),
            instance=instance,
            asset_selection=[dg.AssetKey(name) for name in assets],
            raise_on_error=False,
        )
    if not run.success:
        failed = run.filter_events(lambda event: event.is_step_failure)
        raise TrainingError("; ".join(map(failure_of, failed)))


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
