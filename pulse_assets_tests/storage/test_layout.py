import pickle

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pulse_assets.catalog import HISTORICAL_DATA
from pulse_assets.errors import StoreError
from pulse_assets.storage.layout import PartitionedTables, object_path
from pulse_assets.storage.store import LocalStore, MissingObjectError, open_store
from pulse_assets.storage.tables import encode_table
from pulse_assets_tests.storage.examples import history

KEYS = ["2020-01-01", "2020-01-31", "2020-03-01"]


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path))


def put(store, key, *rows, **fingerprint):
    data = encode_table(history(*rows), "historical_data", fingerprint=fingerprint)
    store.write(object_path("historical_data", key, 30), data)


def tables(store, among=KEYS):
    return PartitionedTables(store, "historical_data", 30, among)


def test_partitions_of_another_batch_size_lie_apart():
    assert object_path("a", "k", 7) == "a/batch_size_days=7/k.parquet"
    assert object_path("a", "k", 30) != object_path("a", "k", 7)
    assert object_path("a", suffix="html") == "a/a.html"


def test_without_partitions_it_is_empty(store):
    found = tables(store)
    assert (len(found), list(found)) == (0, [])
    assert found.load().equals(HISTORICAL_DATA.empty_table())
    assert list(tables(store, [])) == []


def test_one_partition_is_a_mapping_too(store):
    put(store, KEYS[0], ("gdp", 0, 1.0))
    found = tables(store, KEYS[:1])
    assert list(found) == KEYS[:1]
    assert found[KEYS[0]]["value"].to_pylist() == [1.0]


def test_it_holds_those_of_the_wanted_keys_that_exist_in_order_of_key(store):
    put(store, KEYS[2], ("gdp", 3, 3.0))
    put(store, KEYS[0], ("cpi", 0, 1.0))
    put(store, "2019-01-01", ("gdp", 9, 9.0))
    found = tables(store, KEYS[::-1])
    assert list(found) == [KEYS[0], KEYS[2]]
    assert KEYS[1] not in found
    assert found.get(KEYS[1]) is None
    assert found.load()["value"].to_pylist() == [1.0, 3.0]
    assert found.load()["variable"].to_pylist() == ["cpi", "gdp"]


def test_columns_and_rows_can_be_chosen(store):
    put(store, KEYS[0], ("gdp", 0, 1.0), ("cpi", 0, 2.0))
    put(store, KEYS[1], ("gdp", 1, 3.0))
    loaded = tables(store).load(["value", "variable"], pc.field("variable").isin(["gdp"]))
    assert loaded.to_pylist() == [
        {"variable": "gdp", "value": 1.0},
        {"variable": "gdp", "value": 3.0},
    ]
    assert loaded.schema.field("variable").type == HISTORICAL_DATA.field("variable").type


@pytest.mark.parametrize("key", [KEYS[1], "2019-01-01"])
def test_a_partition_that_is_not_there_is_named_with_the_mend(store, key):
    put(store, "2019-01-01", ("gdp", 9, 9.0))  # stored, but not one of the wanted
    with pytest.raises(StoreError, match=rf"of batch {key} .*/{key}.parquet.*pulse-train"):
        tables(store)[key]


def test_it_is_listed_once(store):
    found = tables(store)
    assert len(found) == 0
    put(store, KEYS[0], ("gdp", 0, 1.0))
    assert len(found) == 0
    assert len(tables(store)) == 1


def test_parts_of_another_origin_are_left_out(store):
    put(store, KEYS[0], ("gdp", 0, 1.0), configuration="a", input="1")
    put(store, KEYS[1], ("gdp", 0, 2.0), configuration="b", input="1")
    found = tables(store)

    def made_of(configuration):
        return {"configuration": configuration, "input": "1"}

    chosen = {
        value: [part["value"].to_pylist() for part in found.parts(made_of=made_of(value))]
        for value in "abc"
    }
    assert chosen == {"a": [[1.0]], "b": [[2.0]], "c": [[]]}
    (both,) = found.parts(["value"], made_of={"input": "1"})
    assert both.column_names == ["value"]
    assert both["value"].to_pylist() == [1.0, 2.0]


