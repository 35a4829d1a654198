"""Whole runs whose source and store lie in S3: what they store, ask for and say."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from dagster_aws.s3 import S3ComputeLogManager

from pulse_assets import TrainingConfig, train
from pulse_assets import open_store as open_results
from pulse_assets.batches.windows import make_batch
from pulse_assets.dagster.checks import lookahead
from pulse_assets.dagster.checks import stored as stored_batches
from pulse_assets.dagster.internals import new_run_id
from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.definitions import build_definitions
from pulse_assets.errors import StoreUnavailableError
from pulse_assets.execution.batch_task import BatchTask
from pulse_assets.history.source import open_source
from pulse_assets.preflight import resolve_options
from pulse_assets.run_training import main
from pulse_assets.settings import dagster_home
from pulse_assets.storage.layout import PartitionedTables, object_path
from pulse_assets.storage.s3 import CONCURRENCY, connect
from pulse_assets.storage.store import open_store
from pulse_assets.storage.tables import encode_table
from pulse_assets_tests.conftest import stored
from pulse_assets_tests.one_batch import run_batch
from pulse_assets_tests.storage.buckets import new_bucket
from pulse_assets_tests.storage.examples import history
from pulse_assets_tests.storage.s3_server import answering, billing, denying, refusing

EXAMPLES = Path(__file__).parents[2] / "examples"
RUN = {
    "start_date": "2005-01-01",
    "end_date": "2005-12-26",
    "models": ["naive", "drift"],
    "horizons": [1],
    "max_workers": 1,
}
WHOLE_RANGE = {
    "dagster/asset_partition_range_start": "2005-01-01",
    "dagster/asset_partition_range_end": "2005-11-27",
}
RESULTS = object_path("training_results", suffix="json")


def place(s3):
    return {"aws_region": s3.region, "s3_endpoint_url": s3.endpoint_url}


def upload(source, uri, s3):
    """Put the files of a directory into a bucket."""
    for file in source.iterdir():
        open_store(uri, s3).write(file.name, file.read_bytes())


def objects_of(uri, s3):
    """Every Parquet object below an address."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    client = open_store(uri, s3)._connection.client
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    keys = [item["Key"].removeprefix(f"{prefix}/") for page in pages for item in page["Contents"]]
    return {key: open_store(uri, s3).read(key) for key in keys if key.endswith(".parquet")}


def without_place(results):
    """The results less what tells where and how fast they were made."""
    kept = {name: value for name, value in results.items() if name != "performance"}
    named = ("source", "store", "aws_region", "s3_endpoint_url")
    configuration = {k: v for k, v in results["configuration"].items() if k not in named}
    return kept | {"configuration": configuration}


def figures(report):
    found = re.findall(rb"<svg.*?</svg>", report, re.DOTALL)
    assert found
    return found


# What is stored


@pytest.mark.parametrize("server", ["s3", pytest.param("seaweedfs", marks=pytest.mark.slow)])
def test_a_run_on_s3_stores_the_same_as_one_in_directories(request, source, tmp_path, server):
    s3 = request.getfixturevalue(server)
    run = RUN | {"batch_limit": 5}
    here = train(TrainingConfig(**run, source=str(source), store=str(tmp_path / "store")))
    bucket = new_bucket(s3)
    upload(source, f"s3://{bucket}/in", s3)
    where = {"source": f"s3://{bucket}/in", "store": f"s3://{bucket}/out"}
    copy = f"s3://{bucket}/copies/results.json"
    there = train(TrainingConfig(**run, **where, **place(s3), s3_output_file=copy))
    assert here.success
    assert there.success
    assert objects_of(where["store"], s3) == stored(tmp_path / "store")
    assert without_place(there.data) == without_place(here.data)
    assert there.results_path == f"{where['store']}/{RESULTS}"
    store = open_store(where["store"], s3)
    report = object_path("training_report", suffix="html")
    assert figures(store.read(report)) == figures((tmp_path / "store" / report).read_bytes())
    assert json.loads(open_store(f"s3://{bucket}/copies", s3).read("results.json")) == there.data


