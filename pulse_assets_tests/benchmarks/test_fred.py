import numpy as np
import pytest

from benchmarks import fred
from pulse_assets_tests.benchmarks.made import walks, write_database


def ones(length, gap=None):
    values = np.arange(length, dtype=float)
    if gap is not None:
        values[gap] = np.nan
    return values


def test_monthly_series_that_are_long_and_whole_at_the_end_are_loaded(database):
    write_database(
        database,
        {
            "quarterly": ("Q", ones(400)),
            "short": ("M", ones(239)),
            "long": ("M", ones(241, gap=0)),
            "broken": ("M", ones(241, gap=1)),
            "exvzus": ("M", ones(300)),
            "exact": ("M", ones(240)),
        },
    )
    found = fred.load(database)
    assert list(found) == ["long", "exact"]
    assert np.isnan(found["long"][0])
    assert np.array_equal(found["long"][1:], np.arange(1.0, 241.0))
    assert np.array_equal(found["exact"], np.arange(240.0))


def test_values_keep_the_precision_of_the_file(database):
    values = np.full(240, 0.1)
    write_database(database, {"tenth": ("M", values)})
    assert fred.load(database)["tenth"][0] == np.float32(0.1)


def test_an_unpacked_package_will_do(tmp_path, monkeypatch):
    monkeypatch.setattr(fred, "INSTALLED", tmp_path / "nowhere")
    cache = tmp_path / "cache"
    write_database(cache / fred.INSTALLED.relative_to("/"), walks(1))
    assert list(fred.load(cache)) == ["walk0"]


def test_without_database_or_apt_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(fred, "INSTALLED", tmp_path / "nowhere")
    monkeypatch.setattr(fred.shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match="gretl-data"):
        fred.load(tmp_path)


def test_the_index_is_read_as_gretl_writes_it():
    text = "# St. Louis\naaa  Corporate n = 9 yield\nM  1919.01 - 2013.03  n = 1131\n\n"
    text += "gdp  Product\nQ  1947:1 - 2013:1  n = 265\n"
    assert list(fred.entries(text)) == [("aaa", "M", 1131), ("gdp", "Q", 265)]


@pytest.mark.parametrize("text", ["a  b\nmonthly, from 1990", "a  b\nM  1990.01 - 2000.01  n = x"])
def test_periods_that_cannot_be_read_are_shown(text):
    with pytest.raises(ValueError, match="periods"):
        list(fred.entries(text))


def test_an_index_without_periods_is_refused():
    with pytest.raises(ValueError, match="zip"):
        list(fred.entries("a  b\nM  1990.01 - 2000.01  n = 5\nc  d\n"))


def test_the_halves_are_fixed_and_even():
    names = [f"series{i}" for i in range(1000)]
    chosen = [fred.in_validation_half(name) for name in names]
    assert chosen == [fred.in_validation_half(name) for name in names]
    assert 450 < sum(chosen) < 550


def test_forty_series_are_sampled():
    assert len(set(fred.sample_names())) == 40