def test_parts_are_all_there_is_and_at_least_an_empty_one(store):
    empty = HISTORICAL_DATA.empty_table()
    assert [part.equals(empty) for part in tables(store).parts(made_of={})] == [True]
    keys = [f"{1900 + i}-01-01" for i in range(65)]
    data = encode_table(history(("gdp", 0, 1.0)), "historical_data", fingerprint={})
    for key in keys:
        store.write(object_path("historical_data", key, 30), data)
    assert sum(part.num_rows for part in tables(store, keys).parts(made_of={})) == 65


def test_a_damaged_object_has_an_empty_fingerprint(store):
    put(store, KEYS[0], ("gdp", 0, 1.0), configuration="a")
    store.write(object_path("historical_data", KEYS[1], 30), b"half an obj")
    assert tables(store).fingerprints() == {KEYS[0]: {"configuration": "a"}, KEYS[1]: {}}


def test_each_object_is_read_once(store, monkeypatch):
    for key in KEYS:
        put(store, key, ("gdp", 0, 1.0), configuration="a")
    read = []
    monkeypatch.setattr(
        LocalStore,
        "read",
        lambda _, path, read_it=LocalStore.read: (read.append(path), read_it(store, path))[1],
    )
    assert len(list(tables(store).parts(made_of={"configuration": "a"}))) == 1
    assert sorted(read) == [object_path("historical_data", key, 30) for key in KEYS]


@pytest.mark.parametrize("damage", [lambda d: b"half an obj", lambda d: d[:-9], lambda d: b""])
def test_a_damaged_object_is_named_by_asset_partition_and_path(store, damage):
    put(store, KEYS[0], ("gdp", 0, 1.0), configuration="a")
    path = object_path("historical_data", KEYS[0], 30)
    store.write(path, damage(store.read(path)))
    name = rf"^historical_data of batch {KEYS[0]} \({store.uri}/{path}\): .*damaged.*--resume"
    for load in (
        tables(store).load,
        lambda: list(tables(store).parts(made_of={"configuration": "a"})),
        lambda: tables(store)[KEYS[0]],
    ):
        with pytest.raises(StoreError, match=name):
            load()


def test_a_required_part_of_another_origin_is_named(store):
    put(store, KEYS[0], ("gdp", 0, 1.0), configuration="other")
    with pytest.raises(StoreError, match=rf"{KEYS[0]} .*: computed by another configuration"):
        list(tables(store).parts(made_of={"configuration": "own"}, required=KEYS[:1]))
    with pytest.raises(MissingObjectError, match=f"of batch {KEYS[1]}"):
        list(tables(store).parts(made_of={"configuration": "other"}, required=KEYS[:2]))


def test_partitions_that_must_be_there_are_asked_for(store):
    put(store, KEYS[0], ("gdp", 0, 1.0))
    tables(store).require(KEYS[:1])
    with pytest.raises(
        MissingObjectError, match=rf"^historical_data of batch {KEYS[1]} .*--resume"
    ):
        tables(store).require(KEYS[:2])


def test_it_survives_the_way_to_a_worker(store):
    put(store, KEYS[0], ("gdp", 0, 1.0))
    assert list(pickle.loads(pickle.dumps(tables(store)))) == KEYS[:1]


def test_many_partitions_come_in_order_from_s3(bucket, s3):
    store = open_store(f"s3://{bucket}/results", s3)
    keys = [f"2020-01-{day:02d}" for day in range(1, 26)]
    for day, key in enumerate(keys):
        put(store, key, ("gdp", day, float(day)))
    loaded = tables(store, keys).load()
    assert isinstance(loaded, pa.Table)
    assert loaded["value"].to_pylist() == [float(day) for day in range(25)]
