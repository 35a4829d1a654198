"""Addresses that mean S3 or a file but are not written so, wherever an address is taken."""

from pathlib import Path

import dagster as dg
import pytest

from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.definitions import build_definitions
from pulse_assets.errors import ConfigurationError
from pulse_assets.history.source import open_source
from pulse_assets.run_training import create_config_from_args, main, parse_args
from pulse_assets.settings import Settings, TrainingConfig
from pulse_assets.storage.s3 import AWS
from pulse_assets.storage.store import S3Store, open_store

#: What is given, and what its refusal suggests.
MISTYPED = {
    "s3:/my-bucket/pulse": "s3://my-bucket/pulse",
    "s3:my-bucket/pulse": "s3://my-bucket/pulse",
    "s3:my-bucket": "s3://my-bucket",
    "s3:///my-bucket/pulse": "s3://my-bucket/pulse",
    "s3//my-bucket/pulse": "s3://my-bucket/pulse",
    "S3://my-bucket": "s3://my-bucket",
    "s3a://my-bucket/x": "s3://my-bucket/x",
    "S3N:/my-bucket/x": "s3://my-bucket/x",
    "s3:\\\\my-bucket\\x": "s3://my-bucket/x",
    "s3://my-bucket//pulse": "s3://my-bucket/pulse",
    "s3://my-bucket/a//b": "s3://my-bucket/a/b",
    "s3://my-bucket/a//": "s3://my-bucket/a",
    "s3://my-bucket/./x": "s3://my-bucket/x",
    " s3://my-bucket/x": "s3://my-bucket/x",
    "s3://my-bucket/x ": "s3://my-bucket/x",
    "arn:aws:s3:::my-bucket/x": "s3://my-bucket/x",
    "file:/data/x": "/data/x",
    "file:///data/x": "/data/x",
    "FILE://localhost/data/x": "/data/x",
    "file:x": "x",
    " /data/x": "/data/x",
}
#: What has no likely meaning.
FOREIGN = ("gs://b/x", "gs:b", "https://host/x", "ftp:/host", "c:/x", "C:\\x", "x+y:/z")
FOREIGN_S3 = ("", " ", "s3://", "s3:", "s3:///", "s3://b/../x")


@pytest.mark.parametrize(("given", "meant"), MISTYPED.items())
def test_a_mistyped_address_is_refused_with_what_was_meant(given, meant):
    suggestion = f"did you mean {meant}?"
    for take in (open_store, lambda uri: open_source(uri, AWS)):
        with pytest.raises(ConfigurationError) as caught:
            take(given)
        assert suggestion in str(caught.value)
        assert repr(given) in str(caught.value)
    for name in ("store", "source"):
        with pytest.raises(ConfigurationError, match=rf"^{name} = ") as caught:
            Settings(**{name: given})
        assert suggestion in str(caught.value)
        with pytest.raises(ConfigurationError, match=rf"^{name} = "):
            Settings.from_environment({f"PULSE_{name.upper()}": given})


@pytest.mark.parametrize("given", [*FOREIGN, *FOREIGN_S3])
def test_a_foreign_address_is_refused_with_the_two_forms(given):
    with pytest.raises(ConfigurationError, match="give a directory or s3://bucket/prefix"):
        open_store(given)
    with pytest.raises(ConfigurationError, match="give a directory or s3://bucket/prefix"):
        Settings(store=given)


