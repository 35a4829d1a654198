"""Every bad setting is one error that names the field, the value and the mend."""

from datetime import date
from pathlib import Path

import pytest

from pulse_assets.cli.configuration import create_config_from_args
from pulse_assets.cli.parser import parse_args
from pulse_assets.errors import ConfigurationError
from pulse_assets.settings import Settings, TrainingConfig, TrainingOptions, dagster_home
from pulse_assets.settings.checked import Checked
from pulse_assets.settings.config_file import deployment_of
from pulse_assets.settings.setting import setting, settings_of_type


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ({"variables": []}, ["variables = []", "at least one"]),
        ({"variables": ["a", "a"]}, ["variables", "twice"]),
        ({"variables": ["../etc/passwd"]}, ["../etc/passwd"]),
        ({"variables": ["a..b"]}, ["a..b"]),
        ({"start_date": "1990-13-01"}, ["start_date = '1990-13-01'", "date like 2020-01-31"]),
        ({"start_date": "86400"}, ["start_date = '86400'", "date like 2020-01-31"]),
        ({"end_date": 1577836800}, ["end_date = 1577836800", "date like 2020-01-31"]),
        ({"horizons": "1 2"}, ["horizons = '1 2' must be a list"]),
        ({"frequencies": "gdp"}, ["frequencies = 'gdp' must be names with a value each"]),
        ({"start_date": "yesterday"}, ["start_date = 'yesterday'"]),
        ({"start_date": "2000-01-02", "end_date": "2000-01-01"}, ["2000-01-02", "2000-01-01"]),
        ({"batch_size_days": 0}, ["batch_size_days = 0", "at least 1"]),
        ({"batch_size_days": -5}, ["batch_size_days = -5", "at least 1"]),
        ({"batch_size_days": "x"}, ["batch_size_days = 'x'", "whole number"]),
        ({"batch_size_days": 1.5}, ["batch_size_days = 1.5", "whole number"]),
        ({"max_workers": 0}, ["max_workers = 0", "at least 1"]),
        ({"horizons": [0, 1]}, ["horizons = [0, 1]", "below 1"]),
        ({"horizons": [1, 3651]}, ["horizons = [1, 3651]", "the horizon 3651", "at most 3650"]),
        ({"horizons": ["one"]}, ["horizons", "whole number"]),
        ({"interval_level": 1}, ["interval_level = 1", "less than 1"]),
        ({"quantiles": []}, ["quantiles = []", "at least one"]),
        ({"quantiles": [0.5, 0.5]}, ["quantiles = [0.5, 0.5]", "twice"]),
        ({"quantiles": [0.1, 0]}, ["quantiles = [0.1, 0]", "level 0:", "between 0 and 1"]),
        ({"quantiles": [1.0]}, ["quantiles = [1.0]", "level 1:", "between 0 and 1"]),
        ({"quantiles": [1e-10]}, ["level 1e-10:", "between 0 and 1"]),
        ({"quantiles": [float("nan")]}, ["quantiles", "finite"]),
        ({"quantiles": [i / 200 for i in range(1, 101)]}, ["100 levels", "at most 99"]),
        ({"bounds": {"x": "5"}}, ["bounds = {'x': '5'}", "'5' is no pair", "0:100, 0: or :100"]),
        ({"bounds": {"x": "1:0"}}, ["'1:0' is no pair of bounds"]),
        ({"bounds": {"x": ":"}}, ["':' is no pair of bounds"]),
        ({"trust_discount": float("nan")}, ["trust_discount", "finite"]),
        ({"ensemble": "best"}, ["ensemble = 'best'", "dmsfe"]),
        ({"store": " "}, ["store = ' '", "directory"]),
        ({"dask_scheduler_address": "tcp://a:1"}, ["tcp://a:1", "--use-dask"]),
        ({"s3_output_file": "bucket/key"}, ["s3_output_file = 'bucket/key'", "s3://"]),
        ({"batchsize": 3}, ["batchsize", "batch_size_days"]),
    ],
)
def test_bad_settings_are_explained(values, texts):
    with pytest.raises(ConfigurationError) as caught:
        TrainingConfig(**values)
    for text in texts:
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("quantiles", "interval_level", "levels"),
    [
        ([0.5], 0.9, (0.05, 0.5, 0.95)),
        ([0.9, 0.1, 0.5], 0.8, (0.1, 0.5, 0.9)),
        ([0.05, 0.95], 0.9, (0.05, 0.95)),
        ([0.3, 0.7], 0.4, (0.3, 0.7)),  # (1 - 0.4) / 2 is not exactly 0.3
        ([0.01], 0.5, (0.01, 0.25, 0.75)),
        ([i / 100 for i in range(1, 100)], 0.9, tuple(i / 100 for i in range(1, 100))),
        ([0.1 + 0.2], 0.9, (0.05, 0.3, 0.95)),
    ],
)
def test_the_levels_are_those_asked_for_and_those_of_the_interval(
    quantiles, interval_level, levels
):
    options = TrainingOptions(quantiles=quantiles, interval_level=interval_level)
    assert options.quantile_levels == levels
    assert {*options.interval_levels} <= {*levels}
    assert sum(options.interval_levels) == 1.0
    assert TrainingOptions(**options.model_dump()).quantile_levels == levels


