"""The asset graph as Dagster sees it, and what becomes of a selection of it."""

import base64
import json
import shutil
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from pulse_assets.batches.status import grid_status
from pulse_assets.catalog import AGGREGATES, ASSETS, BATCH_TABLES, SCHEMAS
from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.dagster.resources import DATA_SETTINGS
from pulse_assets.definitions import build_definitions
from pulse_assets.definitions import defs as shipped
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets_tests.conftest import MODELS, stored, twelve_batches, write_source

BREAKABLE = "pulse_assets_tests.own_rules:Breakable"
FAIL = {"on_rule_error": "fail"}
UPSTREAM = {
    "historical_data": set(),
    "training_batches": {"historical_data"},
    "retrodictions": {"historical_data", "training_batches"},
    "batch_metrics": {"historical_data", "training_batches", "retrodictions"},
    "trust_ledger": {"batch_metrics"},
    "next_forecasts": {"trust_ledger"},
    "skill_by_horizon": {"batch_metrics", "trust_ledger", "next_forecasts"},
    "significance": {"batch_metrics", "trust_ledger", "next_forecasts"},
    "scores_by_period": {"batch_metrics", "trust_ledger", "next_forecasts"},
    "training_results": {"batch_metrics", "trust_ledger", "next_forecasts"},
    "training_report": {"batch_metrics", "trust_ledger", "next_forecasts"},
}
FIRST, SECOND, LAST = "2005-01-01", "2005-04-01", "2005-11-27"


@pytest.fixture
def graph(settings):
    return build_definitions(settings)


@pytest.fixture
def run(graph, instance):
    """Run the job with the graph and the instance of the test."""
    return partial(execute, graph, instance)


def execute(graph, instance, *assets, keys=(FIRST, LAST), key=None, data=None, **training):
    """Run the job over a range of partitions, over one, or over none, for a selection of assets."""
    chosen = {"models": MODELS, "horizons": [1, 3]} | training
    names = [f"dagster/asset_partition_range_{end}" for end in ("start", "end")]
    return graph.resolve_job_def(JOB_NAME).execute_in_process(
        run_config={"resources": {"training": {"config": chosen}, "data": {"config": data or {}}}},
        instance=instance,
        asset_selection=[dg.AssetKey(name) for name in assets] or None,
        partition_key=key,
        tags={} if key else dict(zip(names, keys, strict=False)),
        raise_on_error=False,
    )


@pytest.fixture(scope="module")
def whole_range(tmp_path_factory):
    """The store that a run of the whole range leaves."""
    folder = tmp_path_factory.mktemp("whole_range")
    settings = twelve_batches(write_source(folder / "source"), folder / "store")
    with dg.DagsterInstance.ephemeral() as instance:
        assert execute(build_definitions(settings), instance).success
    return folder / "store"


@pytest.fixture
def trained(whole_range, settings):
    """The store of the test after a run of the whole range, of which its instance knows nothing."""
    shutil.copytree(whole_range, settings.store)


def failure(result):
    """What the one failed step says."""
    events = result.filter_events(lambda event: event.is_step_failure)
    assert len(events) == 1
    data = events[0].step_failure_data
    return data.user_failure_data.description if data.user_failure_data else data.error.to_string()


def made(result):
    return {
        (event.asset_key.to_user_string(), event.partition)
        for event in result.get_asset_materialization_events()
    }


# What is defined


def test_the_shipped_definitions_load():
    loaded = shipped()
    dg.Definitions.validate_loadable(loaded)  # raises
    assert loaded.resolve_asset_graph().get_all_asset_keys() >= {
        dg.AssetKey(one) for one in UPSTREAM
    }


def test_the_assets_and_what_they_are_made_of(graph):
    assets = graph.resolve_asset_graph()
    found = {
        key.to_user_string(): {parent.to_user_string() for parent in assets.get(key).parent_keys}
        for key in assets.get_all_asset_keys()
    }
    assert found == UPSTREAM
    assert {name: set(asset.upstream) for name, asset in ASSETS.items()} == UPSTREAM


def test_batches_are_partitions_and_the_aggregates_have_none(graph, settings):
    assets = graph.resolve_asset_graph()
    for name in BATCH_TABLES:
        keys = assets.get(dg.AssetKey(name)).partitions_def.get_partition_keys()
        assert (len(keys), keys[0], keys[-1]) == (12, FIRST, LAST)
    for name in AGGREGATES:
        assert assets.get(dg.AssetKey(name)).partitions_def is None


