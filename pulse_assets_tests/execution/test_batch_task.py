"""One batch from source to store: what it makes, keeps, reads, and how it fails."""

from pathlib import Path

import pytest

from pulse_assets.batches.windows import make_batch
from pulse_assets.catalog import BATCH_TABLES
from pulse_assets.errors import StoreError
from pulse_assets.execution.batch_task import BatchTask, configuration_fingerprint
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import open_store
from pulse_assets.storage.tables import decode_table, read_fingerprint
from pulse_assets_tests.conftest import MODELS, stored
from pulse_assets_tests.one_batch import fail_batch, run_batch

KEY = "2005-04-01"  # the window to 2005-04-30 holds the month of April alone
EMPTY = "2005-03-02"  # the window to 2005-03-31 holds no month's first day
ALL = frozenset(BATCH_TABLES)


@pytest.fixture
def task(settings, options):
    frequencies = {"line": "monthly", "wave": "monthly"}
    named = {"variables": list(frequencies), "frequencies": frequencies}
    options = TrainingOptions(**options.model_dump() | named)
    return BatchTask(
        (make_batch(KEY, settings.end_date, 30, options.variables),), settings, options
    )


def changed(task, *, key=KEY, tables=ALL, settings=None, **options):
    """The task with other options, settings, tables or another batch."""
    settings = Settings(**task.settings.model_dump() | (settings or {}))
    options = TrainingOptions(**task.options.model_dump() | options)
    batch = make_batch(key, settings.end_date, settings.batch_size_days, options.variables)
    return BatchTask((batch,), settings, options, frozenset(tables))


def read(task, name):
    data = open_store(task.settings.store).read(object_path(name, task.name, 30))
    return decode_table(data, name, name=name)


def made_of(task, name):
    data = open_store(task.settings.store).read(object_path(name, task.name, 30))
    return read_fingerprint(data, name=name)


def files(task):
    return {Path(path).parts[0]: data for path, data in stored(task.settings.store).items()}


def test_a_batch_stores_its_four_tables(task):
    summary = run_batch(task)
    assert (summary.batch_id, summary.status, summary.unchanged) == (KEY, "completed", False)
    assert summary.error is None
    assert summary.seconds > 0
    assert set(files(task)) == set(BATCH_TABLES) == set(summary.rows)
    # 2 series, 3 rules and 2 ensembles, 2 horizons, 1 month
    assert summary.rows["retrodictions"] == 2 * 5 * 2
    assert {name: len(data) for name, data in files(task).items()} == summary.bytes
    naive = [
        row
        for row in read(task, "retrodictions").to_pylist()
        if row["model"] == "naive" and row["variable"] == "line"
    ]
    # line = 10 + 0.5 i at month i: April 2005 is 63, so 41.5; 1 and 3 months before 41 and 40
    assert {(row["horizon"], row["predicted"], row["observed"]) for row in naive} == {
        (1, 41.0, 41.5),
        (3, 40.0, 41.5),
    }


def test_a_window_without_data_is_skipped(task):
    summary = run_batch(changed(task, key=EMPTY))
    assert summary.status == "skipped"
    assert summary.error == "no observation in the window"
    assert summary.scores == {}
    assert summary.rows["retrodictions"] == 0


def test_an_error_in_a_batch_is_stored_and_not_raised(task, source):
    (source / "historical_line.csv").write_text("timestamp,value\n2005-01-01,much\n")
    summary = run_batch(task)
    assert (summary.status, summary.error_type) == ("failed", "HistoricalDataError")
    assert "historical_line.csv" in summary.error
    assert (summary.rows, summary.bytes, summary.scores) == ({}, {}, {})
    assert set(files(task)) == {"batch_metrics"}
    (row,) = read(task, "batch_metrics").to_pylist()
    assert (row["batch"], row["status"], row["error_type"]) == (KEY, "failed", summary.error_type)
    assert row["error"] == summary.error
    assert row["variable"] is None


