"""Every example runs, as its text says."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from pulse_assets.storage.store import open_store
from pulse_assets_tests.execution.clusters import worker_processes
from pulse_assets_tests.storage.conftest import (  # noqa: F401 - fixtures
    bucket,
    credentials,
    s3,
    s3_server,
)

EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = pytest.mark.slow


def run(name, *words):
    command = [sys.executable, "-W", "error::UserWarning", name, *words]
    ran = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_from_python():
    out = run("from_python.py")
    assert "ensemble" in out
    assert "2022-10-01" in out  # the first quarter after the data


def test_a_notebook():
    """In a Jupyter kernel, as a reader runs it; it is shipped without outputs."""
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in cells)
    NotebookClient(notebook, resources={"metadata": {"path": EXAMPLES}}).execute()
    board, trust, report = (cell.outputs[-1]["data"] for cell in cells)
    assert all(word in board["text/plain"] for word in ("model", "skill", "trust"))
    assert len(trust["text/plain"].splitlines()) == 2 + 5
    assert "&lt;!doctype html&gt;" in report["text/html"]


def test_from_a_frame_to_a_decision_in_ten_cells(tmp_path, monkeypatch):
    monkeypatch.setenv("PULSE_STORE", str(tmp_path / "store"))
    notebook = nbformat.read(EXAMPLES / "decision.ipynb", as_version=4)
    assert len(notebook.cells) == 10
    assert not any(cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [cell.outputs[-1] for cell in notebook.cells if cell.cell_type == "code"]
    _, models, board, reasons, tests, periods, held, ahead, decision = outputs
    for table in (models, board):
        assert "worth" in table["data"]["text/plain"]
    assert "of the ensemble in 2022" in reasons["data"]["text/plain"]
    assert "p_naive" in tests["data"]["text/plain"]
    assert "2008-2009" in periods["data"]["text/plain"]
    assert 0.5 < float(re.findall(r"0\.\d+", held["data"]["text/plain"])[0]) <= 1.0
    assert "predicted" in ahead["data"]["text/plain"]
    assert re.match(r"Plan for \d+\.\d % in September 2023.*Leave room for", decision["text"])


def test_an_own_rule():
    assert "median_of_five" in run("own_rule.py")


def test_own_data():
    assert run("own_data.py").startswith("20 batches")


def test_on_s3(s3, bucket, monkeypatch):  # noqa: F811
    sample = Path(__file__).parents[1] / "pulse_assets" / "sample_data"
    source, store = f"s3://{bucket}/history", f"s3://{bucket}/results"
    name = "historical_gdp_growth.csv"
    open_store(source, s3).write(name, (sample / name).read_bytes())
    monkeypatch.setenv("AWS_REGION", s3.region)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.endpoint_url)
    assert f"{store}/training_results/training_results.json" in run("on_s3.py", source, store)
    listed = open_store(store, s3).versions("retrodictions/batch_cadence=yearly/")
    assert len(listed) == 4  # years


def test_on_an_existing_cluster():
    with worker_processes(1) as cluster:
        scheduler = cluster.scheduler_address
        assert run("existing_cluster.py", scheduler).split() == ["4", scheduler]