def test_one_run_takes_a_whole_range(graph):
    assets = graph.resolve_asset_graph()
    for name in BATCH_TABLES:
        policy = assets.get(dg.AssetKey(name)).backfill_policy
        assert policy == dg.BackfillPolicy.single_run()


def test_nothing_depends_on_an_asset_that_failed_batches_lack(graph):
    """Dagster would skip the step that does."""
    assets = graph.resolve_asset_graph()
    for name in AGGREGATES:
        parents = {key.to_user_string() for key in assets.get(dg.AssetKey(name)).parent_keys}
        assert parents <= {"batch_metrics", *AGGREGATES}


GROUPS = {
    "history": {"historical_data"},
    "training": {"training_batches", "retrodictions", "batch_metrics"},
    "trust": {"trust_ledger"},
    "results": {
        *("next_forecasts", "skill_by_horizon", "significance", "scores_by_period"),
        *("training_results", "training_report"),
    },
}


def test_every_asset_is_described(graph):
    """What it is, its columns, its group, kinds, owner and source: none is without its docs."""
    groups = {}
    assets = graph.resolve_asset_graph()
    for key in assets.get_all_asset_keys():
        name, asset = key.to_user_string(), assets.get(key)
        groups.setdefault(asset.group_name, set()).add(name)
        assert "\n\n" in asset.description, f"{name}: a line and a paragraph"
        assert asset.owners == ["team:pulse"]
        assert asset.kinds
        (source,) = asset.metadata["dagster/code_references"].code_references
        assert Path(source.file_path).is_file()
        if name in SCHEMAS:
            columns = asset.metadata["dagster/column_schema"].columns
            assert [column.name for column in columns] == SCHEMAS[name].names
            assert all(len(column.description) > 5 for column in columns)
            assert "date32[day]" not in [column.type for column in columns]  # pandas: an object
    assert groups == GROUPS


def test_code_links_lead_to_the_web_where_the_deployment_says_so(settings):
    linked = Settings(**settings.model_dump() | {"code_url": "https://github.com/someone/pulse"})
    asset = build_definitions(linked).resolve_asset_graph().get(dg.AssetKey("trust_ledger"))
    (reference,) = asset.metadata["dagster/code_references"].code_references
    place = "https://github.com/someone/pulse/tree/main/pulse_assets/assets/trust_ledger.py"
    assert reference.url.startswith(place)


def test_the_job_is_partitioned_as_the_batches_are(graph):
    job = graph.resolve_job_def(JOB_NAME)
    assert job.partitions_def.get_partition_keys()[0] == FIRST


def launchpad(graph, resource):
    """The fields of a resource as the launchpad has them."""
    schema = graph.resolve_job_def(JOB_NAME).run_config_schema.config_type
    fields = schema.fields["resources"].config_type.fields[resource].config_type
    return fields.fields["config"].config_type.fields


@pytest.mark.parametrize(
    ("resource", "model", "names"),
    [
        ("training", TrainingOptions, TrainingOptions.model_fields),
        ("data", Settings, DATA_SETTINGS),
    ],
)
def test_the_launchpad_shows_every_option_with_its_text(graph, resource, model, names):
    fields = launchpad(graph, resource)
    assert set(fields) == set(names)
    for name in names:
        assert fields[name].description.startswith(model.model_fields[name].description)
        assert not fields[name].is_required


def test_the_launchpad_has_the_options_of_the_deployment_as_defaults(settings):
    lags = {"gdp": 30, "*": 5}
    options = TrainingOptions(publication_lag_days=lags, horizons=[2])
    fields = launchpad(build_definitions(settings, options=options), "training")
    assert fields["publication_lag_days"].default_value == lags
    assert fields["horizons"].default_value == [2]
    assert fields["models"].default_value is None


def test_the_launchpad_shows_bounds_and_choices(graph):
    fields = launchpad(graph, "training")
    assert fields["history_days"].description.endswith("; at least 1, at most 182625")
    assert fields["trust_discount"].description.endswith("; above 0, at most 1")
    assert {one.config_value for one in fields["ensemble"].config_type.enum_values} == {
        *("dmsfe", "boa")
    }


