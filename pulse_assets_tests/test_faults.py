"""What is lost when processes die in the middle of a training: nothing that was finished."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from distributed import Client

from pulse_assets import TrainingConfig, train
from pulse_assets.dagster.instance import open_instance
from pulse_assets.dagster.run_process import PROCESS_TAG
from pulse_assets.execution.tally import NoProgress
from pulse_assets.settings import dagster_home
from pulse_assets_tests.conftest import object_count, stored
from pulse_assets_tests.execution.clusters import StandingCluster, standing_cluster, wait_until
from pulse_assets_tests.execution.test_fan_out import tasks_of_fan_outs
from pulse_assets_tests.postgres import postgres
from pulse_assets_tests.test_four_ways import UserInterface, serving

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
BATCHES = 60
OBJECTS = object_count(BATCHES)


@pytest.fixture(scope="module")
def months(tmp_path_factory):
    """A source with one monthly series, 2000 to 2009."""
    folder = tmp_path_factory.mktemp("source")
    rows = [f"{2000 + i // 12}-{i % 12 + 1:02d}-01,{10 + 0.5 * i}" for i in range(120)]
    (folder / "historical_line.csv").write_text("timestamp,value\n" + "\n".join(rows) + "\n")
    return folder


def sixty_batches(source, store, **changes):
    """Sixty batches of a month each, with a rule that takes its time for each block of them."""
    values = {
        "variables": ["line"],
        "models": ["naive", "pulse_assets_tests.own_rules:Lethal"],
        "horizons": [1],
        "batch_size_days": 31,  # so that each window has a month's first day
        "start_date": "2004-11-01",
        "end_date": "2009-12-04",
        "max_workers": 2,
    }
    return TrainingConfig(source=str(source), store=str(store), **values | changes)


@pytest.fixture
def config(months, tmp_path):
    return sixty_batches(months, tmp_path / "store")


@pytest.fixture(scope="module")
def undisturbed(months, tmp_path_factory):
    """The objects of a run to which nothing happens."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        assert train(sixty_batches(months, folder / "store", max_workers=1)).success
    objects = stored(folder / "store")
    assert len(objects) == OBJECTS
    return objects


class Command:
    """`pulse-train` in a process, and process group, of its own."""

    def __init__(self, config, folder, *options, seconds="2", **environment):
        file = folder / "config.yaml"
        file.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))
        self._store = Path(config.store)
        self._output = folder / f"output-{time.monotonic_ns()}.txt"
        command = [sys.executable, "-m", "pulse_assets.run_training", "--config", str(file)]
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [*command, *options],
                env=os.environ | {"BATCH_SECONDS": seconds} | environment,
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def done(self):
        """Number of batches that are in the store."""
        return len([*self._store.glob("batch_metrics/*/*.parquet")])

    def wait_for_batches(self, count):
        wait_until(lambda: self.done >= count or self.process.poll() is not None, 240)
        assert self.process.poll() is None, self.said()

    def workers(self):
        """The worker processes, which a server process forks."""
        workers = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # one that has just ended
                if "forkserver" in " ".join(child.cmdline()):
                    workers += child.children()
        return workers

    def finish(self, seconds=300):
        """Wait for the end; return the exit code and what was said."""
        code = self.process.wait(seconds)
        return code, self.said()

    def said(self):
        return self._output.read_text()


def unexpected(said):
    """The lines of a run's output but for those of its start, its batches and its phases."""
    known = re.compile(r"\d+ batch(es)? of |source: |publication: |batches \d|.* \.\.\.$")
    return [line for line in said.splitlines() if not known.match(line)]


@pytest.fixture
def command(config, tmp_path):
    started = []

    def command(*options, **environment):
        started.append(Command(config, tmp_path, *options, **environment))
        return started[-1]

    yield command
    for one in started:
        one.process.kill()
        one.process.wait()


def existing(cluster):
    return ("--use-dask", "--dask-scheduler-address", cluster.address)


def check_whole(config, undisturbed):
    """The store holds what an undisturbed run stores, and each batch counts once."""
    assert stored(config.store) == undisturbed
    ledger = pq.read_table(Path(config.store) / "trust_ledger" / "trust_ledger.parquet")
    keys = (ledger[name].to_pylist() for name in ("batch", "model", "horizon"))
    counts = Counter(zip(*keys, strict=True))
    assert set(counts.values()) == {1}
    assert results(config)["batches"]["completed"] == BATCHES


def results(config):
    file = Path(config.store) / "training_results" / "training_results.json"
    return json.loads(file.read_text())


def check_no_half_objects(config, undisturbed):
    found = stored(config.store)
    assert found.items() <= undisturbed.items()


class Unchanged(NoProgress):
    """Counts the batches that are left as they are."""

    count = 0

    def update(self, status, batch):
        self.count += status == "unchanged"


