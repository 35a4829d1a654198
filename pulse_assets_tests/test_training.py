"""The whole graph: from a source to stored tables, results and report; what errors become."""

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

import dagster as dg
import jsonschema
import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest
from dagster._core.executor.in_process import InProcessExecutor
from sqlalchemy.exc import OperationalError

import pulse_assets
from pulse_assets import TrainingConfig, TrainingPipeline, train
from pulse_assets.batches import blocks
from pulse_assets.batches.fingerprint import configuration_fingerprint
from pulse_assets.batches.windows import batch_starts, make_batch
from pulse_assets.catalog import BATCH_TABLES
from pulse_assets.dagster.instance import open_instance
from pulse_assets.dagster.partitions import batch_partitions
from pulse_assets.errors import (
    ClusterError,
    ConfigurationError,
    HistoricalDataError,
    RuleError,
    StoreError,
    TrainingError,
)
from pulse_assets.execution.batch_task import BatchTask
from pulse_assets.execution.tally import NoProgress
from pulse_assets.preflight import check_ready
from pulse_assets.settings import dagster_home
from pulse_assets_tests.conftest import MODELS, stored, write_source
from pulse_assets_tests.one_batch import run_batch

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pulse_assets"
BREAKABLE = "pulse_assets_tests.own_rules:Breakable"

#: Twelve batches over 2005 of the two series of the `source` fixture.
SMALL = {
    "start_date": "2005-01-01",
    "end_date": "2005-12-26",
    "models": MODELS,
    "horizons": [1, 3],
    "max_workers": 1,
}