def test_the_launchpad_shows_the_places_of_the_deployment(graph, settings):
    shown = {name: field.default_value for name, field in launchpad(graph, "data").items()}
    assert shown == {name: getattr(settings, name) for name in DATA_SETTINGS}


def test_settings_fix_the_partitions(source, tmp_path):
    other = Settings(
        source=str(source),
        store=str(tmp_path / "store"),
        start_date="2005-01-01",
        end_date="2005-12-31",
        batch_size_days=7,
        batch_limit=3,
    )
    job = build_definitions(other).resolve_job_def(JOB_NAME)
    assert job.partitions_def.get_partition_keys() == ["2005-01-01", "2005-01-08", "2005-01-15"]


@pytest.mark.parametrize("most", [None, 5])
def test_settings_bound_the_batches_in_a_run_of_a_backfill(settings, most):
    chosen = Settings(**settings.model_dump() | {"max_batches_per_run": most})
    assets = build_definitions(chosen).resolve_asset_graph()
    policy = assets.get(dg.AssetKey("batch_metrics")).backfill_policy
    assert policy.max_partitions_per_run == most


# What a run of it does


def test_a_range_makes_every_table_of_every_batch_and_the_aggregates(run, settings):
    result = run()
    assert result.success
    keys = [Path(path).stem for path in stored(settings.store) if path.startswith("batch_metrics")]
    assert len(keys) == 12
    expected = {(name, key) for name in BATCH_TABLES for key in keys}
    assert made(result) == expected | {(name, None) for name in AGGREGATES}


def test_one_partition_is_a_run_too(run, settings):
    result = run(key=SECOND)
    assert result.success
    assert made(result) == {(name, SECOND) for name in BATCH_TABLES} | {
        (name, None) for name in AGGREGATES
    }
    batches = {Path(path).stem for path in stored(settings.store) if "batch_size_days" in path}
    assert batches == {SECOND}


def test_each_batch_is_recorded_with_its_numbers(run, settings):
    result = run(keys=(SECOND, SECOND))
    events = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    for name in BATCH_TABLES:
        file = Path(settings.store) / name / "batch_size_days=30" / f"{SECOND}.parquet"
        assert events[name]["bytes"].value == file.stat().st_size
        assert events[name]["status"].value == "completed"
    # 2 series, 3 rules and 2 ensembles, 2 horizons, 1 month
    assert events["retrodictions"]["dagster/row_count"].value == 20
    # as many were verified as were made
    assert events["batch_metrics"]["forecasts verified"].value == 20
    for name in ("share closer than naive", "coverage of the intervals"):
        assert 0 <= events["batch_metrics"][f"ensemble: {name}"].value <= 1
    assert events["batch_metrics"]["ensemble: MASE"].value > 0
    assert events["batch_metrics"]["ensemble: skill against naive"].value < 1
    assert events["batch_metrics"]["seconds of the worker"].value > 0
    assert events["batch_metrics"]["run_seconds"].value > 0
    costs = {
        name: events["batch_metrics"][f"{name} (share of its block)"].value
        for name in ("processor seconds", "requests to store and source")
    }
    assert min(costs.values()) > 0
    assert "bytes read (share of its block)" in events["batch_metrics"]  # 0: the source is cached
    written = events["batch_metrics"]["bytes written (share of its block)"].value
    assert written == sum(events[name]["bytes"].value for name in BATCH_TABLES)
    assert events["batch_metrics"]["batches in its block"].value == 1
    assert events["batch_metrics"]["run_bytes_written"].value == written


def test_the_aggregates_show_what_was_learnt(run, settings):
    result = run(keys=(FIRST, SECOND))
    shown = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    board = shown["training_results"]["leaderboard"].records
    assert {row.data["model"] for row in board} == {*MODELS, "ensemble", "ensemble_median"}
    assert len(shown["training_results"]["last_retrodictions"].records) == 2 * 4
    assert len(shown["next_forecasts"]["forecast"].records) == 2 * 2
    for name, table in (("trust_ledger", "trust_now"), ("training_results", "trust_by_variable")):
        sides = [row.data["against_0.5"] for row in shown[name][table].records]
        assert sides
        assert {*sides} <= {"above", "below", "undecided"}
    pictures = (
        shown["training_results"]["predicted_against_observed"].value,
        shown["trust_ledger"]["trust_over_time"].value,
    )
    for picture in pictures:
        data = picture.partition("base64,")[2].rstrip(")")
        assert base64.b64decode(data).startswith(b"<svg ")
        assert len(picture) < 100_000
    page = Path(settings.store) / "training_report" / "training_report.html"
    assert shown["training_report"]["open"].value == str(page)


