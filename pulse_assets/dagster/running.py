"""Whether a training is running on a store, as far as Dagster's records here tell."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import dagster as dg

from pulse_assets.catalog import ASSETS
from pulse_assets.dagster.jobs import JOB_NAME, STORE_TAG
from pulse_assets.dagster.run_process import UNFINISHED, fail_dead_runs
from pulse_assets.errors import ConfigurationError, TrainingError
from pulse_assets.settings import dagster_home
from pulse_assets.storage.store import ABANDONED_AFTER, Store, open_store

_FINISHED: Final = [dg.DagsterRunStatus[name] for name in ("SUCCESS", "FAILURE", "CANCELED")]
#: Seconds by which the clocks of this machine and of the store may differ.
_CLOCKS: Final = 60.0


def refuse_while_training(instance: dg.DagsterInstance, store: Store, newest: float) -> None:
    """Check that nothing is writing the store.

    A run of this instance counts until it has ended; one that died is marked as failed first. A run
    of another instance shows only by what it writes: an object younger than an hour that no run
    known here has written.

    Args:
        instance: the records of runs.
        store: the store.
        newest: when its newest object was written, in seconds since 1970.

    Raises:
        TrainingError: a training runs, or may be running.
    """
    fail_dead_runs(instance)
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        stores = [*_stores_of(run)]
        if _real(store.uri) in stores or (_is_ours(run) and (not stores or _names_a_variable(run))):
            raise TrainingError(
                f"store {store.uri}: run {run.run_id} is {run.status.value.lower()}: wait for its "
                "end, or terminate it"
            )
    age = datetime.now(UTC).timestamp() - newest
    if age < ABANDONED_AFTER and not _is_explained(instance, store, newest):
        raise TrainingError(
            f"store {store.uri}: an object was written {max(age, 0.0) / 60:.0f} minutes ago by no "
            f"run in Dagster's records here (DAGSTER_HOME {dagster_home()}), so a training may be "
            "running elsewhere: use the DAGSTER_HOME of that run, or try again an hour after it"
        )


def _is_explained(instance: dg.DagsterInstance, store: Store, newest: float) -> bool:
    """Return whether a run that has ended wrote what was written last."""
    since = datetime.fromtimestamp(newest - _CLOCKS, UTC)
    ended = dg.RunsFilter(statuses=_FINISHED, updated_after=since)
    return any(_real(store.uri) in _stores_of(run) for run in instance.get_runs(ended))


def _is_ours(run: dg.DagsterRun) -> bool:
    """Return whether a run materializes assets of this package; at its start it names no store."""
    selected = any(key.path[-1] in ASSETS for key in run.asset_selection or ())
    return selected or run.job_name.endswith(JOB_NAME)


def _names_a_variable(run: dg.DagsterRun) -> bool:
    """Return whether a run takes its store from a variable, maybe of another process."""
    return any(isinstance(store, Mapping) for store in _configured_stores(run))


def _stores_of(run: dg.DagsterRun) -> Iterator[str]:
    """Yield the stores that a run names, in its configuration and in its tag, without links."""
    for place in filter(None, (*_configured_stores(run), run.tags.get(STORE_TAG))):
        if isinstance(place, Mapping):
            continue
        try:
            yield _real(open_store(str(place)).uri)
        except ConfigurationError:
            continue


def _real(uri: str) -> str:
    """Return the one name of a store that a path with links or `..` names, too."""
    return uri if uri.startswith("s3://") else str(Path(uri).resolve())


def _configured_stores(run: dg.DagsterRun) -> list[Any]:
    resources: Any = run.run_config.get("resources", {}) if run.run_config else {}
    configs = [each.get("config") for each in resources.values() if isinstance(each, dict)]
    return [config.get("store") for config in configs if isinstance(config, dict)]
