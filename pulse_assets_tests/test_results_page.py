"""The lines on the pages about results run, over a directory and over S3, and agree."""

import re
from pathlib import Path

import boto3
import numpy as np
import pandas as pd
import pytest

import pulse_assets
from pulse_assets import TrainingConfig, train
from pulse_assets.storage.store import LocalStore
from pulse_assets_tests.storage.conftest import credentials, s3_server  # noqa: F401 - fixtures

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "guide"
PAGES = [(GUIDE / name).read_text(encoding="utf-8") for name in ("results.md", "exports.md")]
BLOCKS = re.findall(r"```python\n(.*?)```", "\n".join(PAGES), re.DOTALL)

pytestmark = pytest.mark.filterwarnings("ignore:A future version of pandas will return")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The store of a training of one bundled series over 2007 to 2009."""
    folder = tmp_path_factory.mktemp("page")
    config = TrainingConfig(
        store=str(folder / "my_results"),
        variables=["gdp_growth"],
        start_date="2007-01-01",
        end_date="2009-12-31",
        batch_cadence="yearly",
        models=["naive", "mean"],
        max_workers=1,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        train(config)
    return LocalStore(folder / "my_results")


@pytest.fixture
def bucket_of_the_page(store, s3_server, credentials, monkeypatch):  # noqa: F811
    """The bucket that the page names, on a server of our own."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=s3_server.url)
    client.create_bucket(Bucket="my-results")
    for path in store.versions("retrodictions/", below=True):
        client.put_object(Bucket="my-results", Key=f"pulse/{path}", Body=store.read(path))


def answers(where):
    """Run the blocks that name a place; return what each of them found."""
    found = []
    for block in (block for block in BLOCKS if where in block):
        names = {}
        exec(block, names)
        found.append(names)
    return found


def as_number(answer):
    """The one number of an answer of pandas, DuckDB or Polars."""
    if hasattr(answer, "collect"):
        return answer.collect()["predicted"].item()
    if hasattr(answer, "fetchall"):
        ((_, error),) = answer.fetchall()
        return error
    return answer.item()


def test_the_lines_over_a_directory_agree(store, monkeypatch):
    monkeypatch.chdir(store.root.parent)
    results, *tables, board = answers("my_results")
    frame = results["frame"]
    assert set(frame["model"]) == {"ensemble", "naive"}
    ours = results["results"].retrodictions(model="ensemble")
    ours = ours[ours["target_date"].dt.year == 2008]
    expected = np.abs(ours["predicted"] - ours["observed"]).mean()
    assert len(tables) == 3
    for names in tables:
        assert as_number(names["answer"]) == pytest.approx(expected, rel=1e-12)
    skills = results["results"].models.set_index("model")["skill"]
    assert board["board"]["skill_score"].to_dict() == pytest.approx(skills.to_dict(), abs=1e-5)


@pytest.mark.usefixtures("bucket_of_the_page")
def test_the_lines_over_s3_read_the_same_rows(store):
    expected = pulse_assets.open_store(store.uri).retrodictions(model="ensemble")
    pandas_rows, duckdb_rows, polars_rows = (names["frame"] for names in answers("s3://"))
    assert str(pandas_rows["target_date"].dtype) == "datetime64[ms]"
    assert sorted(pandas_rows["predicted"]) == sorted(expected["predicted"])
    assert sorted(polars_rows["predicted"]) == sorted(expected["predicted"])
    since = expected[expected["target_date"] >= pd.Timestamp("2008-01-01")]
    assert sorted(duckdb_rows.df()["predicted"]) == sorted(since["predicted"])
