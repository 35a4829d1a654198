"""Every example runs from any folder, and prints what its head says."""

import ast
import os
import re
import subprocess
import sys
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path
from textwrap import dedent

import nbformat
import pytest

from docs_scripts.notebooks import NOTEBOOKS, execute, printed
from pulse_assets.storage.store import open_store
from pulse_assets_tests.execution.clusters import worker_processes
from pulse_assets_tests.storage.conftest import (  # noqa: F401 - fixtures
    bucket,
    credentials,
    s3,
    s3_server,
)

EXAMPLES = Path(__file__).parents[1] / "examples"
#: Figures of durations in what an example prints.
SECONDS = re.compile(r"\d+\.\d+(?= (processor )?s)")


def run(name, folder, *words):
    command = [sys.executable, "-W", "error::UserWarning", EXAMPLES / name, *words]
    environment = {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def promised(name):
    """Return the indented lines that end the docstring of an example."""
    head = ast.get_docstring(ast.parse((EXAMPLES / name).read_text()))
    return dedent(re.split(r"\n\n(?=    )", head)[-1]) + "\n"


def assert_same(wanted, got):
    wanted, got = SECONDS.sub("1.0", wanted), SECONDS.sub("1.0", got)
    options = ELLIPSIS | NORMALIZE_WHITESPACE
    assert OutputChecker().check_output(wanted, got, options), f"{wanted}\n---\n{got}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["from_python", "own_data", "own_rule", "real_time", "use_results"]
)
def test_a_script(name, tmp_path):
    assert_same(promised(f"{name}.py"), run(f"{name}.py", tmp_path))


@pytest.mark.slow
def test_operating_a_store(tmp_path):
    (tmp_path / "pulse-train").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m pulse_assets.run_training "$@"\n'
    )
    (tmp_path / "python").symlink_to(sys.executable)
    (tmp_path / "pulse-train").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", EXAMPLES / "operate.sh"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^ +92 +0 +0 +0 +0 +0 +92", ran.stdout, re.M)
    assert "history_days: 3652 -> 7305" in ran.stdout
    assert "removed: 368 objects" in ran.stdout
    assert re.search(r"^23 batches, \d+ requests, [\d.]+ CPU s$", ran.stdout, re.M)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS.values(), ids=list(NOTEBOOKS))
def test_a_notebook_prints_what_it_shows(path):
    """In a Jupyter kernel, as a reader runs it."""
    shown, now = printed(nbformat.read(path, as_version=4)), printed(execute(path))
    assert len(shown) == len(now) > 5
    for wanted, got in zip(shown, now, strict=True):
        assert wanted == got, "run python -m docs_scripts.notebooks"


@pytest.mark.parametrize("path", NOTEBOOKS.values(), ids=list(NOTEBOOKS))
def test_a_notebook_is_small_and_has_no_traces_of_its_machine(path):
    assert path.stat().st_size < 400_000
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(tmp|home|root|work)/|site-packages|Traceback", text)


def test_the_table_names_all_examples():
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| \[(\S+)\]\(\1\) \|", table, re.M))
    there = {path.name for path in EXAMPLES.iterdir() if not path.name.startswith((".", "__"))}
    assert named == there - {"README.md"}


@pytest.mark.slow
def test_on_s3(s3, bucket, tmp_path, monkeypatch):  # noqa: F811
    sample = Path(__file__).parents[1] / "pulse_assets" / "sample_data"
    source, store = f"s3://{bucket}/history", f"s3://{bucket}/results"
    name = "historical_gdp_growth.csv"
    open_store(source, s3).write(name, (sample / name).read_bytes())
    monkeypatch.setenv("AWS_REGION", s3.region)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.endpoint_url)
    out = run("on_s3.py", tmp_path, source, store)
    assert_same(promised("on_s3.py").replace("s3://my-results/pulse", store), out)
    listed = open_store(store, s3).versions("retrodictions/batch_cadence=yearly/")
    assert len(listed) == 4  # years


@pytest.mark.slow
def test_on_an_existing_cluster(tmp_path):
    with worker_processes(1) as cluster:
        scheduler = cluster.scheduler_address
        assert run("existing_cluster.py", tmp_path, scheduler).split() == ["4", scheduler]