@pytest.mark.slow
def test_run_config_names_buckets_in_place_of_the_deployments(cloud, settings, instance, s3):
    """The code location knows of no bucket."""
    training = {name: RUN[name] for name in ("models", "horizons")}
    resources = {"training": {"config": training}, "data": {"config": cloud}}
    result = (
        build_definitions(settings)
        .resolve_job_def(JOB_NAME)
        .execute_in_process(
            run_config={"resources": resources}, instance=instance, tags=WHOLE_RANGE
        )
    )
    assert result.success
    assert not Path(settings.store).exists()
    here = train(TrainingConfig(**RUN, **settings.model_dump(include={"source", "store"})))
    assert objects_of(cloud["store"], s3) == stored(here.data["configuration"]["store"])


@pytest.mark.parametrize(
    ("changed", "status", "retries"), [({}, "SUCCESS", 1), ({"variables": ["x"]}, "FAILURE", 0)]
)
def test_a_retry_policy_counts_for_what_may_pass(
    cloud, settings, instance, s3_server, changed, status, retries
):
    """A store that denies a request once is tried again, a variable that is not there is not."""
    policy = dg.RetryPolicy(max_retries=1)
    batches = dg.AssetSelection.assets("batch_metrics")
    own = dg.define_asset_job("own", batches.upstream(), op_retry_policy=policy)
    graph = dg.Definitions.merge(build_definitions(settings), dg.Definitions(jobs=[own]))
    training = {"models": ["naive"], "horizons": [1]} | changed
    resources = {"training": {"config": training}, "data": {"config": cloud}}
    once = iter([refusing("AccessDenied", "403 Forbidden")] if not changed else [])
    with s3_server.failing(
        lambda *request: fault(*request) if (fault := next(once, None)) else None
    ):
        result = graph.resolve_job_def("own").execute_in_process(
            run_config={"resources": resources},
            instance=instance,
            tags=WHOLE_RANGE,
            raise_on_error=False,
        )
    assert result.dagster_run.status.value == status
    assert result.retry_attempts_for_node("train_batches") == retries


# What is asked for


@pytest.fixture
def cloud(source, bucket, s3):
    """Source and store in a bucket, as fields of a configuration."""
    upload(source, f"s3://{bucket}/in", s3)
    return {"source": f"s3://{bucket}/in", "store": f"s3://{bucket}/out", **place(s3)}


def task_of(config, key):
    settings, options = config.settings(), resolve_options(config.settings(), config.options())
    batch = make_batch(key, config.end_date, config.batch_size_days, options.variables)
    return BatchTask((batch,), settings, options)


def test_a_batch_on_a_warm_worker_asks_once_and_writes_four_times(cloud, s3_server):
    config = TrainingConfig(**RUN, **cloud)
    run_batch(task_of(config, "2005-01-01"))
    with s3_server.counting() as requests:
        assert run_batch(task_of(config, "2005-01-31")).status == "completed"
    assert requests == {"list": 2, "write": 4}  # one of the lists is of `resolve_options`
    resumed = TrainingConfig(**RUN, **cloud, resume=True)
    with s3_server.counting() as requests:
        assert run_batch(task_of(resumed, "2005-01-31")).unchanged
    assert requests == {"list": 2, "read": 4}


def test_a_frame_is_stored_in_the_bucket_once_and_trained_on(cloud, s3):
    months = pd.date_range("2000-01-01", periods=120, freq="MS")
    frame = pd.DataFrame({"line": np.arange(120.0)}, months)
    elsewhere = {name: value for name, value in cloud.items() if name != "source"}
    config = TrainingConfig(**RUN, **elsewhere, variables=["line"], batch_limit=2)
    for _ in range(2):
        assert train(config, data=frame).success
    (path,) = open_store(cloud["store"], s3).versions("source_data/")
    again = config.model_copy(update={"source": f"{cloud['store']}/{path}", "resume": True})
    assert train(again).data["batches"]["completed"] == 2


@pytest.mark.slow
def test_the_requests_of_a_run_grow_by_less_than_nine_a_batch(cloud, s3_server, monkeypatch):
    # The asset checks read a sample, which is reached at once.
    monkeypatch.setattr(stored_batches, "READ_BATCHES", 1)
    monkeypatch.setattr(lookahead, "RECOMPUTED_BATCHES", 1)

    def requests(batches):
        longer = {"end_date": "2006-12-31", "batch_size_days": 31}  # a first of the month in each
        config = TrainingConfig(**RUN | longer, **cloud, batch_limit=batches)
        with s3_server.counting() as found:
            assert train(config).data["batches"]["completed"] == batches
        return found

    requests(1)  # warms this process: its reads of the source are not repeated
    few, more = requests(3), requests(8)
    grown = {kind: (more[kind] - few[kind]) / 5 for kind in more}
    # A block lists the source and a batch writes its tables; trust, results and checks read the
    # metrics, and the report reads the forecasts.
    assert 0 < grown.pop("list") < 1
    assert grown == {"write": 4, "read": 4, "other": 0}


