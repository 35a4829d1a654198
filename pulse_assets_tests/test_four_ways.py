"""One configuration gives the same stored bytes, however it is run and wherever it computes."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import dagster as dg
import pytest
import yaml

from pulse_assets import TrainingConfig, train
from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.definitions import build_definitions
from pulse_assets.run_training import main
from pulse_assets.settings import Settings, dagster_home
from pulse_assets_tests.conftest import MODELS, object_count, stored, write_source
from pulse_assets_tests.execution.clusters import wait_until, worker_processes

EXAMPLES = Path(__file__).parents[1] / "examples"
BREAKABLE = "pulse_assets_tests.own_rules:Breakable"
FIRST, LAST = "2005-01-01", "2005-11-27"
RANGE = {"start_date": FIRST, "end_date": "2005-12-26"}
TAGS = {"dagster/asset_partition_range_start": FIRST, "dagster/asset_partition_range_end": LAST}
OPTIONS = {"models": MODELS, "horizons": [1, 3]}
IN_PROCESS = {"local": {"n_workers": 1}}
#: The tables of twelve batches, the ledger, the next forecasts, and the skill by horizon.
OBJECTS = object_count(12)


@pytest.fixture(scope="module")
def scheduler():
    """Address of a scheduler that is there already, with two workers."""
    with worker_processes(2) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def config(source, tmp_path):
    def config(name="reference", **changes):
        values = {"max_workers": 1, "source": str(source), "store": str(tmp_path / name)}
        return TrainingConfig(**RANGE | OPTIONS | values | changes)

    return config


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """What `train` stores in one process."""
    folder = tmp_path_factory.mktemp("reference")
    places = {"source": str(write_source(folder / "source")), "store": str(folder / "store")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        assert train(TrainingConfig(**RANGE | OPTIONS | places, max_workers=1)).success
    objects = stored(folder / "store")
    assert len(objects) == OBJECTS
    return objects


def deployment(config):
    """The environment of a code location with the settings of `config`."""
    return os.environ | {
        "PULSE_STORE": config.store,
        "PULSE_SOURCE": config.source,
        "PULSE_START_DATE": str(config.start_date),
        "PULSE_END_DATE": str(config.end_date),
        "PULSE_BATCH_SIZE_DAYS": str(config.batch_size_days),
    }


def quick_daemon():
    """The environment with which the daemon that a server starts looks often at its backfills."""
    path = [str(Path(__file__).with_name("quick_daemon")), os.environ.get("PYTHONPATH")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, path))}


def job_execute(run_config, environment, *more):
    """Run the job as `dagster job execute` does."""
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "pulse_assets.definitions"]
    dagster_home().mkdir(parents=True, exist_ok=True)
    (dagster_home() / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return subprocess.run(
        [*command, "-j", JOB_NAME, "-c", str(run_config), *more],
        env=environment,
        capture_output=True,
        text=True,
    )


# Entrances


def test_the_command_line(config, reference, capsys):
    other = config("command")
    where = ("--source", other.source, "--store", other.store, "--max-workers", "1")
    dates = ("--start-date", RANGE["start_date"], "--end-date", RANGE["end_date"])
    assert main([*where, *dates, "--models", *MODELS, "--horizons", "1", "3"]) == 0
    assert stored(other.store) == reference
    assert "training_results.json" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_dagster_job_execute(config, reference, tmp_path, workers):
    """Source and store by the environment, or by run config in place of it."""
    other = config("job")
    in_environment = other if workers == 1 else config("unused", source="sample")
    data = {name: getattr(other, name) for name in ("source", "store")} if workers == 2 else {}
    run_config = tmp_path / "run_config.yaml"
    run_config.write_text(
        yaml.safe_dump(
            {
                "execution": {"config": {"cluster": {"local": {"n_workers": workers}}}},
                "resources": {"training": {"config": OPTIONS}, "data": {"config": data}},
            }
        )
    )
    ran = job_execute(run_config, deployment(in_environment), "--tags", json.dumps(TAGS))
    assert ran.returncode == 0, ran.stderr
    assert stored(other.store) == reference
    assert not (tmp_path / "unused").exists()


@pytest.mark.slow
def test_a_backfill_from_the_ui(config, reference, user_interface):
    other = config("backfill")
    with user_interface(other) as ui:
        ui.backfill(OPTIONS)
    assert stored(other.store) == reference


# Places


@pytest.mark.slow
def test_any_number_of_workers(config, reference):
    for workers in (2, 3):
        other = config(f"workers-{workers}", max_workers=workers)
        results = train(other)
        assert results.success
        assert results.data["dask_cluster"]["workers"] == workers
        assert stored(other.store) == reference


def test_an_existing_scheduler(config, reference, scheduler):
    other = config("existing", use_dask=True, dask_scheduler_address=scheduler)
    results = train(other)
    assert results.data["dask_cluster"]["scheduler"] == scheduler
    assert stored(other.store) == reference


@pytest.mark.slow
def test_two_trainings_at_once_on_one_scheduler(config, reference, scheduler, tmp_path):
    """They have the same batches, different options, and Dagster records of their own."""
    alone = config("alone", horizons=[2])
    train(alone)
    running = []
    for name, horizons in (("first", [1, 3]), ("second", [2])):
        other = config(name, horizons=horizons, use_dask=True, dask_scheduler_address=scheduler)
        script = (
            "from pulse_assets import TrainingConfig, train\n"
            f"assert train(TrainingConfig(**{other.model_dump(mode='json')!r})).success\n"
        )
        environment = os.environ | {"DAGSTER_HOME": str(tmp_path / f"home-{name}")}
        running.append(subprocess.Popen([sys.executable, "-c", script], env=environment))
    assert [process.wait() for process in running] == [0, 0]
    assert stored(tmp_path / "first") == reference
    assert stored(tmp_path / "second") == stored(alone.store)


# The shipped run configurations


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("run_config*.yaml")), ids=lambda f: f.stem)
def test_the_shipped_run_configurations_are_valid(file, monkeypatch):
    monkeypatch.setenv("PULSE_SCHEDULER", "tcp://127.0.0.1:8786")
    for name in ("CA_FILE", "CERT", "KEY"):
        monkeypatch.setenv(f"PULSE_TLS_{name}", f"/etc/pulse/{name}.pem")
    job = build_definitions(Settings()).resolve_job_def(JOB_NAME)
    found = dg.validate_run_config(job, yaml.safe_load(file.read_text()))
    assert "cluster" in found["execution"]["dask"]


@pytest.mark.slow
def test_the_shipped_run_configuration_runs_as_its_comment_says(tmp_path):
    file = EXAMPLES / "run_config.yaml"
    comment = "".join(
        line.removeprefix("#") for line in file.read_text().splitlines() if line.startswith("#")
    )
    tags = comment[comment.index("{") : comment.index("}") + 1]
    ran = job_execute(file, os.environ | {"PULSE_STORE": str(tmp_path)}, "--tags", tags)
    assert ran.returncode == 0, ran.stderr
    wanted = json.loads(tags)
    keys = sorted(path.stem for path in (tmp_path / "batch_metrics").rglob("*.parquet"))
    assert [keys[0], keys[-1]] == [
        wanted[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")
    ]
    results = json.loads((tmp_path / "training_results" / "training_results.json").read_text())
    assert set(results["variables"]["trust_scores"]) == {"inflation_rate", "unemployment_rate"}


# Backfills through the UI's own interface, on real servers


class UserInterface:
    """What a person does in the Dagster UI, through the GraphQL that it speaks."""

    def __init__(self, port):
        self._url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query, **variables):
        request = urllib.request.Request(
            self._url,
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as refused:  # with an answer like any other
            found = json.load(refused)
        assert "errors" not in found, found
        return found["data"]

    def launch(self, training, keys, cluster=IN_PROCESS):
        """Start a backfill of all assets over `keys`; return its id."""
        launched = self.ask(
            """mutation Launch($backfill: LaunchBackfillParams!) {
                 launchPartitionBackfill(backfillParams: $backfill) {
                   __typename
                   ... on LaunchBackfillSuccess { backfillId }
                   ... on PythonError { message }
                 }
               }""",
            backfill={
                "assetSelection": [{"path": [name]} for name in self.assets()],
                "partitionNames": keys,
                "runConfigData": {
                    "execution": {"config": {"cluster": cluster}},
                    "resources": {"training": {"config": training}},
                },
            },
        )["launchPartitionBackfill"]
        return launched["backfillId"]

    def reexecute(self, backfill):
        """Press *Re-execute from failure* on the page of a backfill; return the new one's id."""
        return self.ask(
            """mutation Again($id: String!) {
                 reexecutePartitionBackfill(
                   reexecutionParams: {parentRunId: $id, strategy: FROM_FAILURE}
                 ) {
                   ... on LaunchBackfillSuccess { backfillId }
                   ... on PythonError { message }
                 }
               }""",
            id=backfill,
        )["reexecutePartitionBackfill"]["backfillId"]

    def assets(self):
        nodes = self.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]
        return sorted(node["assetKey"]["path"][-1] for node in nodes)

    def keys(self):
        (node,) = self.ask(
            '{ assetNodes(assetKeys: [{path: ["batch_metrics"]}]) { partitionKeys } }'
        )["assetNodes"]
        return node["partitionKeys"]

    def backfill(self, training, keys=None, cluster=IN_PROCESS):
        """Run a backfill to its end; return its status and that of its runs, oldest first."""
        found = self.ended(self.launch(training, keys or self.keys(), cluster))
        return found["status"], [run["status"] for run in reversed(found["runs"])]

    def ended(self, backfill):
        """Wait for the end of a backfill; return what became of it."""
        until = time.monotonic() + 180
        while time.monotonic() < until:
            found = self.ask(
                """query Watch($id: String!) {
                     partitionBackfillOrError(backfillId: $id) {
                       ... on PartitionBackfill {
                         status error { message } runs(limit: 9) { status }
                       }
                     }
                   }""",
                id=backfill,
            )["partitionBackfillOrError"]
            if found["status"] not in ("REQUESTED", "CANCELING", "FAILING"):
                return found
            time.sleep(1)
        pytest.fail(f"the backfill has not ended: {found}")

    def terminate(self, run_id):
        """Press *Terminate* on the page of a run."""
        asked = self.ask(
            "mutation Stop($id: String!) { terminateRun(runId: $id) { __typename } }", id=run_id
        )
        assert asked["terminateRun"]["__typename"] == "TerminateRunSuccess", asked

    def missing(self, asset):
        """The partitions that the UI shows as not materialized or as failed."""
        found = self._statuses(asset)
        return sorted({*found["unmaterializedPartitions"], *found["failedPartitions"]})

    def failed(self, asset):
        """The partitions that the UI shows as failed."""
        return sorted(self._statuses(asset)["failedPartitions"])

    def _statuses(self, asset):
        (node,) = self.ask(
            """query Status($key: AssetKeyInput!) {
                 assetNodes(assetKeys: [$key]) {
                   assetPartitionStatuses {
                     ... on DefaultPartitionStatuses { unmaterializedPartitions failedPartitions }
                   }
                 }
               }""",
            key={"path": [asset]},
        )["assetNodes"]
        return node["assetPartitionStatuses"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(config, log, **environment):
    """Webserver and daemon on loopback, as `dagster dev` starts them."""
    port = free_port()
    home = dagster_home()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    command = [sys.executable, "-m", "dagster", "dev", "-m", "pulse_assets.definitions"]
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(port)],
            env=deployment(config) | quick_daemon() | environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        ui = UserInterface(port)
        wait_for(ui, process, log)
        yield ui
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def user_interface(tmp_path):
    def serve(config, **environment):
        return serving(config, tmp_path / "servers.log", **environment)

    return serve