def test_bounds_are_kept_as_they_are_written():
    options = TrainingOptions(bounds={"a": " 0:1234567", "b": ":1e-7"})
    assert options.bounds == {"a": "0:1234567", "b": ":1e-07"}
    assert TrainingOptions(**options.model_dump()) == options


def test_two_bad_settings_are_both_named():
    with pytest.raises(ConfigurationError, match=r"batch_size_days.*; .*max_workers"):
        TrainingConfig(batch_size_days=0, max_workers=0)


def test_settings_come_from_the_environment():
    settings = Settings.from_environment(
        {"PULSE_SOURCE": "s3://in/put", "PULSE_START_DATE": "2001-02-03", "PULSE_END_DATE": ""}
    )
    assert settings.source == "s3://in/put"
    assert settings.start_date == date(2001, 2, 3)
    assert settings.end_date == date(2022, 12, 31)


CONFIG = "publication_lag_days: {gdp: 30, '*': 5}\nstart_date: 2001-02-03\nmax_workers: 3\n"


def test_a_file_that_the_environment_names_has_the_defaults_of_a_deployment(tmp_path):
    file = tmp_path / "pulse.yaml"
    file.write_text(CONFIG)
    settings, options = deployment_of({"PULSE_CONFIG": str(file), "PULSE_BATCH_SIZE_DAYS": "7"})
    assert (settings.start_date, settings.batch_size_days) == (date(2001, 2, 3), 7)
    assert options == TrainingOptions(publication_lag_days={"gdp": 30, "*": 5})
    environment = {"PULSE_CONFIG": str(file), "PULSE_START_DATE": "2002-01-01"}
    assert deployment_of(environment)[0].start_date == date(2002, 1, 1)
    assert deployment_of({}) == (Settings(), TrainingOptions())