def test_source_objects_are_read_once_and_again_only_when_their_content_changes(
    cloud, s3, s3_server
):
    def load():
        source = open_source(cloud["source"], s3)
        with s3_server.counting() as requests:
            values = [source.load(name).values[0] for name in source.variables()]
        return values, requests.get("read", 0)

    first, reads = load()
    assert reads == 2
    assert load() == (first, 0)
    store = open_store(cloud["source"], s3)
    name = "historical_line.csv"
    data = store.read(name)
    store.write(name, data)  # newer, with the ETag of old
    assert load() == (first, 0)
    store.write(name, data.replace(b",10.0\n", b",11.0\n"))
    assert load() == ([11.0, *first[1:]], 1)


def test_many_objects_are_read_sixteen_at_a_time(bucket, s3, s3_server, caplog):
    store = open_store(f"s3://{bucket}/p", s3)
    keys = [f"2020-01-{day:02d}" for day in range(1, 31)] + [f"2020-02-{d}" for d in range(10, 20)]
    data = encode_table(history(("gdp", 0, 1.0)), "historical_data", fingerprint={})
    for key in keys:
        store.write(object_path("historical_data", key, 30), data)
    lock, under_way, most = threading.Lock(), 0, 0

    def slow(environ, _start_response):
        nonlocal under_way, most
        if "list-type" in environ["QUERY_STRING"]:
            return
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.2)
        with lock:
            under_way -= 1

    tables = PartitionedTables(store, "historical_data", 30, keys)
    with s3_server.failing(slow):
        assert sum(part.num_rows for part in tables.parts(made_of={})) == 40
    assert most == CONCURRENCY == 16
    assert "pool is full" not in caplog.text


# What it says when it cannot


@pytest.fixture
def said(cloud, source, capsys):
    """Run the command with other places; return its one line."""

    def said(**places):
        flags = {"start_date": "2005-01-01", "end_date": "2005-03-01", "max_workers": 1}
        given = flags | cloud | places
        code = main(
            [part for k, v in given.items() for part in (f"--{k.replace('_', '-')}", str(v))]
        )
        ran = capsys.readouterr()
        assert (code, ran.out) == (1, "")
        (line,) = [line for line in ran.err.splitlines() if "werkzeug" not in line]
        assert line.startswith("error: ")
        assert not Path(dagster_home()).exists()
        return line

    return said


def test_a_bucket_that_does_not_exist_is_named(said, bucket):
    for field in ("source", "store"):
        line = said(**{field: "s3://no-such-bucket/p"})
        assert "s3://no-such-bucket/p" in line
        assert "the bucket does not exist: create it" in line


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        ("AccessDenied", "403 Forbidden", "grant s3:ListBucket on the bucket"),
        ("InvalidAccessKeyId", "403 Forbidden", "access key is unknown"),
        ("SignatureDoesNotMatch", "403 Forbidden", "secret key is wrong"),
        ("ExpiredToken", "400 Bad Request", "session has expired"),
        ("PermanentRedirect", "301 Moved Permanently", "another region: set the AWS region"),
        ("AuthorizationHeaderMalformed", "400 Bad Request", "another region: set the AWS region"),
        ("IllegalLocationConstraintException", "400 Bad Request", "another region"),
        ("KMS.DisabledException", "400 Bad Request", "KMS.DisabledException"),
    ],
)
def test_what_s3_refuses_is_explained(said, cloud, s3_server, code, status, text):
    with s3_server.failing(refusing(code, status)):
        line = said()
    assert cloud["source"] in line
    assert text in line