def test_an_error_without_a_text_is_named_by_its_class(task):
    summary = fail_batch(task, RuntimeError())
    assert (summary.error_type, summary.error) == ("RuntimeError", "RuntimeError")


def test_fail_batch_stores_what_a_lost_worker_could_not(task):
    summary = fail_batch(task, MemoryError("all gone"))
    assert (summary.status, summary.error_type) == ("failed", "MemoryError")
    assert set(files(task)) == {"batch_metrics"}
    (row,) = read(task, "batch_metrics").to_pylist()
    assert (row["status"], row["error"]) == ("failed", "all gone")


def test_a_failure_that_cannot_be_stored_is_raised(task):
    lost = changed(task, settings={"store": "/dev/null/store"})
    with pytest.raises(StoreError, match="/dev/null"):
        run_batch(lost)
    with pytest.raises(StoreError, match="/dev/null"):
        fail_batch(lost, MemoryError())


# Fingerprints and resumption


@pytest.mark.parametrize(
    "change",
    [
        {"horizons": [1, 2]},
        {"models": ["naive"]},
        {"variables": ["line"]},
        {"history_days": 1000},
        {"interval_level": 0.8},
        {"quantiles": [0.1, 0.5, 0.9]},
        {"bounds": {"line": "0:"}},
        {"ensemble": "boa"},
        {"max_partners": 0},
        {"frequencies": {"line": "monthly"}},
        {"calendar": {"line": "NYSE"}},
        {"publication_lag_days": {"line": 1}},
        {"score_against": "latest"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_options_that_change_numbers_change_the_configuration(task, change):
    before = configuration_fingerprint(task.settings, task.options)
    other = changed(task, **change)
    assert configuration_fingerprint(other.settings, other.options) != before


def test_the_length_of_a_batch_changes_the_configuration(task):
    other = changed(task, settings={"batch_size_days": 31})
    assert configuration_fingerprint(other.settings, task.options) != configuration_fingerprint(
        task.settings, task.options
    )


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ({}, {"trust_discount": 0.5}),
        ({}, {"max_failed_batches": 3}),
        ({}, {"resume": True}),
        ({}, {"on_rule_error": "fail"}),
        ({}, {"rule_timeout_seconds": 1.5}),
        ({}, {"publication_lag_days": {"line": 0}}),
        ({}, {"score_against": 1}),
        ({}, {"periods": {"covid": "2020-03-01:2020-06-30"}}),
        ({}, {"quantiles": [0.95, 0.5, 0.05, 0.1, 0.25, 0.9, 0.75]}),
        ({"store": "/elsewhere"}, {}),
        ({"source": "/elsewhere"}, {}),  # the input has a fingerprint of its own
        ({"end_date": "2006-01-01"}, {}),
        ({"batch_limit": 2}, {}),
        ({"aws_region": "eu-west-1"}, {}),
    ],
)
def test_what_changes_no_number_leaves_the_configuration(task, place, change):
    other = changed(task, settings=place, **change)
    assert configuration_fingerprint(other.settings, other.options) == configuration_fingerprint(
        task.settings, task.options
    )


def test_every_option_is_either_decisive_or_without_effect():
    """A new option must be put into one of the two tests above."""
    assert set(TrainingOptions.model_fields) == {
        *("variables", "horizons", "models", "history_days", "interval_level", "ensemble"),
        *("max_partners", "frequencies", "trust_discount", "max_failed_batches", "resume"),
        *("on_rule_error", "rule_timeout_seconds", "calendar", "publication_lag_days"),
        *("score_against", "quantiles", "bounds", "periods"),
    }


def test_each_table_bears_the_fingerprint_of_the_batch(task):
    run_batch(task)
    made = [made_of(task, name) for name in BATCH_TABLES]
    assert set(made[0]) == {"configuration", "input", "numba", "numpy"}
    assert made == [made[0]] * 4


def test_a_resumed_batch_is_kept_and_not_written_again(task):
    first = run_batch(task)
    before = {
        path: path.stat().st_mtime_ns for path in Path(task.settings.store).rglob("*.parquet")
    }
    again = run_batch(changed(task, resume=True))
    assert again.unchanged
    assert (again.status, dict(again.scores)) == ("completed", dict(first.scores))
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_without_resume_it_is_computed_again(task):
    run_batch(task)
    before = files(task)
    again = run_batch(task)
    assert not again.unchanged
    assert files(task) == before


def test_a_skipped_batch_is_kept_too(task):
    run_batch(changed(task, key=EMPTY))
    again = run_batch(changed(task, key=EMPTY, resume=True))
    assert again.unchanged
    assert again.status == "skipped"


def test_a_failed_batch_is_never_kept(task):
    fail_batch(task, MemoryError("all gone"))
    again = run_batch(changed(task, resume=True))
    assert not again.unchanged
    assert again.status == "completed"


@pytest.mark.parametrize("name", BATCH_TABLES)
@pytest.mark.parametrize("damage", ["gone", "truncated", "foreign"])
def test_a_batch_with_a_missing_or_damaged_table_is_made_again(task, name, damage):
    run_batch(task)
    before = files(task)
    file = Path(task.settings.store) / object_path(name, KEY, 30)
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(before[name][:50] if damage == "truncated" else b"not a table")
    again = run_batch(changed(task, resume=True))
    assert (again.unchanged, again.status) == (False, "completed")
    assert files(task) == before


def test_a_batch_of_other_options_is_made_again(task):
    run_batch(task)
    again = run_batch(changed(task, resume=True, interval_level=0.8))
    assert not again.unchanged


def test_a_batch_sees_a_changed_past_but_not_a_changed_future(task, source):
    run_batch(task)
    line = source / "historical_line.csv"
    text = line.read_text()
    line.write_text(text.replace("2005-05-01,42.0", "2005-05-01,99.0"))  # the day after the window
    assert run_batch(changed(task, resume=True)).unchanged
    line.write_text(text.replace("2004-05-01,36.0", "2004-05-01,99.0"))
    assert not run_batch(changed(task, resume=True)).unchanged


# Some of the tables only


def test_tables_that_are_not_made_are_read_from_the_store(task, source):
    run_batch(task)
    before = files(task)
    for file in source.iterdir():
        file.unlink()  # nothing but the store can answer now
    summary = run_batch(changed(task, tables={"batch_metrics"}))
    assert summary.status == "completed"
    assert set(summary.rows) == {"batch_metrics"}
    assert files(task) == before


@pytest.mark.parametrize("table", BATCH_TABLES)
def test_each_table_alone_is_made_again_with_the_same_bytes(task, table):
    run_batch(task)
    before = files(task)
    assert run_batch(changed(task, tables={table})).status == "completed"
    assert files(task) == before


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_first_tables_need_none_of_the_later_ones(task, count):
    first = BATCH_TABLES[:count]
    summary = run_batch(changed(task, tables=first))
    assert (summary.status, summary.error) == ("completed", None)
    assert set(summary.rows) == set(files(task)) == set(first)


def test_a_missing_table_upstream_is_named(task):
    summary = run_batch(changed(task, tables={"batch_metrics"}))
    assert (summary.status, summary.error_type) == ("failed", "MissingObjectError")
    assert f"historical_data/batch_size_days=30/{KEY}.parquet" in summary.error
    assert set(files(task)) == {"batch_metrics"}


def test_a_failure_is_stored_by_the_status_table_alone(task):
    summary = fail_batch(changed(task, tables={"retrodictions"}), MemoryError("all gone"))
    assert summary.status == "failed"
    assert not Path(task.settings.store).exists()


def test_the_rules_are_those_of_the_options(task):
    run_batch(task)
    assert set(read(task, "retrodictions")["model"].to_pylist()) == {
        *MODELS,
        "ensemble",
        "ensemble_median",
    }