def test_the_command_line_reads_the_file_of_its_deployment_too(tmp_path):
    file = tmp_path / "pulse.yaml"
    file.write_text(CONFIG)
    environment = {"PULSE_CONFIG": str(file)}
    config = create_config_from_args(parse_args(["--start-date", "2003-01-01"]), environment)
    lags = {"gdp": 30, "*": 5}
    assert (config.max_workers, config.publication_lag_days) == (3, lags)
    assert config.start_date == date(2003, 1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "PULSE_CONFIG .*pulse.yaml cannot be read: "),
        ("- 1\n", "PULSE_CONFIG .*pulse.yaml holds no settings"),
        ("start: 1\n", "unknown setting 'start'"),
    ],
)
def test_a_file_of_a_deployment_that_is_wrong_is_named(tmp_path, text, message):
    if text:
        (tmp_path / "pulse.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        deployment_of({"PULSE_CONFIG": str(tmp_path / "pulse.yaml")})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PULSE_CONFG", "did you mean PULSE_CONFIG?"),
        ("PULSE_STRAT_DATE", "did you mean PULSE_START_DATE?"),
        ("PULSE_SOURCES", "did you mean PULSE_SOURCE?"),
        ("PULSE_BATCH_SIZE", "did you mean PULSE_BATCH_SIZE_DAYS?"),
        ("PULSE_HORIZONS", "give horizons as an option"),
    ],
)
def test_a_variable_that_looks_like_a_setting_is_not_ignored(name, meant):
    with pytest.raises(ConfigurationError, match=f"^the variable {name} is not read: ") as caught:
        Settings.from_environment({name: "1"})
    assert meant in str(caught.value)


def test_variables_of_other_programs_are_left_alone():
    names = ("PULSE_SERVER", "PULSE_SINK", "PULSE_SCHEDULER", "PULSE_POSTGRES_URL", "HORIZONS")
    assert Settings.from_environment(dict.fromkeys(names, "x")) == Settings.from_environment({})


def test_the_default_store_lies_under_dagster_home(monkeypatch, tmp_path):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert dagster_home() == tmp_path
    assert Settings().store == str(tmp_path / "store")


def test_relative_places_are_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert Settings(store="a", source="b").source == str(Path.cwd() / "b")


def test_a_config_splits_into_settings_and_options():
    config = TrainingConfig(variables=["b", "a"], batch_size_days=7, horizons=[3, 1])
    assert config.settings() == Settings(batch_size_days=7)
    assert config.options() == TrainingOptions(variables=["a", "b"], horizons=[1, 3])


@pytest.mark.parametrize("field", ["source", "store", "s3_endpoint_url", "s3_output_file"])
@pytest.mark.parametrize("scheme", ["s3", "https", "HTTP"])
def test_credentials_in_an_address_are_refused_and_not_repeated(field, scheme):
    with pytest.raises(ConfigurationError, match=f"^{field} holds credentials") as caught:
        TrainingConfig(**{field: f"{scheme}://KEYID:s3cr3t@host/x"})
    assert "s3cr3t" not in str(caught.value)
    assert "KEYID" not in str(caught.value)


class _Kinds(Checked):
    """A setting of each kind that the command line has a form for."""

    names: list[str] | None = setting(default=None, description="names")
    steps: list[int] = setting(default=[1], description="steps")
    pairs: dict[str, str] = setting(default={}, description="pairs")
    switch: bool = setting(default=False, description="switch")
    number: int | None = setting(default=None, description="number")


@pytest.mark.parametrize(
    ("kind", "expected"), [(list, {"names", "steps"}), (dict, {"pairs"}), (bool, {"switch"})]
)
def test_the_form_of_an_option_follows_from_the_type_of_its_field(kind, expected):
    assert settings_of_type(_Kinds, kind) == expected


@pytest.mark.parametrize(
    ("given", "lags"),
    [(30, {"*": 30}), ("30", {"*": 30}), ({"gdp": 45, "*": 9}, {"gdp": 45, "*": 9}), ({}, {})],
)
def test_publication_lags_are_one_number_or_one_by_variable(given, lags):
    assert TrainingOptions(publication_lag_days=given).publication_lag_days == lags


@pytest.mark.parametrize(
    ("given", "release"),
    [
        ("FIRST", "first"),
        (" latest ", "latest"),
        (1, "first"),
        ("1", "first"),
        (3, "3"),
        ("03", "3"),
    ],
)
def test_a_release_is_named_or_numbered(given, release):
    assert TrainingOptions(score_against=given).score_against == release