@pytest.mark.parametrize(
    ("right", "place", "path"),
    [
        ("ListBucket", "store", "out/"),
        ("GetObject", "store", "out/"),
        ("PutObject", "store", "out/"),
        ("ListBucket", "source", "in/"),
        ("GetObject", "source", "in/"),
    ],
)
def test_a_right_that_is_missing_is_named_before_the_first_batch(
    said, cloud, s3, s3_server, right, place, path
):
    with s3_server.failing(denying(right, path)):
        line = said()
    assert cloud[place] in line
    assert f"access denied: grant s3:{right} on the" in line
    others = {"ListBucket", "GetObject", "PutObject"} - {right}
    assert not any(f"s3:{other}" in line for other in others)
    assert open_store(cloud["store"], s3).names() == {}


def test_an_archived_object_is_named(said, cloud, s3, source):
    """moto refuses to read it as S3 does."""
    bucket = cloud["source"].split("/")[2]
    file = next(source.iterdir())
    connect(s3).client.put_object(
        Bucket=bucket, Key=f"in/{file.name}", Body=file.read_bytes(), StorageClass="GLACIER"
    )
    line = said()
    assert f"{cloud['source']}/{file.name}: cannot be read: the object is archived" in line
    assert "restore it" in line


def test_a_bucket_that_bills_its_readers(said, cloud, s3_server):
    with s3_server.failing(billing()):
        line = said()
        assert f"{cloud['source']}/: cannot be listed: access denied" in line
        assert "if the bucket bills its readers, accept that (--s3-requester-pays)" in line
        paying = TrainingConfig(**RUN, **cloud, s3_requester_pays=True, batch_limit=2)
        results = train(paying)
        assert results.success
        stored_there = open_results(
            cloud["store"],
            aws_region=cloud["aws_region"],
            s3_endpoint_url=cloud["s3_endpoint_url"],
            s3_requester_pays=True,
        )
        assert stored_there.data == results.data


def test_a_copy_of_the_results_needs_the_right_to_write_alone(s3, s3_server, bucket):
    store = open_store(f"s3://{bucket}/copies", s3)
    for right in ("ListBucket", "GetObject"):
        with s3_server.failing(denying(right)):
            store.check_writable()
            with pytest.raises(StoreUnavailableError, match=f"grant s3:{right} on"):
                store.check_usable()
    store.check_usable()
    assert store.names() == {}


def test_credentials_that_are_missing_are_asked_for(said, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    # Another region, for this process has a client with the credentials of before.
    assert "no AWS credentials: sign in" in said(aws_region="eu-west-3")
    assert "nobody" in said(aws_profile="nobody")


def test_a_region_that_is_none_is_named(said):
    assert "'not a region'" in said(aws_region="not a region")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def _never_begun_anew(monkeypatch):
    """Fail when an exchange is begun anew, as one is that may succeed later."""

    class NoPause:
        @staticmethod
        def uniform(_least, _most):
            pytest.fail("the exchange was begun anew")

    monkeypatch.setattr("pulse_assets.storage.s3.random", NoPause)


@pytest.mark.usefixtures("_never_begun_anew")
def test_an_endpoint_where_nothing_answers_is_named_soon(said):
    url = f"http://127.0.0.1:{free_port()}"
    line = said(s3_endpoint_url=url)
    assert f"nothing answers at {url}: correct --s3-endpoint-url" in line


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("404 Not Found", b"<html><body>no such page</body></html>"),
        ("405 Method Not Allowed", b""),
        ("200 OK", b"<html><br>welcome</html>"),
        ("200 OK", b"plain text"),
        ("400 Bad Request", b"what?"),
    ],
)
def test_an_endpoint_that_is_no_s3_is_named(said, s3_server, status, body):
    url = s3_server.url.replace("127.0.0.1", "localhost")  # where this process has met no S3
    with s3_server.failing(answering(status, body)):
        line = said(s3_endpoint_url=url)
    assert f"{url} does not answer as S3 does" in line
    assert "correct --s3-endpoint-url" in line


@pytest.mark.usefixtures("_never_begun_anew")
def test_an_endpoint_with_another_scheme_is_named_soon(said, s3_server):
    line = said(s3_endpoint_url=s3_server.url.replace("http:", "https:"))
    assert "does not speak TLS" in line


# Credentials


