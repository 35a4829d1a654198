import dagster as dg
import pyarrow as pa
import pytest

from pulse_assets.catalog import TRUST_LEDGER
from pulse_assets.dagster.io_managers import HtmlIOManager, JsonIOManager, ParquetIOManager
from pulse_assets.errors import StoreError
from pulse_assets.storage.layout import PartitionedTables, object_path
from pulse_assets.storage.objects import EncodedObject, StoredTable
from pulse_assets.storage.store import open_store
from pulse_assets.storage.tables import with_fingerprint
from pulse_assets_tests.storage.examples import history

KEYS = ["2020-01-01", "2020-01-31", "2020-03-01"]
PARTITIONS = dg.StaticPartitionsDefinition(KEYS)
LEDGER = pa.Table.from_pylist([{"variable": "gdp", "trust": 0.5}], schema=TRUST_LEDGER)
REACHED_BY_RANGE = {
    "dagster/asset_partition_range_start": KEYS[0],
    "dagster/asset_partition_range_end": KEYS[-1],
}


def table_of(key):
    return history(("gdp", KEYS.index(key), 1.0), ("cpi", KEYS.index(key), 2.0))


@dg.asset(partitions_def=PARTITIONS)
def historical_data(context: dg.AssetExecutionContext):
    tables = {key: table_of(key) for key in context.partition_keys}
    return tables if len(tables) > 1 else tables[context.partition_key]


@dg.asset
def trust_ledger():
    return LEDGER


@pytest.fixture
def run(tmp_path):
    """Materialize assets into one store, in one instance of Dagster."""
    instance = dg.DagsterInstance.ephemeral()

    def run(*assets, store=str(tmp_path / "store"), **options):
        place = {"store": store, "batch_size_days": 30}
        resources = {
            "io_manager": ParquetIOManager(**place),
            "json_io": JsonIOManager(**place),
            "html_io": HtmlIOManager(**place),
        }
        return dg.materialize(assets, instance=instance, resources=resources, **options)

    run.store = open_store(str(tmp_path / "store"))
    return run


def loaded(run, upstream, **options):
    """Return what a downstream asset is given of `upstream`."""
    seen = []

    @dg.asset(ins={"given": dg.AssetIn(upstream.key)}, partitions_def=options.pop("into", None))
    def downstream(given):
        seen.append(given)

    run(upstream, downstream, selection=[downstream], **options)
    return seen[0]


def metadata_by_partition(result):
    return {
        event.partition: event.materialization.metadata
        for event in result.all_events
        if event.is_step_materialization
    }


def test_a_run_over_one_partition_writes_its_object(run):
    result = run(historical_data, partition_key=KEYS[1])
    path = object_path("historical_data", KEYS[1], 30)
    found = metadata_by_partition(result)[KEYS[1]]
    assert found["dagster/uri"].value == f"{run.store.uri}/{path}"
    assert found["dagster/row_count"].value == 2
    assert found["bytes"].value == len(run.store.read(path))


def test_a_run_over_a_range_writes_and_describes_each_partition(run):
    result = run(historical_data, tags=REACHED_BY_RANGE)
    found = metadata_by_partition(result)
    assert [found[key]["dagster/row_count"].value for key in KEYS] == [2, 2, 2]
    assert [found[key]["dagster/uri"].value[-18:-8] for key in KEYS] == KEYS
    assert len(run.store.versions("historical_data/batch_size_days=30/")) == 3


@pytest.mark.parametrize("made", [[], KEYS[:1], KEYS])
def test_partitions_that_exist_are_always_loaded_as_a_mapping(run, made):
    for key in made:
        run(historical_data, partition_key=key)
    given = loaded(run, historical_data)
    assert isinstance(given, PartitionedTables)
    assert list(given) == made
    assert given.load().num_rows == 2 * len(made)


def test_a_partitioned_downstream_asset_is_given_its_own_partitions(run):
    run(historical_data, tags=REACHED_BY_RANGE)
    given = loaded(run, historical_data, into=PARTITIONS, partition_key=KEYS[2])
    assert list(given) == [KEYS[2]]
    assert given[KEYS[2]]["variable"].to_pylist() == ["cpi", "gdp"]


def test_a_second_run_replaces_the_object(run):
    path = object_path("historical_data", KEYS[0], 30)
    run.store.write(path, b"an old object")
    run(historical_data, partition_key=KEYS[0])
    assert loaded(run, historical_data).load().num_rows == 2


def test_a_truncated_object_is_named(run):
    path = object_path("historical_data", KEYS[0], 30)
    run(historical_data, partition_key=KEYS[0])
    run.store.write(path, run.store.read(path)[:100])
    with pytest.raises(StoreError, match=rf"{path}\): not a table of pulse_assets, or damaged"):
        loaded(run, historical_data).load()


def test_an_asset_without_partitions_is_loaded_whole(run):
    result = run(trust_ledger)
    (found,) = metadata_by_partition(result).values()
    assert found["dagster/row_count"].value == 1
    assert loaded(run, trust_ledger).equals(LEDGER)


def test_an_asset_that_was_never_made_is_named_with_the_mend(run):
    with pytest.raises(StoreError, match=r"trust_ledger is not in the store .*pulse-train"):
        loaded(run, trust_ledger)


