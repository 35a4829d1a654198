"""Each file of a source is read once a process, however many there are."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pulse_assets.errors import StoreError
from pulse_assets.history import series_cache
from pulse_assets.history.series_cache import SeriesCache
from pulse_assets.history.source import open_source
from pulse_assets.history.source_files import SourceFile
from pulse_assets.storage.s3 import AWS
from pulse_assets.storage.store import LocalStore


@pytest.fixture
def reads(monkeypatch):
    """The paths that are read from directories."""
    paths, read = [], LocalStore.read

    def counted(self, path, **options):
        paths.append(path)
        return read(self, path, **options)

    monkeypatch.setattr(LocalStore, "read", counted)
    return paths


def fill(folder, count):
    for i in range(count):
        path = folder / f"historical_v{i}.csv"
        path.write_text(f"timestamp,value\n2020-01-01,{i}\n2020-02-01,{i + 1}\n")


def load_all(folder):
    source = open_source(str(folder), AWS)
    return {name: source.load(name).values.tolist() for name in source.variables()}


@pytest.mark.parametrize("count", [1, 128, 129, 300])
def test_the_next_batch_reads_no_file(tmp_path, reads, count):
    fill(tmp_path, count)
    first = load_all(tmp_path)
    assert len(reads) == len(first) == count
    assert load_all(tmp_path) == first
    assert len(reads) == count


def test_a_replaced_file_alone_is_read_anew_and_its_old_version_dropped(tmp_path, reads):
    fill(tmp_path, 3)
    load_all(tmp_path)
    for value in (10, 20):
        reads.clear()
        new = tmp_path / "new"
        new.write_text(f"timestamp,value\n2020-01-01,{value}\n2020-02-01,0\n")
        new.rename(tmp_path / "historical_v1.csv")
        assert load_all(tmp_path)["v1"] == [value, 0]
        assert reads == ["historical_v1.csv"]


def file(path, version="1"):
    return SourceFile(path, version, "single", path)


def counting_cache():
    """A cache whose contents are numbered, and the paths it reads."""
    paths = []

    def read(_store, file, _max_bytes):
        paths.append(file.path)
        return len(paths)

    return SeriesCache(read), paths


def test_one_version_of_a_file_is_held(tmp_path):
    cache, paths = counting_cache()
    store = LocalStore(tmp_path)
    found = [cache(store, file("a", version), 9) for version in ("1", "1", "2", "2", "1")]
    assert found == [1, 1, 2, 2, 3]
    assert len(paths) == 3


def test_what_tells_files_apart(tmp_path):
    cache, _ = counting_cache()
    one, other = LocalStore(tmp_path / "1"), LocalStore(tmp_path / "2")
    calls = [(one, file("a"), 9), (other, file("a"), 9), (one, file("b"), 9), (one, file("a"), 8)]
    assert [cache(*call) for call in calls] == [cache(*call) for call in calls] == [1, 2, 3, 4]


def test_the_source_used_longest_ago_is_discarded_whole(tmp_path):
    cache, paths = counting_cache()
    stores = [LocalStore(tmp_path / str(i)) for i in range(series_cache._SOURCES + 1)]
    for store in stores[:-1]:
        for path in "abc":
            cache(store, file(path), 9)
    cache(stores[0], file("a"), 9)
    cache(stores[-1], file("a"), 9)
    paths.clear()
    for path in "abc":  # used again after the second was used
        cache(stores[0], file(path), 9)
    assert paths == []
    cache(stores[1], file("b"), 9)
    assert paths == ["b"]


def test_threads_that_need_the_same_file_read_it_once(tmp_path, reads):
    fill(tmp_path, 20)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(load_all, [tmp_path] * 8))
    assert all(one == found[0] for one in found)
    assert len(reads) == 20


def test_a_failed_read_is_tried_again(tmp_path):
    answers = [StoreError("broken"), 7]

    def read(*_):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cache, place = SeriesCache(read), (LocalStore(tmp_path), file("a"), 9)
    with pytest.raises(StoreError, match="broken"):
        cache(*place)
    assert cache(*place) == 7
