"""What the README shows is what the program does."""

import json
import re
import shlex
import shutil
from itertools import chain
from pathlib import Path

import boto3
import dagster as dg
import numpy as np
import pytest
import yaml

from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.dagster.partitions import batch_partitions
from pulse_assets.definitions import build_definitions
from pulse_assets.execution.worker_server import worker_server
from pulse_assets.retrodiction.rules import RULES
from pulse_assets.retrodiction.scores import METRICS
from pulse_assets.run_training import create_config_from_args, main, parse_args
from pulse_assets.settings import Settings
from pulse_assets_tests.storage.conftest import credentials, s3_server  # noqa: F401 - fixtures

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line.removeprefix("$ "))
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def commands(program):
    found = [words[1:] for words in COMMANDS if words[0] == program]
    assert found
    return found


@pytest.mark.parametrize("words", commands("pulse-train"), ids=" ".join)
def test_command_lines_are_understood(words):
    assert create_config_from_args(parse_args(words))


@pytest.fixture
def buckets(s3_server, credentials, monkeypatch):  # noqa: F811
    """The buckets that README names."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url)
    region = "eu-west-1"
    client = boto3.client("s3", region_name=region, endpoint_url=s3_server.url)
    for name in ("my-data", "my-results"):
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    for file in (ROOT / "pulse_assets" / "sample_data").glob("*.csv"):
        client.upload_file(str(file), "my-data", f"fred/{file.name}")


@pytest.mark.slow
def test_command_lines_do_what_is_said(tmp_path, monkeypatch, capsys, buckets):
    """All of them in one place, as a reader would type them, over a few years."""
    shutil.copytree(ROOT / "pulse_assets" / "sample_data", tmp_path / "my_data")
    monkeypatch.chdir(tmp_path)
    few = {
        "--variables": "gdp_growth",
        "--models": "ses",
        "--max-partners": "0",
        "--start-date": "2014-06-01",  # another grid than that of the first command
    }
    with worker_server():  # one for all commands
        # As `make train`, with which the reader begins.
        assert main([*chain.from_iterable(few.items())]) == 0
        for words in commands("pulse-train"):
            fewer = ((name, value) for name, value in few.items() if name not in words)
            code = main([*words, *chain.from_iterable(fewer)])
            captured = capsys.readouterr()
            assert code == 0, captured.err
            assert captured.out
    assert (tmp_path / "my_results" / "training_report").is_dir()


@pytest.mark.parametrize("words", commands("make"), ids=" ".join)
def test_make_targets_exist(words):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert set(words) <= set(targets)


def test_the_job_of_the_example_is_valid():
    (words,) = commands("dagster")
    tags = json.loads(words[words.index("--tags") + 1])
    assert set(tags.values()) <= set(batch_partitions(Settings()).get_partition_keys())
    config = yaml.safe_load((ROOT / words[words.index("-c") + 1]).read_text(encoding="utf-8"))
    job = build_definitions(Settings()).resolve_job_def(words[words.index("-j") + 1])
    assert dg.validate_run_config(job, config)


def test_the_run_config_that_names_buckets_is_valid():
    text = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)[0]
    job = build_definitions(Settings()).resolve_job_def(JOB_NAME)
    found = dg.validate_run_config(job, yaml.safe_load(text))["resources"]["data"]["config"]
    assert found["store"] == "s3://my-results/trial"


def test_the_python_example_runs(capsys):
    names = {}
    exec(PYTHON[0], names)
    printed = capsys.readouterr().out
    assert "ensemble" in printed
    assert "True" in printed
    exec(PYTHON[1], names)
    printed = capsys.readouterr().out
    assert "2020-04-01" in printed
    assert "q0.95" in printed


def test_the_own_rule_forecasts():
    names = {}
    exec(PYTHON[2], names)
    assert names["LastTwo"]().fit_predict(np.array([1.0, 2.0, 4.0]), [1, 2]) == [3.0, 3.0]


@pytest.mark.parametrize("name", [*RULES, *METRICS])
def test_every_rule_and_score_is_told_of(name):
    family, _, order = name.rpartition("_")
    assert f"`{name}`" in README or (family.startswith("ar_") and f"`_{order}`" in README)
