"""A cleaning removes what is certainly ours and certainly unused, and nothing else."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pulse_assets.catalog import BATCH_TABLES, SCHEMAS
from pulse_assets.storage.cleaning import by_folder, plan_cleaning
from pulse_assets.storage.inventory import list_all, remove_all
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.s3 import connect
from pulse_assets.storage.store import ABANDONED_AFTER, LocalStore, open_store
from pulse_assets.storage.tables import encode_table
from pulse_assets_tests.storage.buckets import new_bucket

KEYS = ["2005-01-01", "2005-01-31", "2005-03-02"]
FOREIGN = [
    "notes.txt",
    "retrodictions/notes.parquet",
    "retrodictions/batch_size_days=30/2005-01-01.parquet.bak",
    "historical_data/_shared/readme.md",
    "somebody/else/x.parquet",
    "mine/.0123456789abcdef0123456789abcdef",
    "retrodictions/batch_size_days=30/2019-99-99.parquet",
    "retrodictions/batch_size_days=30/\u0662020-01-01.parquet",
    "retrodictions/batch_cadence=mine/2020-01-01.parquet",
    "retrodictions/batch_size_days=30/2020-01-01.parquet\n",
]
#: Those that every server takes as the name of an object.
IN_S3 = [path for path in FOREIGN if "/." not in path and "\n" not in path]


@pytest.fixture(params=["local", "s3", pytest.param("seaweedfs", marks=pytest.mark.slow)])
def store(request, tmp_path):
    """An empty store of each kind."""
    if request.param == "local":
        return open_store(str(tmp_path / "store"))
    settings = request.getfixturevalue("s3" if request.param == "s3" else "seaweedfs")
    return open_store(f"s3://{new_bucket(settings)}/some/prefix", settings)


def table_of(asset, configuration, shared=""):
    empty = SCHEMAS[asset].empty_table()
    return encode_table(empty, asset, fingerprint={"configuration": configuration}, shared=shared)


def shared_path(name):
    return f"historical_data/_shared/{name * 64}.parquet"


# S3 tells whole seconds. Of configurations of one second the first in the alphabet counts as the
# newest, so these are called `new`, `old` and `older`.


def write_batch(store, configuration, key, length: int | str = 30, shared=""):
    """Write the four tables of a batch, and the rows that it shares; return their paths."""
    for asset in BATCH_TABLES:
        of_history = shared * 64 if asset == "historical_data" else ""
        data = table_of(asset, configuration, of_history)
        store.write(object_path(asset, key, length), data)
    if shared:
        store.write(shared_path(shared), table_of("historical_data", ""))
    return {object_path(asset, key, length) for asset in BATCH_TABLES}


def cleaned(store, keep):
    """Clean, and return the paths of the objects that are gone, and the plan."""
    before = {one.path for one in list_all(store)}
    plan = plan_cleaning(store, keep)
    removals = [*remove_all(store, [doomed.listed for doomed in plan.doomed])]
    assert [removal.fault for removal in removals if removal.fault] == []
    gone = before - {one.path for one in list_all(store)}
    assert gone == {doomed.listed.path for doomed in plan.doomed}
    return gone, plan


def age(store, path, seconds):
    """Let a file look as if it had been written earlier."""
    then = time.time() - seconds
    os.utime(Path(store.uri) / path, (then, then))


def test_the_objects_of_an_old_configuration_go_and_those_of_the_newest_stay(store):
    old = write_batch(store, "old", KEYS[0], length=7, shared="a")
    new = write_batch(store, "new", KEYS[0], shared="b")
    gone, plan = cleaned(store, keep=1)
    assert gone == {*old, shared_path("a")}
    assert {one.path for one in list_all(store)} == {*new, shared_path("b")}
    assert [(c.fingerprint, c.retained, c.batches, c.objects) for c in plan.configurations] == [
        ("new", True, 1, 4),
        ("old", False, 1, 4),
    ]
    folders = by_folder(plan.doomed)
    count, size = folders["retrodictions/batch_size_days=7", "old configuration"]
    assert (count, size) == (1, len(table_of("retrodictions", "old")))


def test_a_configuration_that_was_partly_replaced_goes_batch_by_batch(store):
    old = write_batch(store, "old", KEYS[0]) | write_batch(store, "old", KEYS[1])
    new = write_batch(store, "new", KEYS[1])
    gone, _ = cleaned(store, keep=1)
    assert gone == old - new


def test_the_configuration_of_the_results_stays_though_a_newer_one_has_begun(store):
    published = write_batch(store, "published", KEYS[0], length=7, shared="a")
    store.write(object_path("trust_ledger"), table_of("trust_ledger", "published"))
    store.write(object_path("training_results", suffix="json"), b"{}")
    between = write_batch(store, "older", KEYS[0], length="monthly")
    write_batch(store, "new", KEYS[0])
    gone, plan = cleaned(store, keep=1)
    assert gone == between
    assert published <= {one.path for one in list_all(store)}
    assert [c.fingerprint for c in plan.configurations if c.published] == ["published"]


@pytest.mark.parametrize("fault", ["damaged ledger", "no ledger", "results before the ledger"])
def test_all_configurations_stay_if_that_of_the_results_is_not_known(tmp_path, fault):
    store = open_store(str(tmp_path))
    write_batch(store, "old", KEYS[0], length=7)
    write_batch(store, "new", KEYS[0])
    results, ledger = object_path("training_results", suffix="json"), object_path("trust_ledger")
    store.write(results, b"{}")
    if fault != "no ledger":
        store.write(ledger, b"" if fault == "damaged ledger" else table_of("trust_ledger", "new"))
    if fault == "results before the ledger":
        age(store, results, 60)
    gone, plan = cleaned(store, keep=1)
    assert (gone, plan.results_known) == (set(), False)
    store.write(ledger, table_of("trust_ledger", "new"))
    store.write(results, b"{}")
    assert len(cleaned(store, keep=1)[0]) == 4


def test_what_is_not_ours_is_listed_and_stays(store):
    write_batch(store, "new", KEYS[0])
    local = isinstance(store, LocalStore)
    for path in FOREIGN:
        if local:
            (store.root / path).parent.mkdir(parents=True, exist_ok=True)
            (store.root / path).write_bytes(b"somebody's")
        elif path in IN_S3:
            store.write(path, b"somebody's")
    gone, plan = cleaned(store, keep=1)
    assert gone == set()
    assert {one.path for one in plan.foreign} == {*(FOREIGN if local else IN_S3)}


def test_an_object_whose_configuration_cannot_be_read_stays_with_all_shared_rows(store):
    write_batch(store, "new", KEYS[0])
    store.write(shared_path("c"), table_of("historical_data", ""))
    damaged = object_path("historical_data", KEYS[1], 30)
    store.write(damaged, b"no table")
    gone, plan = cleaned(store, keep=1)
    assert gone == set()
    assert [one.path for one in plan.unreadable] == [damaged]


def test_a_file_of_a_killed_writer_goes_when_it_is_an_hour_old(tmp_path):
    store = open_store(str(tmp_path))
    write_batch(store, "new", KEYS[0])
    names = [f".{letter * 32}" for letter in "ab"]
    old, recent = (f"retrodictions/batch_size_days=30/{name}" for name in names)
    for path in (old, recent):
        (tmp_path / path).write_bytes(b"half")
    age(store, old, ABANDONED_AFTER + 1)
    gone, plan = cleaned(store, keep=1)
    assert gone == {old}
    assert [one.path for one in plan.recent] == [recent]


def test_an_object_that_was_replaced_after_the_listing_stays(store):
    write_batch(store, "old", KEYS[0])
    write_batch(store, "new", KEYS[1])
    plan = plan_cleaning(store, 1)
    replaced = object_path("retrodictions", KEYS[0], 30)
    store.write(replaced, table_of("retrodictions", "new"))
    removals = {r.listed.path: r.fault for r in remove_all(store, [d.listed for d in plan.doomed])}
    assert removals[replaced] == "it was replaced meanwhile"
    assert sorted(fault for fault in removals.values() if not fault) == ["", "", ""]
    assert store.read(replaced) == table_of("retrodictions", "new")


def test_folders_that_are_empty_go_and_links_stay(tmp_path):
    store = open_store(str(tmp_path / "store"))
    write_batch(store, "old", KEYS[0], length=7)
    write_batch(store, "new", KEYS[0])
    link = store.root / "retrodictions" / "batch_size_days=30" / f"{KEYS[1]}.parquet"
    outside = tmp_path / "outside.parquet"
    outside.write_bytes(table_of("retrodictions", "old"))
    link.symlink_to(outside)
    _, plan = cleaned(store, keep=1)
    assert not (store.root / "retrodictions" / "batch_size_days=7").exists()
    assert [one.path for one in plan.foreign] == [link.relative_to(store.root).as_posix()]
    assert outside.exists()


def test_an_unfinished_upload_is_seen_and_aborted_once_it_is_old(s3, monkeypatch):
    store = open_store(f"s3://{new_bucket(s3)}/some/prefix", s3)
    client = connect(s3).client
    names = ("retrodictions/batch_size_days=30/2005-01-01.parquet", ".probe", "somebody/else")
    for name in names:
        which = {"Bucket": store.bucket, "Key": f"some/prefix/{name}"}
        upload = client.create_multipart_upload(**which)["UploadId"]
        client.upload_part(**which, UploadId=upload, PartNumber=1, Body=b"part")
    with monkeypatch.context() as patch:  # this server says that all uploads began in 2010
        patch.setattr("pulse_assets.storage.cleaning.ABANDONED_AFTER", time.time())
        plan = plan_cleaning(store, 1)
    assert ({one.path for one in plan.recent}, plan.doomed) == ({*names[:2]}, [])
    assert [(one.path, one.size) for one in plan.foreign] == [("somebody/else", 4)]
    plan = plan_cleaning(store, 1)
    assert {doomed.listed.path for doomed in plan.doomed} == {*names[:2]}
    assert {r.fault for r in remove_all(store, [d.listed for d in plan.doomed])} == {""}
    left = client.list_multipart_uploads(Bucket=store.bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["some/prefix/somebody/else"]


BATCHES = st.dictionaries(
    st.tuples(st.sampled_from(BATCH_TABLES), st.sampled_from(KEYS), st.sampled_from([7, "weekly"])),
    st.tuples(st.sampled_from("pqrs"), st.sampled_from(["", "a", "b", "c"])),
)


@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=BATCHES,
    shared=st.sets(st.sampled_from("abcd")),
    foreign=st.sets(st.sampled_from(FOREIGN)),
    ledger=st.sampled_from(["", "p", "q", "t"]),
    keep=st.integers(1, 3),
)
def test_what_stays_is_whole(tmp_path_factory, batches, shared, foreign, ledger, keep):
    """Whatever the store holds: every object of a kept configuration stays, with its rows."""
    store = open_store(str(tmp_path_factory.mktemp("store")))
    used = {}
    for number, ((asset, key, length), (name, rows)) in enumerate(sorted(batches.items(), key=str)):
        path = object_path(asset, key, length)
        rows = rows if asset == "historical_data" else ""
        store.write(path, table_of(asset, name, rows * 64))
        age(store, path, 10_000 - number)
        used[path] = (name, rows)
    for name in shared:
        store.write(shared_path(name), table_of("historical_data", ""))
    for path in foreign:
        (store.root / path).parent.mkdir(parents=True, exist_ok=True)
        (store.root / path).write_bytes(b"x")
    if ledger:
        store.write(object_path("trust_ledger"), table_of("trust_ledger", ledger))
    gone, plan = cleaned(store, keep)
    retained = {c.fingerprint for c in plan.configurations if c.retained}
    assert gone & {*foreign, object_path("trust_ledger")} == set()
    assert {path for path, (name, _) in used.items() if name in retained} & gone == set()
    assert {path for path, (name, _) in used.items() if name not in retained} <= gone
    needed = {rows for name, rows in used.values() if rows and name in retained}
    assert gone & {shared_path(rows) for rows in needed} == set()
    assert {shared_path(name) for name in shared - needed} <= gone
    present = {name for name, _ in used.values()}
    assert len(retained) in {min(keep, len(present)), min(keep + 1, len(present))}
    assert {ledger} & present <= retained
    assert cleaned(store, keep)[0] == set()
