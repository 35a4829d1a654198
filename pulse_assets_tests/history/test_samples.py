"""The bundled sources: what is in them, and how long after its period each value is public."""

from importlib.resources import files

import numpy as np
import pytest

from pulse_assets.history.samples import BUNDLED, bundled_lags
from pulse_assets.history.source import open_source
from pulse_assets.settings import Settings
from pulse_assets.storage.s3 import AWS

UK = ("gdp_growth", "inflation_rate", "unemployment_rate", "wage_growth")


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_source_is_named_by_a_word_and_has_its_provenance(name):
    settings = Settings(source=name)
    assert settings.source == name  # not made a path
    source = settings.open_source()
    assert source.uri == name
    assert source.unread() == {}
    folder = files("pulse_assets") / BUNDLED[name].folder
    assert "bundled" in (folder / "README.md").read_text() or (folder / "NOTICE").is_file()


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_variable_has_days_of_publication_or_a_lag(name):
    source = open_source(name, AWS)
    dated = {v for v in source.variables() if source.load(v).published_at is not None}
    assert set(bundled_lags(name)) == set(source.variables()) - dated
    assert all(0 <= days <= 31 for days in bundled_lags(name).values())


def test_another_source_has_no_lags():
    assert bundled_lags("/some/folder") == {}


def test_the_uk_sample_has_the_vintages_of_its_readme():
    source = open_source("sample-uk", AWS)
    assert tuple(source.variables()) == UK
    for name, first in zip(
        UK, ("2003-08-31", "2006-08-31", "2003-08-31", "2003-11-30"), strict=True
    ):
        series = source.load(name)
        assert str(series.published_at.min()) == first
        assert str(series.published_at.max()) == "2025-11-30"
        assert len(series.revisions.rows) > 500
        assert len(np.unique(np.diff(series.timestamps.astype("M8[M]").astype(int)))) == 1
        assert not np.isnan(series.values).any()
        # Whole per cent would be 0.01 of what they are.
        assert 1 < np.abs(series.values).max() < 30


def test_the_uk_sample_has_what_the_office_for_national_statistics_published():
    source = open_source("sample-uk", AWS)

    def first_release(name, quarter):
        series = source.load(name)
        row = int(np.searchsorted(series.timestamps, np.datetime64(quarter)))
        return series.values[row], str(series.published_at[row])

    # ONS: -19.8 % on the quarter and -21.5 % on the year (30 September 2020), 3.9 % (19 May 2020),
    # and 10.1, 9.9 and 10.1 % in the months of 2022 Q3, not seasonally adjusted.
    assert first_release("gdp_growth", "2020-06-30") == (
        pytest.approx(-21.5, abs=0.1),
        "2020-11-30",
    )
    assert first_release("unemployment_rate", "2020-03-31") == (
        pytest.approx(3.9, abs=0.05),
        "2020-08-31",
    )
    assert first_release("inflation_rate", "2022-09-30") == (
        pytest.approx(10.03, abs=0.05),
        "2022-11-30",
    )


def test_the_uk_sample_is_small_and_has_the_text_of_its_licence():
    folder = files("pulse_assets") / "sample_data_uk"
    assert sum(len(file.read_bytes()) for file in folder.iterdir()) < 1_000_000
    notice = (folder / "NOTICE").read_text()
    assert "Copyright (c) 2026 Bank of England" in notice
    assert "The above copyright notice and this permission notice shall be included" in notice
