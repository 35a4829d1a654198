"""The earlier rows of several batches are stored once, joined, verified and written again."""

import pyarrow as pa
import pytest

from pulse_assets.errors import StoreError
from pulse_assets.storage import shared_rows
from pulse_assets.storage.layout import Partition, PartitionedTables
from pulse_assets.storage.store import MissingObjectError, open_store
from pulse_assets.storage.tables import read_shared_name, sorted_table
from pulse_assets_tests.storage.examples import history

#: Days since 1970 of 2020-01-01.
YEAR = 18262
FINGERPRINT = {"configuration": "a", "input": "b"}
KEYS = ["2020-02-01", "2020-03-01", "2021-01-01"]


def rows(last, value=1.0):
    """Two series of 3,000 days up to `last` days of 2020."""
    days = range(YEAR + last - 3000, YEAR + last)
    return history(*((name, day, value + day) for name in ("gdp", "cpi") for day in days))


def table_of(key):
    return rows({"2020-02-01": 60, "2020-03-01": 60, "2021-01-01": 397}[key])


@pytest.fixture(params=["directory", "bucket"])
def store(request, tmp_path):
    if request.param == "directory":
        return open_store(str(tmp_path / "store"))
    bucket, s3 = request.getfixturevalue("bucket"), request.getfixturevalue("s3")
    return open_store(f"s3://{bucket}/results", s3)


@pytest.fixture(autouse=True)
def new_process(monkeypatch):
    monkeypatch.setattr(shared_rows, "_intact", {})


def partition(store, key):
    return Partition(store, "historical_data", key, "monthly")


def write(store, *keys):
    for key in keys:
        partition(store, key).write(table_of(key), FINGERPRINT)


def shared_objects(store):
    return list(store.versions("historical_data/_shared/"))


def read(store, key, **options):
    found = partition(store, key)
    return found.decode(found.read(), **options)


def test_batches_of_a_year_share_their_earlier_rows(store):
    write(store, *KEYS[:2])
    (path,) = shared_objects(store)
    data = store.read(path)
    for key in KEYS[:2]:
        own = store.read(partition(store, key).path)
        assert len(own) < len(data) / 2
        assert read(store, key).equals(sorted_table(table_of(key), ["variable", "timestamp"]))
        assert partition(store, key).fingerprint(own) == FINGERPRINT
    write(store, *KEYS)
    assert len(shared_objects(store)) == 2
    assert store.read(path) == data


def test_columns_are_those_asked_for_and_rows_are_all(store):
    write(store, KEYS[0])
    found = read(store, KEYS[0], columns=["value"])
    assert (found.column_names, found.num_rows) == (["value"], 6000)


def test_other_values_are_other_objects(store):
    write(store, KEYS[0])
    partition(store, KEYS[1]).write(rows(60, value=2.0), FINGERPRINT)
    assert len(shared_objects(store)) == 2
    assert read(store, KEYS[0])["value"][0] != read(store, KEYS[1])["value"][0]


def test_few_rows_stay_together(store):
    partition(store, KEYS[0]).write(history(("gdp", 10, 1.0)), FINGERPRINT)
    assert shared_objects(store) == []
    assert read(store, KEYS[0]).num_rows == 1


@pytest.mark.parametrize("damage", ["missing", "cut", "another"])
def test_a_shared_object_that_is_not_whole_damages_its_batches_until_one_is_written(
    tmp_path, damage
):
    store = open_store(str(tmp_path / "store"))
    write(store, *KEYS)
    path, other = shared_objects(store)
    whole = store.read(path)
    if damage == "missing":
        store.remove(path)
    else:
        store.write(path, whole[:-50] if damage == "cut" else store.read(other))
    batch = next(key for key in KEYS if path_of(store, key) == path)
    with pytest.raises(StoreError, match=r"_shared.*--resume"):
        read(store, batch)
    tables = PartitionedTables(store, "historical_data", "monthly", KEYS)
    assert {key: bool(made_of) for key, made_of in tables.fingerprints().items()} == {
        key: path_of(store, key) != path for key in KEYS
    }
    write(store, batch)
    assert store.read(path) == whole
    assert all(tables.fingerprints().values())


def path_of(store, key):
    name = read_shared_name(store.read(partition(store, key).path), name=key)
    return f"historical_data/_shared/{name}.parquet"


def test_a_missing_one_is_named(tmp_path):
    store = open_store(str(tmp_path / "store"))
    write(store, KEYS[0])
    (path,) = shared_objects(store)
    store.remove(path)
    with pytest.raises(MissingObjectError, match=path):
        read(store, KEYS[0])


def test_it_is_written_and_read_once_for_all_batches(tmp_path, monkeypatch):
    store = open_store(str(tmp_path / "store"))
    paths = []

    def noting(call):
        return lambda self, path, *rest, **limits: (
            paths.append(path),
            call(self, path, *rest, **limits),
        )[1]

    for name in ("read", "write"):
        monkeypatch.setattr(type(store), name, noting(getattr(type(store), name)))
    write(store, *KEYS[:2])
    assert sum("_shared" in path for path in paths) == 1
    paths.clear()
    loaded = PartitionedTables(store, "historical_data", "monthly", KEYS).load()
    assert isinstance(loaded, pa.Table)
    assert loaded.num_rows == 12_000
    assert sum("_shared" in path for path in paths) == 1


def test_other_columns_than_the_schema_are_refused_before_anything_is_stored(tmp_path):
    store = open_store(str(tmp_path / "store"))
    with pytest.raises(StoreError, match="timestamp is missing"):
        partition(store, KEYS[0]).write(table_of(KEYS[0]).drop_columns(["timestamp"]), {})
    with pytest.raises(StoreError, match="value is missing"):
        partition(store, KEYS[0]).write(table_of(KEYS[0]).drop_columns(["value"]), {})
    assert store.names() == {}