@pytest.fixture
def small(source, tmp_path):
    return {**SMALL, "source": str(source), "store": str(tmp_path / "store")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The configuration and the results of a training that no test changes."""
    folder = tmp_path_factory.mktemp("trained")
    places = {"source": str(write_source(folder / "source")), "store": str(folder / "store")}
    config = TrainingConfig(**SMALL, **places, output_file=folder / "new" / "results.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        return config, train(config)


def partition_status(config, asset):
    partitions = batch_partitions(config.settings())
    keys = partitions.get_partition_keys()
    with open_instance(dagster_home()) as instance:
        found = instance.get_status_by_partition(dg.AssetKey(asset), keys, partitions)
    return {key: found[key].value if found[key] else None for key in keys}


def test_the_graph_equals_one_plain_loop(trained, tmp_path):
    config, results = trained
    assert results.success
    assert results.data["batches"]["total"] == 12
    looped = config.model_copy(update={"store": str(tmp_path / "looped")})
    settings, options = looped.settings(), check_ready(looped.settings(), looped.options())
    for start in batch_starts(looped.start_date, looped.end_date, looped.batch_size_days):
        batch = make_batch(start.isoformat(), looped.end_date, 30, options.variables)
        run_batch(BatchTask((batch,), settings, options))
    graph, loop = stored(config.store), stored(looped.store)
    results = ("skill_by_horizon", "significance", "scores_by_period")
    for name in ("trust_ledger", "next_forecasts", *results):
        assert graph.pop(f"{name}/{name}.parquet")
    assert graph == loop
    assert len(loop) == 4 * 12


def linked_source(folder):
    """Monthly series: `follower` moves as `leader` did three months before, `noise` alone."""
    rng = np.random.default_rng(2)
    leader, follower, noise = rng.standard_normal((3, 360))
    follower[3:] = 0.3 * follower[3:] + leader[:-3]
    folder.mkdir()
    dates = pd.date_range("1990-01-01", periods=360, freq="MS")
    for name, changes in {"leader": leader, "follower": follower, "noise": noise}.items():
        series = pd.DataFrame({"timestamp": dates, "value": 100.0 + np.cumsum(changes)})
        series.to_csv(folder / f"historical_{name}.csv", index=False)
    return str(folder)


def test_a_variable_that_leads_another_is_found_and_trusted(tmp_path):
    config = {"source": linked_source(tmp_path / "linked"), "store": str(tmp_path / "store")}
    config |= {"start_date": "2012-01-01", "end_date": "2019-12-31", "batch_size_days": 365}
    results = train(
        TrainingConfig(**config, models=["naive", "ar_diff_3"], horizons=[1, 3], max_workers=1)
    )
    assert [name for name in results.models["model"] if name.startswith("ar_")] == [
        *("ar_with_*", "ar_diff_3")
    ]
    boards = results.data["models_by_variable"].values()
    models = {row["model"] for board in boards for row in board}
    partners = [model for model in models if model.startswith("ar_with_")]
    assert partners == ["ar_with_leader"]
    ledger = pq.read_table(tmp_path / "store/trust_ledger/trust_ledger.parquet").to_pandas()
    latest = ledger.groupby(["variable", "model"], observed=True)["trust"].last()
    assert [variable for variable, model in latest.index if model == partners[0]] == ["follower"]
    follower = latest["follower"]
    assert follower["ar_with_leader"] > max(follower["naive"], follower["ar_diff_3"]) + 0.2
    best = results.data["variables"]["details"]["follower"]
    assert best["best_model"] == "ar_with_leader"
    assert best["skill"] > 0.3


def test_results_fit_their_schema_and_are_found_again(trained):
    _, results = trained
    schema = json.loads((PACKAGE / "training_results.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(results.data)
    assert json.loads(Path(results.results_path).read_text()) == results.data
    assert Path(results.report_path).read_text().startswith("<!doctype html>")
    assert set(results.models["model"]) == {*MODELS, "ensemble", "ensemble_median"}
    assert set(results.trust_scores) == {"line", "wave"}
    assert results.errors == []
    performance = results.data["performance"]
    assert performance["duration_seconds"] > 0
    assert performance["speedup_factor"] > 0


def test_naive_is_always_there_to_compare_with(small):
    results = train(TrainingConfig(**{**small, "models": ["drift"], "batch_limit": 1}))
    assert "naive" in set(results.models["model"])


def test_the_naive_row_equals_a_pandas_computation(trained):
    config, results = trained
    errors = []
    for name in ("line", "wave"):
        y = pd.read_csv(
            Path(config.source) / f"historical_{name}.csv", parse_dates=["timestamp"]
        ).set_index("timestamp")["value"]
        scale = y.diff(12).abs().expanding().mean()
        window = slice(SMALL["start_date"], SMALL["end_date"])
        for horizon in (1, 3):
            scaled = (y - y.shift(horizon)).abs() / scale.shift(horizon)
            errors.append(scaled.loc[window])
    expected = pd.concat(errors)
    row = results.models.set_index("model").loc["naive"]
    assert row["n"] == len(expected) == 48
    assert row["mase"] == pytest.approx(expected.mean(), rel=1e-5)
    assert row["skill"] == 0


def test_empty_windows_are_skipped_with_their_reason(small):
    results = train(TrainingConfig(**{**small, "batch_size_days": 10, "batch_limit": 5}))
    assert results.success
    assert results.data["batches"] == {
        "total": 5,
        "completed": 2,
        "skipped": 3,
        "failed": 0,
        "success_rate": 1.0,
        "not_run": 0,
    }
    assert results.data["skipped"][0] == {
        "batch": "2005-01-11",
        "reason": "no observation in the window",
    }


@pytest.fixture
def broken(source, tmp_path, monkeypatch):
    """Sixty batches, three of which meet a value on which the rule raises."""
    monkeypatch.setenv("BROKEN_VALUES", "45.5 52 64.5")
    # The rule looks at the last origin that it gets, which must be that of a batch, not of a block.
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    return TrainingConfig(
        **SMALL
        | {
            "source": str(source),
            "store": str(tmp_path / "store"),
            "variables": ["line"],
            "models": ["naive", BREAKABLE],
            "on_rule_error": "fail",
            "horizons": [1],
            "batch_size_days": 31,  # so that each window has a month's first day
            "start_date": "2004-11-01",
            "end_date": "2009-12-04",
        }
    )


@pytest.mark.slow
def test_three_of_sixty_batches_fail_and_are_mended(broken, tmp_path, monkeypatch):
    results = train(broken)
    failed = [error["batch"] for error in results.errors]
    assert not results.success
    assert (results.data["batches"]["completed"], len(failed)) == (57, 3)
    for error in results.errors:
        assert error["batch"] in results.message
        assert "'breakable'" in error["message"]
        assert "no forecast from" in error["message"]
    for asset in BATCH_TABLES[:3]:
        status = partition_status(broken, asset)
        assert [key for key, value in status.items() if value == "FAILED"] == failed
        assert sum(value == "MATERIALIZED" for value in status.values()) == 57
    assert Path(results.report_path).exists()

    monkeypatch.delenv("BROKEN_VALUES")
    before = stored(broken.store)
    mended = train(broken.model_copy(update={"resume": True}))
    after = stored(broken.store)
    assert mended.success
    assert mended.data["batches"]["completed"] == 60
    assert set(partition_status(broken, "retrodictions").values()) == {"MATERIALIZED"}
    batches = {path for path in before if "batch_size_days" in path}
    changed = {Path(path).stem for path in batches if before[path] != after[path]}
    assert changed == set(failed)  # of these only the metrics were there, saying failed

    unbroken = broken.model_copy(update={"store": str(tmp_path / "unbroken")})
    assert train(unbroken).success
    assert stored(unbroken.store) == after


@pytest.mark.slow
def test_allowed_failures_do_not_fail_the_run(broken):
    results = train(broken.model_copy(update={"max_failed_batches": 3}))
    assert results.success
    assert len(results.errors) == 3


def test_a_resumed_run_notices_changed_input_and_damage(small, source):
    config = TrainingConfig(**small)
    train(config)
    before = stored(config.store)
    line = source / "historical_line.csv"
    line.write_text(line.read_text().replace("2005-11-01,45.0", "2005-11-01,99.0"))
    damaged = Path(config.store) / "retrodictions/batch_size_days=30/2005-03-02.parquet"
    damaged.write_bytes(damaged.read_bytes()[:100])
    train(config.model_copy(update={"resume": True}))
    after = stored(config.store)
    assert (
        after[str(damaged.relative_to(config.store))]
        == before[str(damaged.relative_to(config.store))]
    )
    changed = {Path(path).stem for path in before if before[path] != after[path]}
    aggregates = {"trust_ledger", "next_forecasts", "skill_by_horizon", "significance"}
    aggregates.add("scores_by_period")
    assert changed == {"2005-10-28", "2005-11-27"} | aggregates


def test_batches_of_another_configuration_are_not_aggregated(small):
    train(TrainingConfig(**small, batch_limit=4))
    results = train(TrainingConfig(**{**small, "horizons": [2], "batch_limit": 2}))
    assert results.data["batches"]["total"] == 2
    assert {*results.skill_by_horizon["horizon"]} == {2}


def test_copies_of_the_results(trained):
    config, results = trained
    assert json.loads(config.output_file.read_text()) == results.data


@pytest.mark.parametrize(
    ("changes", "error", "texts"),
    [
        ({"variables": ["lime"]}, ConfigurationError, ["'lime'", "'line'", "line, wave"]),
        ({"publication_lag_days": {"lime": 3}}, ConfigurationError, ["'lime'", "line, wave"]),
        ({"publication_lag_days": -1}, ConfigurationError, ["-1 days", "0 to 3650"]),
        ({"score_against": "zeroth"}, ConfigurationError, ["'zeroth'", "first, latest"]),
        ({"models": ["naiv"]}, RuleError, ["'naiv'", "'naive'"]),
        ({"models": ["no.such:Rule"]}, RuleError, ["no.such"]),
        ({"source": "/no/such/place"}, HistoricalDataError, ["/no/such/place"]),
        ({"source": "ftp://host/x"}, ConfigurationError, ["'ftp://host/x'"]),
        ({"store": "/dev/null/store"}, StoreError, ["/dev/null"]),
        ({"output_file": "/dev/null/x.json"}, StoreError, ["/dev/null"]),
        (
            {"use_dask": True, "dask_scheduler_address": "tcp://127.0.0.1:9"},
            ClusterError,
            ["tcp://127.0.0.1:9"],
        ),
    ],
)
def test_bad_input_is_explained_and_nothing_is_written(small, changes, error, texts, monkeypatch):
    monkeypatch.setattr("pulse_assets.execution.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(error) as caught:
        train(TrainingConfig(**{**small, **changes}))
    for text in texts:
        assert text in str(caught.value)
    assert not Path(small["store"]).exists()
    assert not dagster_home().exists()


def test_a_bad_row_names_file_and_row(small, source):
    with (source / "historical_wave.csv").open("a") as file:
        file.write("2010-01-01,much\n")
    with pytest.raises(HistoricalDataError, match=r"historical_wave\.csv.*122.*much"):
        train(TrainingConfig(**small))
    assert not Path(small["store"]).exists()


def test_a_home_that_cannot_be_written_is_explained(small, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "/dev/null/home")
    with pytest.raises(ConfigurationError, match="DAGSTER_HOME /dev/null/home cannot be used"):
        train(TrainingConfig(**small))


def test_a_default_home_that_cannot_be_written_is_named_as_the_default(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME")
    with (
        pytest.raises(ConfigurationError, match="DAGSTER_HOME /dev/null/x, the default as it is"),
        open_instance(Path("/dev/null/x")),
    ):
        pytest.fail("it was opened")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            (ROOT / "deploy" / "dagster.yaml").read_bytes(),
            "needs the environment variable PULSE_POSTGRES_URL, which is not set: set it",
        ),
        (b"storage: [", "cannot be used (while parsing a flow "),
        (b"storrage: {}", '(Received unexpected config entry "storrage" at the root): correct it'),
        (b"storage: {postgres: {}}", "exactly one of `postgres_url` or `postgres_db`): correct it"),
        (b"- storage", "to parse to dictionary, instead got: \"['storage']\"): correct it"),
        (b"\xff", "cannot be used ('utf-8' codec can't decode byte 0xff"),
    ],
)
def test_a_dagster_yaml_that_cannot_be_used_is_explained(small, monkeypatch, text, message):
    monkeypatch.delenv("PULSE_POSTGRES_URL", raising=False)
    file = dagster_home() / "dagster.yaml"
    file.parent.mkdir()
    file.write_bytes(text)
    with pytest.raises(ConfigurationError) as refused:
        train(TrainingConfig(**small))
    assert str(refused.value).startswith(f"{file} ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_address_that_is_no_database_is_explained(small):
    dagster_home().mkdir()
    (dagster_home() / "dagster.yaml").write_text("storage: {postgres: {postgres_url: nowhere}}")
    with pytest.raises(TrainingError, match=r"Dagster's records \(DAGSTER_HOME .*check that their"):
        train(TrainingConfig(**small))


def spawned():
    """Return the worker processes of this process."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "spawn_main" in str(child.cmdline())]


class Interrupts(NoProgress):
    """Presses Ctrl-C when the third batch is done."""

    def __init__(self):
        self.finished, self.hooks, self.workers = 0, set(), []
        self.before = spawned()  # of a cluster that other tests share

    def update(self, status, batch):
        self.finished += 1
        self.hooks.add(sys.unraisablehook)
        if self.finished == 3:
            self.workers = [child for child in spawned() if child not in self.before]
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    "workers", [1, pytest.param(2, marks=pytest.mark.slow)], ids=["in process", "two workers"]
)
def test_an_interrupt_leaves_finished_batches_and_a_failed_run(small, workers):
    config = TrainingConfig(**small | {"max_workers": workers})
    hook, handler, progress = sys.unraisablehook, signal.getsignal(signal.SIGINT), Interrupts()
    with pytest.raises(KeyboardInterrupt):
        train(config, progress=progress)
    assert progress.hooks == {hook}  # the process belongs to the caller
    assert signal.getsignal(signal.SIGINT) is handler
    assert bool(progress.workers) == (workers > 1)
    assert not any(worker.is_running() for worker in progress.workers)
    done = [path for path in stored(config.store) if path.startswith("batch_metrics")]
    assert len(done) == 3 if workers == 1 else len(done) >= 3
    with open_instance(dagster_home()) as instance:
        (run,) = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.FAILURE
    results = train(config.model_copy(update={"resume": True}))
    assert (results.data["batches"]["total"], results.errors) == (12, [])