def wait_for(ui, process, log):
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            if ui.assets():
                return
        time.sleep(0.5)
    pytest.fail(f"the servers did not start: {log.read_text()[-2000:]}")


#: Values of the line, each the last before the target of one batch, which is the last of its block:
#: the rule raises where the last origin that it gets has such a value.
BROKEN = {"42.0": "2005-05-31", "43.5": "2005-08-29", "45.0": LAST}


@pytest.mark.slow
def test_batches_that_fail_in_a_later_backfill_are_shown_as_failed_and_mended(
    config, source, user_interface
):
    """The run of the batches is red, so the sensor requests the aggregates that Dagster leaves out.

    *Re-execute from failure* then makes those batches and no others.
    """
    chosen = {"models": ["naive", BREAKABLE], "horizons": [1], "variables": ["line"]}
    chosen["on_rule_error"] = "fail"
    line = source / "historical_line.csv"
    broken = line.read_text()
    mended = broken
    for value in BROKEN:
        mended = mended.replace(f",{value}\n", f",{value}25\n")
    results = Path(config().store) / "training_results" / "training_results.json"
    few = {"DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "true"}  # as `make ui` sets it
    environment = {"BROKEN_VALUES": " ".join(BROKEN), **few}
    with user_interface(config(), **environment) as ui:
        line.write_text(mended)
        assert ui.backfill(chosen) == ("COMPLETED_SUCCESS", ["SUCCESS", "SUCCESS"])
        assert ui.failed("retrodictions") == []

        line.write_text(broken)
        backfill = ui.launch(chosen, ui.keys())
        assert ui.ended(backfill)["status"] == "COMPLETED_FAILED"
        wait_until(lambda: failed_in(results) == [*BROKEN.values()], 120)
        for table in ("historical_data", "training_batches", "retrodictions"):
            assert ui.failed(table) == ui.missing(table) == [*BROKEN.values()]
        assert ui.missing("batch_metrics") == []  # it says failed

        line.write_text(mended)
        assert ui.ended(ui.reexecute(backfill))["status"] == "COMPLETED_SUCCESS"
        assert ui.missing("retrodictions") == []
        wait_until(lambda: failed_in(results) == [], 120)
    batches = json.loads(results.read_text())["batches"]
    assert (batches["total"], batches["failed"]) == (12, 0)


def failed_in(results):
    return [error["batch"] for error in json.loads(results.read_text())["errors"]]