def test_the_report_has_a_link_where_the_deployment_serves_it(settings, instance):
    settings = Settings(**settings.model_dump() | {"report_url": "http://127.0.0.1:3001/"})
    job = build_definitions(settings).resolve_job_def(JOB_NAME)
    result = job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(name) for name in AGGREGATES],
        raise_on_error=False,  # of no batch they are no success
    )
    (link,) = [
        event.materialization.metadata["open"]
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey("training_report")
    ]
    assert link == dg.MetadataValue.url("http://127.0.0.1:3001/")


def test_a_variable_without_a_forecast_keeps_no_other_from_its_own(run, monkeypatch, settings):
    monkeypatch.setenv("BROKEN_VALUES", "69.5")  # the last value of the line
    result = run(models=["naive", BREAKABLE], horizons=[1], keys=(FIRST, FIRST), **FAIL)
    (made,) = [
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey("next_forecasts")
    ]
    assert made["left_out"].value.startswith("line: ")
    assert [row.data["variable"] for row in made["forecast"].records] == ["wave"]


@pytest.mark.usefixtures("trained")
def test_metrics_alone_are_made_from_the_stored_tables_above_them(run, settings, source):
    before = stored(settings.store)
    for path in Path(settings.store).rglob("batch_metrics/**/*.parquet"):
        path.unlink()
    (source / "historical_line.csv").write_text(  # which must not be read for its numbers
        (source / "historical_line.csv").read_text().replace(",45.0\n", ",99.0\n")
    )
    result = run("batch_metrics", keys=(FIRST, SECOND))
    assert result.success
    after = stored(settings.store)
    remade = {path for path in before if path.startswith("batch_metrics") and path in after}
    assert {Path(path).stem for path in remade} == {FIRST, "2005-01-31", "2005-03-02", SECOND}
    assert {path: after[path] for path in remade} == {path: before[path] for path in remade}
    assert {name for name, _ in made(result)} == {"batch_metrics"}


def test_the_first_tables_alone_can_be_made(run, settings):
    result = run("historical_data", "training_batches")
    assert result.success
    assert {name for name, _ in made(result)} == {"historical_data", "training_batches"}
    objects = stored(settings.store)
    assert {Path(path).parts[0] for path in objects} == {"historical_data", "training_batches"}
    assert len(objects) == 2 * 12


def test_aggregates_alone_are_made_from_the_stored_metrics(run, settings):
    run()
    before = stored(settings.store)
    results = Path(settings.store) / "training_results" / "training_results.json"
    first = json.loads(results.read_text())
    for name in AGGREGATES:
        (file,) = (Path(settings.store) / name).iterdir()
        file.unlink()
    result = run(*AGGREGATES, keys=())
    assert result.success
    assert made(result) == {(name, None) for name in AGGREGATES}
    assert stored(settings.store) == before
    assert json.loads(results.read_text()) == first


@pytest.mark.usefixtures("trained")
def test_trust_can_be_recomputed_with_another_discount(run, settings):
    before = stored(settings.store)
    assert run(*AGGREGATES, keys=(), trust_discount=0.5).success
    after = stored(settings.store)
    assert {path for path in before if before[path] != after[path]} == {
        "trust_ledger/trust_ledger.parquet",
        "next_forecasts/next_forecasts.parquet",  # these two tell of the trust
        "skill_by_horizon/skill_by_horizon.parquet",
    }


def test_a_later_part_of_the_range_joins_the_earlier_one(run, settings):
    run(keys=(FIRST, SECOND))
    run(keys=("2005-05-01", LAST))
    results = Path(settings.store) / "training_results" / "training_results.json"
    batches = json.loads(results.read_text())["batches"]
    assert (batches["total"], batches["not_run"]) == (12, 0)


# Where it reads and writes