def check_resumes(config, undisturbed, *, finished, at_most=BATCHES - 1):
    """A resumed run, in this process, computes the rest only."""
    again = config.model_copy(update={"resume": True, "max_workers": 1})
    results = train(again, progress=(unchanged := Unchanged()))
    assert results.success, results.message
    assert finished <= unchanged.count <= at_most
    check_whole(config, undisturbed)


def runs():
    with open_instance(dagster_home()) as instance:
        return instance.get_runs()


def test_killed_workers_of_the_own_cluster(command, config, undisturbed):
    run = command()
    for batches in (8, 25):
        run.wait_for_batches(batches)
        run.workers()[0].kill()
    code, said = run.finish()
    assert code == 0, said
    check_whole(config, undisturbed)


def test_all_workers_are_killed_and_others_join(command, config, undisturbed, tmp_path):
    with standing_cluster(tmp_path, 2, cwd=ROOT) as cluster:
        run = command(*existing(cluster))
        run.wait_for_batches(10)
        cluster.kill_workers()
        wait_until(lambda: f"{cluster.address} has no worker, so " in run.said(), 60)
        assert run.process.poll() is None
        cluster.add_worker()
        cluster.add_worker()
        code, said = run.finish()
    assert code == 0, said
    check_whole(config, undisturbed)


def test_a_worker_is_stopped_for_good(command, config, undisturbed, tmp_path):
    """Dask counts it as lost after 15 seconds, and not while a busy machine starts it."""
    environment = os.environ | {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "15s"}
    with standing_cluster(tmp_path, 2, cwd=ROOT, env=environment) as cluster:
        run = command(*existing(cluster))
        run.wait_for_batches(10)
        cluster.workers[0].send_signal(signal.SIGSTOP)
        code, said = run.finish()
    assert code == 0, said
    check_whole(config, undisturbed)


def test_a_killed_scheduler(command, config, undisturbed, tmp_path):
    with standing_cluster(
        tmp_path, 2, cwd=ROOT, env=os.environ | {"BATCH_SECONDS": "2"}
    ) as cluster:
        run = command(*existing(cluster))
        run.wait_for_batches(10)
        address = cluster.address
        cluster.scheduler.kill()
        code, said = run.finish()
        assert code == 1
        assert f"error: the Dask scheduler {address} was lost" in said
        assert "Traceback" not in said
    assert runs()[0].status == dg.DagsterRunStatus.FAILURE
    check_no_half_objects(config, undisturbed)
    check_resumes(config, undisturbed, finished=10)