@pytest.mark.slow
def test_credentials_stand_nowhere_but_in_the_environment(cloud, s3, tmp_path):
    planted = {
        "AWS_ACCESS_KEY_ID": "AKIDPLANTEDPLANTED00",
        "AWS_SECRET_ACCESS_KEY": "planted+secret/planted+secret/planted000",
        "AWS_SESSION_TOKEN": "planted-token-planted-token-planted-token",
    }
    home, logs = tmp_path / "home", tmp_path / "logs"
    bucket = cloud["store"].split("/")[2]
    home.mkdir()
    (home / "dagster.yaml").write_text((EXAMPLES / "dagster_s3.yaml").read_text())
    environment = (
        os.environ
        | planted
        | {
            "DAGSTER_HOME": str(home),
            "PULSE_LOG_BUCKET": bucket,
            "AWS_ENDPOINT_URL_S3": s3.endpoint_url,
            "AWS_DEFAULT_REGION": s3.region,
        }
    )
    flags = ["--variables", "line", "--start-date", "2005-01-01", "--end-date", "2005-06-01"]
    flags += ["--models", "naive", "--log-level", "DEBUG", "--log-dir", str(logs)]
    flags += ["--max-workers", "2", "--source", cloud["source"]]
    said = b""
    for store, code in ((cloud["store"], 0), ("s3://no-such-bucket/p", 1)):
        ran = subprocess.run(
            [sys.executable, "-m", "pulse_assets.run_training", *flags, "--store", store],
            env=environment,
            capture_output=True,
        )
        assert ran.returncode == code, ran.stderr[-2000:]
        said += ran.stdout + ran.stderr
    client = open_store(cloud["store"], s3)._connection.client
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert any(key.startswith("compute_logs/") for key in keys)
    found = {key: open_store(f"s3://{bucket}", s3).read(key) for key in keys if "/." not in key}
    files = [path for path in [*home.rglob("*"), *logs.rglob("*")] if path.is_file()]
    found |= {str(path): path.read_bytes() for path in files} | {"said": said}
    assert b"DEBUG" in said
    for name, secret in planted.items():
        assert [place for place, data in found.items() if secret.encode() in data] == [], name


@pytest.mark.parametrize("server", ["s3", pytest.param("seaweedfs", marks=pytest.mark.slow)])
def test_the_shipped_instance_keeps_what_steps_print_in_s3(request, tmp_path, monkeypatch, server):
    s3 = request.getfixturevalue(server)
    bucket = new_bucket(s3)
    monkeypatch.setenv("PULSE_LOG_BUCKET", bucket)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", s3.region)
    (tmp_path / "dagster.yaml").write_text((EXAMPLES / "dagster_s3.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        manager = instance.compute_log_manager
        assert isinstance(manager, S3ComputeLogManager)
        key = [new_run_id(), "compute_logs", "step"]
        with manager.capture_logs(key):
            sys.stdout.write("printed by a step\n")
            sys.stdout.flush()
        assert manager.get_log_data(key).stdout == b"printed by a step\n"  # as the UI shows it
    client = open_store(f"s3://{bucket}", s3)._connection.client
    (out,) = [
        item["Key"]
        for item in client.list_objects_v2(Bucket=bucket)["Contents"]
        if item["Key"].endswith(".out")
    ]
    assert out.startswith("compute_logs/")
    assert b"printed by a step" in open_store(f"s3://{bucket}", s3).read(out)


@pytest.mark.slow
def test_logs_that_are_lost_in_the_middle_of_a_run_are_a_line(
    cloud, bucket, s3, s3_server, monkeypatch, capsys
):
    """The run goes on, as its results do not depend on them."""
    monkeypatch.setenv("PULSE_LOG_BUCKET", bucket)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", s3.region)
    dagster_home().mkdir(parents=True)
    (dagster_home() / "dagster.yaml").write_text((EXAMPLES / "dagster_s3.yaml").read_text())
    deny = refusing("AccessDenied", "403 Forbidden")

    def deny_logs(environ, start_response):
        is_log = "compute_logs" in environ["PATH_INFO"] and environ["REQUEST_METHOD"] == "PUT"
        return deny(environ, start_response) if is_log else None

    flags = {**cloud, "start_date": "2005-01-01", "end_date": "2005-03-01", "max_workers": 1}
    words = [word for k, v in flags.items() for word in (f"--{k.replace('_', '-')}", str(v))]
    with s3_server.failing(deny_logs):
        assert main([*words, "--models", "naive"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "compute log" in line]
    assert lines
    assert all("cleaning up compute log capture: " in line for line in lines)
    assert all("AccessDenied" in line for line in lines)