def test_a_run_may_name_its_own_source_and_store(run, settings, tmp_path):
    """Batches, aggregates, checks and a resumed run go there, and nowhere else."""
    data = {"source": "sample", "store": str(tmp_path / "other")}
    naive = {"variables": ["inflation_rate"], "models": ["naive"], "horizons": [1]}
    first = run(keys=(FIRST, SECOND), data=data, **naive)
    assert first.success
    assert not Path(settings.store).exists()
    found = {e.materialization.metadata["dagster/uri"].value: e for e in events_of(first)}
    assert len(found) == 4 * 4 + len(AGGREGATES)
    assert all(uri.startswith(data["store"]) and Path(uri).is_file() for uri in found)
    results = json.loads((tmp_path / "other/training_results/training_results.json").read_text())
    assert {name: results["configuration"][name] for name in data} == data
    resumed = run(keys=(FIRST, SECOND), data=data, resume=True, **naive)
    said = [e.materialization.metadata.get("status") for e in events_of(resumed)]
    assert [status.value for status in said if status] == ["unchanged"] * 4 * 4
    there = Settings(**settings.model_dump() | data)
    states = grid_status(there, TrainingOptions(**naive)).states
    assert [*states.values()] == ["done"] * 4 + ["missing"] * 8


def events_of(result):
    return [event.event_specific_data for event in result.get_asset_materialization_events()]


def test_what_a_run_does_not_name_is_the_deployments(graph, settings):
    config = {"resources": {"data": {"config": {"store": "there"}}}}
    there = str(Path("there").absolute())
    found = dg.validate_run_config(graph.resolve_job_def(JOB_NAME), config)
    expected = settings.model_dump(include={*DATA_SETTINGS}) | {"store": there}
    assert found["resources"]["data"]["config"] == expected


@pytest.mark.parametrize("step", [(), AGGREGATES[:1]])
def test_a_place_with_credentials_is_refused_without_repeating_them(run, step):
    place = {"store": "s3://key:secret@bucket/x", "s3_endpoint_url": "http://127.0.0.1:1"}
    with pytest.raises(dg.DagsterInvalidConfigError) as caught:
        run(*step, keys=(FIRST, FIRST), data=place)
    assert "store holds credentials: remove the part before the @" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_place_that_cannot_be_used_fails_launch_or_first_step_plainly(run, settings):
    with pytest.raises(dg.DagsterInvalidConfigError, match="store = '' is empty: give a directory"):
        run(data={"store": ""})
    assert "does not exist or holds no file" in failure(run(data={"source": "nowhere"}))
    assert not Path(settings.store).exists()


# What it says when it fails

#: What cannot be used of each setting, and a part of what is said of it.
OUT_OF_BOUNDS = [
    ({"variables": ["../x"]}, "'../x'"),
    ({"variables": []}, "variables = [] names none: give at least one"),
    ({"models": ["naiv"]}, "unknown rule 'naiv'. Did you mean 'naive'?"),
    ({"models": ["naive", "naive"]}, "names one twice"),
    ({"horizons": [0]}, "a horizon is a whole number of steps ahead"),
    ({"horizons": []}, "names none: give at least one"),
    ({"history_days": 0}, "history_days = 0 must be at least 1"),
    ({"history_days": 182626}, "history_days = 182626 must be at most 182625"),
    ({"interval_level": 0.0}, "interval_level = 0.0 must be greater than 0"),
    ({"interval_level": 1.5}, "interval_level = 1.5 must be less than 1"),
    ({"max_partners": -1}, "max_partners = -1 must be at least 0"),
    ({"frequencies": {"line": "hourly"}}, "'hourly'} cannot be used: frequency 'hourly' is"),
    ({"publication_lag_days": {"line": -1}}, "holds -1 days: choose 0 to 3650"),
    ({"publication_lag_days": {"../x": 1}}, "'../x'"),
    ({"score_against": "zeroth"}, "must be first, latest or the number of a release"),
    ({"score_against": "0"}, "must be first, latest or the number of a release"),
    ({"trust_discount": 0}, "trust_discount = 0.0 must be greater than 0"),
    ({"trust_discount": 1.01}, "trust_discount = 1.01 must be at most 1"),
    ({"max_failed_batches": -1}, "max_failed_batches = -1 must be at least 0"),
]
#: What cannot be a setting at all: this the launchpad says while one types.
OF_ANOTHER_SHAPE = [
    ({"batchsize": 3}, "batchsize"),
    ({"ensemble": "best"}, "ensemble"),
    ({"history_days": "many"}, "history_days"),
    ({"horizons": 3}, "horizons"),
    ({"publication_lag_days": "soon"}, "publication_lag_days"),
    ({"publication_lag_days": {"line": "soon"}}, "publication_lag_days"),
    ({"score_against": 0}, "score_against"),
    ({"resume": "maybe"}, "resume"),
]