@pytest.mark.parametrize("returned", [table_of(KEYS[0]), {KEYS[0]: table_of(KEYS[0])}])
def test_tables_must_be_those_of_the_partitions_of_the_run(run, returned):
    @dg.asset(name="historical_data", partitions_def=PARTITIONS)
    def too_few():
        return returned

    with pytest.raises(StoreError, match="return a mapping with a table for each key"):
        run(too_few, tags=REACHED_BY_RANGE)
    assert run.store.versions("historical_data/batch_size_days=30/") == {}


@pytest.mark.parametrize("io_manager", ["io_manager", "json_io", "html_io"])
def test_a_step_that_stored_its_own_objects_yields_none(run, io_manager):
    @dg.asset(io_manager_key=io_manager)
    def historical_data():
        return None

    assert run(historical_data).success
    assert list(run.store.root.glob("**/*")) == []


def test_json_comes_back_as_it_was(run):
    value = {"models": [{"mase": 1.5, "skill": None}], "name": "Wörter"}

    @dg.asset(io_manager_key="json_io")
    def training_results():
        return value

    run(training_results)
    assert loaded(run, training_results) == value
    assert "Wörter" in run.store.read("training_results/training_results.json").decode()


def test_a_number_that_json_lacks_is_refused(run):
    @dg.asset(io_manager_key="json_io")
    def training_results():
        return {"mase": float("nan")}

    with pytest.raises(ValueError, match="JSON compliant"):
        run(training_results)
    assert run.store.versions("training_results/") == {}


def test_the_last_part_of_a_key_names_the_table(run):
    ledger = dg.asset(name="trust_ledger", key_prefix="mine")(lambda: LEDGER)
    run(ledger)
    assert list(run.store.versions("trust_ledger/")) == ["trust_ledger/trust_ledger.parquet"]


def test_html_comes_back_as_it_was(run):
    @dg.asset(io_manager_key="html_io")
    def training_report():
        return "<p>é</p>"

    run(training_report)
    assert loaded(run, training_report) == "<p>é</p>"


@pytest.mark.parametrize("content", [b"{", b"\xff"])
def test_a_damaged_text_is_named(run, content):
    @dg.asset(io_manager_key="json_io")
    def training_results():
        return {}

    run.store.write("training_results/training_results.json", content)
    with pytest.raises(StoreError, match=r"training_results.json: damaged .*materialize"):
        loaded(run, training_results)


@pytest.mark.parametrize("fingerprint", [None, {"configuration": "a"}])
def test_an_encoded_table_is_stored_and_described_as_the_table_is(run, fingerprint):
    whole = LEDGER if fingerprint is None else with_fingerprint(LEDGER, fingerprint)
    encoded = EncodedObject.of_table(LEDGER, "trust_ledger", fingerprint)
    (described,) = metadata_by_partition(run(named_ledger(whole))).values()
    stored = run.store.read(object_path("trust_ledger"))
    (found,) = metadata_by_partition(run(named_ledger(encoded))).values()
    assert run.store.read(object_path("trust_ledger")) == stored
    assert found == described


def named_ledger(value):
    return dg.asset(name="trust_ledger")(lambda: value)


def test_encoded_tables_of_partitions_are_stored(run):
    @dg.asset(name="historical_data", partitions_def=PARTITIONS)
    def encoded():
        return {key: EncodedObject.of_table(table_of(key), "historical_data") for key in KEYS}

    run(encoded, tags=REACHED_BY_RANGE)
    assert loaded(run, encoded).load().num_rows == 2 * len(KEYS)


@pytest.mark.parametrize(("io_manager", "data"), [("json_io", b'{"a": 1}'), ("html_io", b"<p>")])
def test_an_encoded_text_is_stored_as_it_is(run, io_manager, data):
    name, suffix = "training_results", io_manager[:4]
    run(dg.asset(name=name, io_manager_key=io_manager)(lambda: EncodedObject(data)))
    assert run.store.read(object_path(name, suffix=suffix)) == data


def test_a_table_is_read_when_it_is_used_where_the_argument_says_so(run):
    run(trust_ledger)
    run.store.write(object_path("trust_ledger"), b"no table")
    given = []

    @dg.asset
    def downstream(trust_ledger: StoredTable):
        given.append(trust_ledger)

    run(trust_ledger, downstream, selection=[downstream])
    with pytest.raises(StoreError, match=r"trust_ledger.parquet: not a table"):
        given[0].load()
    run(trust_ledger)
    assert given[0].load().equals(LEDGER)


def test_a_partitioned_text_is_refused(run):
    @dg.asset(io_manager_key="json_io", partitions_def=PARTITIONS)
    def training_results():
        return {}

    with pytest.raises(StoreError, match="training_results has partitions"):
        run(training_results, partition_key=KEYS[0])


def test_tables_go_to_s3_and_back(run, bucket, s3):
    place = {"store": f"s3://{bucket}/p", "batch_size_days": 30, "endpoint_url": s3.endpoint_url}
    manager = ParquetIOManager(**place, region=s3.region)
    seen = []

    @dg.asset
    def downstream(historical_data):
        seen.append(historical_data.load().num_rows)

    instance = dg.DagsterInstance.ephemeral()
    for selection, options in (
        ([historical_data], {"tags": REACHED_BY_RANGE}),
        ([downstream], {}),
    ):
        dg.materialize(
            [historical_data, downstream],
            selection=selection,
            instance=instance,
            resources={"io_manager": manager},
            **options,
        )
    assert seen == [6]