def test_the_home_of_an_unknown_user_is_refused_wherever_a_place_is_given():
    given, said = "~nobody-of-that-name/x", "begins with ~nobody-of-that-name, but that user has no"
    for take in (
        open_store,
        lambda place: Settings(store=place),
        lambda place: Settings(source=place),
        lambda place: TrainingConfig(output_file=place),
    ):
        with pytest.raises(ConfigurationError, match=said):
            take(given)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("s3://bucket/home", "lies in S3: name a directory"),
        ("s3:/bucket/home", "is no directory"),
        ("file:///data/home", "did you mean /data/home"),
        ("~nobody-of-that-name", "that user has no known home"),
        ("/data/a?b", r"holds a '\?'"),
    ],
)
def test_a_home_of_dagster_that_is_no_usable_directory_is_refused(
    given, text, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", given)
    with pytest.raises(ConfigurationError, match=f"^DAGSTER_HOME .*{text}"):
        TrainingConfig(models=["naive"])
    assert not [*tmp_path.iterdir()]


def test_colons_deeper_in_a_path_are_usable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given in (
        str(tmp_path / "a:b"),
        "./s3:",
        "a:b",
        "x/s3:/y",
        "s3",
        "s3/x",
        "2020-01-01T00:00",
    ):
        store = open_store(Settings(store=given).store)
        store.write("x/y.txt", b"1")
        assert store.uri == str(tmp_path / given)
        assert (Path(given) / "x" / "y.txt").read_bytes() == b"1"


def test_an_s3_address_may_end_in_a_slash():
    assert (
        open_store("s3://bucket/a/b/") == open_store("s3://bucket/a/b") == S3Store("bucket", "a/b")
    )
    assert open_store("s3://bucket/") == open_store("s3://bucket") == S3Store("bucket")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--store", "s3:/b/x"], "did you mean s3://b/x?"),
        (["--source", "file:///data"], "did you mean /data?"),
        (["--s3-output-file", "s3:/b/key.json"], "did you mean s3://b/key.json?"),
        (["--s3-output-file", "s3://b//key.json"], "did you mean s3://b/key.json?"),
        (["--s3-output-file", "/tmp/key.json"], "s3://bucket/key"),
        (["--output-file", "s3://b/key.json"], "--s3-output-file"),
        (["--output-file", "s3:/b/key.json"], "did you mean s3://b/key.json?"),
        (["--output-file", "file:///data/x.json"], "did you mean /data/x.json?"),
        (
            ["--s3-results-bucket", "s3://b"],
            "'s3://b' is not the name of a bucket",
        ),
        (["--s3-data-bucket", "b/x"], "--s3-data-bucket 'b/x' is not the name of a bucket"),
        (["--s3-results-bucket", "b", "--s3-results-prefix", "/x"], "did you mean s3://b/x?"),
        (["--s3-data-bucket", "b", "--s3-data-prefix", "a//x"], "did you mean s3://b/a/x?"),
        (["--log-dir", "s3://b/logs"], "log_dir = 's3://b/logs' is in S3"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_command_line_refuses_and_creates_nothing(
    arguments, text, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--variables", "gdp_growth"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bucket", ["s3://b", "b/x", "s3:b", " b"])
def test_a_bucket_of_the_environment_is_a_name(bucket):
    with pytest.raises(ConfigurationError, match=r"S3_RESULTS_BUCKET .* is not the name of"):
        create_config_from_args(parse_args([]), {"S3_RESULTS_BUCKET": bucket})


def test_the_run_configuration_is_checked_alike():
    job = build_definitions(Settings(store="/data/store")).resolve_job_def(JOB_NAME)
    place = {"resources": {"data": {"config": {"store": "s3:/b/x"}}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match=r"did you mean s3://b/x\?"):
        dg.validate_run_config(job, place)
    with pytest.raises(ConfigurationError, match=r"did you mean s3://b/x\?"):
        build_definitions(Settings(store="s3://b//x"))


@pytest.mark.parametrize("scheme", ["s3:/", "s3:", "s3a://", " s3://", "gs://"])
def test_credentials_in_a_mistyped_address_are_not_repeated(scheme):
    for field in ("store", "source", "s3_output_file"):
        with pytest.raises(ConfigurationError, match="holds credentials") as caught:
            TrainingConfig(**{field: f"{scheme}KEYID:s3cr3t@host/x"})
        assert "s3cr3t" not in str(caught.value)