def test_a_pipeline_trains_as_the_function_does(small, trained):
    batches = []

    class Listener(NoProgress):
        def update(self, status, batch):
            batches.append(batch)

    results = TrainingPipeline(progress=Listener()).execute(TrainingConfig(**small))
    assert (len(batches), results.success) == (12, True)
    pd.testing.assert_frame_equal(results.models, trained[1].models)


def test_results_have_a_type_for_each_field(trained):
    _, results = trained
    assert results.document.batches.completed == results.data["batches"]["completed"]
    assert results.document.models[0].model == results.models["model"][0]
    assert results.trust_scores == results.data["variables"]["trust_scores"]
    checks = results.document.checks
    assert [check["name"] for check in checks] == [check.name for check in checks]
    assert [asdict(check) for check in checks] == results.data["checks"]


def test_the_log_changes_neither_batches_nor_results(small, trained, tmp_path):
    config = TrainingConfig(**small, log_level="debug", log_dir=tmp_path / "logs")
    assert (config.log_level, trained[0].log_level) == ("DEBUG", "WARNING")
    fingerprints = [
        configuration_fingerprint(each.settings(), check_ready(each.settings(), each.options()))
        for each in (config, trained[0])
    ]
    assert fingerprints[0] == fingerprints[1]
    assert "log_level" not in trained[1].data["configuration"]
    assert not (tmp_path / "logs").exists()  # the command line alone writes it