def test_an_unknown_variable_fails_the_first_step_with_a_plain_message(run, settings):
    """The source is read by the run, not by whoever launches it."""
    result = run(variables=["lime"])
    assert not result.success
    message = failure(result)
    assert "variable 'lime' is not in source" in message
    assert len(message.splitlines()) == 1
    assert not Path(settings.store).exists()


def test_a_lag_of_an_unknown_variable_fails_the_first_step_too(run, settings):
    result = run(publication_lag_days={"lime": 3})
    assert not result.success
    assert "--publication-lag-days: 'lime' is not in source" in failure(result)
    assert not Path(settings.store).exists()


@pytest.mark.parametrize("step", [AGGREGATES[:1], AGGREGATES[1:]])
def test_bad_run_config_fails_the_aggregates_with_a_plain_message(run, step):
    run(keys=(FIRST, FIRST))
    message = failure(run(*step, keys=(), variables=["lime"]))
    assert "variable 'lime' is not in source" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("training", "text"), [*OUT_OF_BOUNDS, *OF_ANOTHER_SHAPE], ids=lambda value: str(value)[:40]
)
def test_bad_run_config_is_refused_before_the_run(graph, training, text):
    job = graph.resolve_job_def(JOB_NAME)
    with pytest.raises(dg.DagsterInvalidConfigError) as caught:
        dg.validate_run_config(job, {"resources": {"training": {"config": training}}})
    assert text in str(caught.value)


def test_a_failed_batch_fails_the_run_once_everything_is_stored(run, settings, monkeypatch):
    monkeypatch.setenv("BROKEN_VALUES", "45")
    result = run(variables=["line"], models=["naive", BREAKABLE], horizons=[1], **FAIL)
    assert not result.success
    assert failure(result).startswith(f"1 batch failed: {LAST} (RuleError: ")
    assert ("batch_metrics", LAST) in made(result)  # it says failed
    assert ("retrodictions", LAST) not in made(result)
    assert ("training_report", None) in made(result)


def test_a_failed_batch_fails_the_step_that_has_no_status_table(run, monkeypatch):
    monkeypatch.setenv("BROKEN_VALUES", "45")
    result = run(
        *BATCH_TABLES[:3], variables=["line"], models=["naive", BREAKABLE], horizons=[1], **FAIL
    )
    assert not result.success
    assert failure(result).endswith(f"failed: {LAST}")  # and no other batch


def test_a_failed_batch_is_whole_again_without_its_status_selected(run, settings, monkeypatch):
    """As the UI's *Re-execute from failure* does, which leaves out what has a record."""
    chosen = {"variables": ["line"], "models": ["naive", BREAKABLE], "horizons": [1], **FAIL}
    monkeypatch.setenv("BROKEN_VALUES", "45")
    run(**chosen)
    monkeypatch.delenv("BROKEN_VALUES")
    result = run(*BATCH_TABLES[:3], keys=(LAST, LAST), **chosen)
    assert made(result) == {(name, LAST) for name in BATCH_TABLES}
    assert run(*AGGREGATES, keys=(), **chosen).success
    results = Path(settings.store) / "training_results" / "training_results.json"
    found = json.loads(results.read_text())
    assert (found["batches"]["total"], found["batches"]["failed"]) == (12, 0)
    assert found["performance"]["duration_seconds"] > 0


def test_aggregates_of_an_empty_store_say_that_nothing_has_run(run, settings):
    assert not run(*AGGREGATES, keys=()).success
    results = Path(settings.store) / "training_results" / "training_results.json"
    found = json.loads(results.read_text())
    assert (found["batches"]["total"], found["batches"]["not_run"]) == (0, 12)
    assert found["problems"] == [
        "no batch was predicted: the store has none of this configuration and version"
    ]
    assert found["models"] == []