def test_a_killed_run(command, config, undisturbed):
    run = command()
    run.wait_for_batches(10)
    workers = run.workers()
    run.process.kill()
    run.process.wait()
    psutil.wait_procs(workers, 10)
    assert not any(worker.is_running() for worker in workers)
    check_no_half_objects(config, undisturbed)
    (dead,) = runs()
    assert dead.status == dg.DagsterRunStatus.STARTED
    code, said = command("--resume", seconds="0").finish()
    assert code == 0, said
    assert 10 <= int(re.findall(r"(\d+) unchanged", said)[-1]) < BATCHES
    check_whole(config, undisturbed)
    assert [run.status.value for run in runs()] == ["SUCCESS", "FAILURE"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt(command, config, undisturbed, how):
    """As a terminal sends Ctrl-C: to the command and all its children."""
    run = command()
    run.wait_for_batches(10)
    workers = run.workers()
    send = os.killpg if how == signal.SIGINT else os.kill
    send(run.process.pid, how)
    code, said = run.finish(10)
    assert code == 1
    assert unexpected(said) == [
        "error: interrupted: finished batches are kept, --resume computes the others"
    ]
    assert not any(worker.is_running() for worker in workers)
    assert runs()[0].status == dg.DagsterRunStatus.FAILURE
    check_no_half_objects(config, undisturbed)
    check_resumes(config, undisturbed, finished=10)


@pytest.mark.parametrize("when", ["the cluster starts", "the run is planned"])
def test_an_interrupt_before_the_first_batch(command, config, when):
    """Ten seconds are asked for, on a machine that does not also run other tests.

    It took 0.9 to 2.5 s on two cores that were free, up to 7.3 s with six processes on them: a
    cluster that is under way starts first and is closed then.
    """
    assert runs() == []  # Dagster's tables are there: two processes must not make them at once
    run = command()
    wait_until(run.workers if when == "the cluster starts" else runs, 60)
    os.killpg(run.process.pid, signal.SIGINT)
    code, said = run.finish(15)
    assert code == 1
    assert unexpected(said) == [
        "error: interrupted: finished batches are kept, --resume computes the others"
    ]
    assert {run.status.value for run in runs()} <= {"FAILURE"}


@pytest.fixture
def page(config, tmp_path):
    """The Dagster UI, with an existing cluster of two workers."""
    environment = os.environ | {"BATCH_SECONDS": "2"}
    training = {name: getattr(config, name) for name in ("variables", "models", "horizons")}
    log = tmp_path / "servers.log"
    with (
        standing_cluster(tmp_path, 2, cwd=ROOT, env=environment) as cluster,
        serving(config, log) as ui,
    ):
        yield Page(ui, cluster, training)


@dataclass
class Page:
    """The UI and the cluster on which it starts trainings."""

    ui: UserInterface
    cluster: StandingCluster
    training: dict

    def launch(self, config, batches):
        """Launch a backfill; return its run when it has stored that many batches."""
        on, began = {"existing": {"address": self.cluster.address}}, time.time()
        self.ui.launch(self.training, self.ui.keys(), on)

        def stored_since():
            files = Path(config.store).glob("batch_metrics/*/*.parquet")
            return sum(file.stat().st_mtime >= began for file in files)

        wait_until(lambda: stored_since() >= batches, 90)
        return next(run for run in runs() if not run.is_finished)


def status(run):
    return next(found.status.value for found in runs() if found.run_id == run.run_id)


def test_terminate_in_the_ui_and_a_killed_run_of_the_ui(page, config, undisturbed, command):
    with Client(page.cluster.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        theirs = client.submit(time.sleep, 180, key="pulse-theirs")
        run = page.launch(config, 5)
        assert len(tasks_of_fan_outs(client)) > 2
        page.ui.terminate(run.run_id)
        wait_until(lambda: status(run) == "CANCELED", 10)
        wait_until(lambda: tasks_of_fan_outs(client) == ["pulse-theirs"], 10)
        assert theirs.status == "pending"  # still asleep
        check_no_half_objects(config, undisturbed)

        killed = page.launch(config, 10)
        _, pid, *_ = killed.tags[PROCESS_TAG].split()
        psutil.Process(int(pid)).kill()
        wait_until(lambda: status(killed) == "FAILURE", 60)
        wait_until(lambda: tasks_of_fan_outs(client) in (["pulse-theirs"], []), 60)
        check_no_half_objects(config, undisturbed)
    check_resumes(config, undisturbed, finished=10)


def test_a_batch_that_kills_its_worker_fails_alone(command, config, undisturbed, tmp_path):
    """It is the last of its block, whose others are computed."""
    log = tmp_path / "deaths"
    poison = {"LETHAL_VALUE": "69.0", "LETHAL_LOG": str(log)}
    code, said = command(seconds="0.1", **poison).finish()
    assert code == 1
    assert len(log.read_text().splitlines()) == 3
    (error,) = results(config)["errors"]
    assert error["type"] == "LostWorkerError"
    assert error["batch"] in said
    assert results(config)["batches"]["completed"] == BATCHES - 1
    check_resumes(config, undisturbed, finished=BATCHES - 1)


def keep_records_in(server):
    """Make the Dagster instance one of this database; it asks for no password and gets one."""
    storage = {"postgres": {"postgres_url": server.url.replace("pulse@", "pulse:hidden@")}}
    dagster_home().mkdir(parents=True)
    (dagster_home() / "dagster.yaml").write_text(
        yaml.safe_dump({"telemetry": {"enabled": False}, "storage": storage})
    )


def test_postgresql_is_lost_for_good(command, config, undisturbed):
    with postgres() as server:
        keep_records_in(server)
        run = command(seconds="8")  # so long that the loss is noticed before the last batch
        run.wait_for_batches(10)
        server.control("stop", "-m", "fast")
        code, said = run.finish()
        assert code == 1
        assert "Traceback" not in said
        assert "hidden" not in said
        (line,) = re.findall("^error: .*", said, re.MULTILINE)
        assert re.search(rf"DAGSTER_HOME .* port {server.port} failed: Connection refused", line)
        assert "--resume computes the others" in line
        check_no_half_objects(config, undisturbed)
        server.control("start")
        check_resumes(config, undisturbed, finished=10, at_most=BATCHES)


@pytest.mark.parametrize("seconds", [20])
def test_postgresql_is_restarted(command, config, undisturbed, seconds):
    """What Dagster waits for it decides: the run ends well or with one line; nothing is lost."""
    with postgres() as server:
        keep_records_in(server)
        run = command()
        run.wait_for_batches(10)
        server.control("stop", "-m", "fast")
        time.sleep(seconds)
        server.control("start")
        code, said = run.finish()
        assert "Traceback" not in said
        if code == 0:
            check_whole(config, undisturbed)
            assert [run.status.value for run in runs()] == ["SUCCESS"]
        else:
            assert re.search(
                "^error: .*Dagster's records .*--resume computes", said, re.MULTILINE
            ), said
            check_no_half_objects(config, undisturbed)
            # Batches need no records: all may be stored before the run finds the records gone.
            check_resumes(config, undisturbed, finished=10, at_most=BATCHES)
            assert [run.status.value for run in runs()] == ["SUCCESS", "FAILURE"]