def test_what_programs_need_is_exported():
    for name in pulse_assets.__all__:
        exported = getattr(pulse_assets, name)
        assert getattr(exported, "__name__", name) == name  # an executor has none
    with pytest.raises(AttributeError, match="'pulse_assets' has no attribute 'tain'"):
        _ = pulse_assets.tain


class DatabaseLost(NoProgress):
    """The database of Dagster's records breaks off while a step notes something in it."""

    def update(self, status, batch):
        raise OperationalError("INSERT", {}, OSError("server closed the connection\nis it there?"))


def test_a_step_that_loses_the_database_says_whose_it_is_and_how_to_go_on(small):
    text = (
        rf"^Dagster's records \(DAGSTER_HOME {dagster_home()}\) .*server closed the connection\): "
        "check that their database is running; finished batches are kept, "
        "--resume computes the others$"
    )
    with pytest.raises(TrainingError, match=text):
        train(TrainingConfig(**small), progress=DatabaseLost())


def test_a_run_that_fails_outside_of_its_steps_says_why(small, monkeypatch):
    """As when the database of the records is away for a while."""

    def execute(self, plan_context, execution_plan):
        raise OperationalError("INSERT", {}, OSError("connection to server at host failed\nis it?"))

    monkeypatch.setattr(InProcessExecutor, "execute", execute)
    text = "^the run ended without results: .*connection to server at host failed\\): check"
    with pytest.raises(TrainingError, match=text):
        train(TrainingConfig(**small))
