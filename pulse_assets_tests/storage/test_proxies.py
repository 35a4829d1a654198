"""A proxy on the way to S3: what fails because of it says so, soon and without its secrets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import dagster as dg
import pytest
from botocore.exceptions import EndpointConnectionError

from pulse_assets.dagster.instance import open_instance
from pulse_assets.errors import ConfigurationError, StoreUnavailableError
from pulse_assets.storage import s3 as s3_module
from pulse_assets.storage.s3 import S3Settings, explain
from pulse_assets.storage.store import open_store
from pulse_assets_tests.storage.buckets import new_bucket
from pulse_assets_tests.storage.proxies import bad_proxy

EXAMPLES: Final = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Some, and no connection of another test: botocore reads proxies when it makes one."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    s3_module.connect.cache_clear()
    yield
    s3_module.connect.cache_clear()


def _not_again(_seconds: float) -> None:
    raise AssertionError("a proxy that never answered is asked again")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:secret@127.0.0.1:9", "127.0.0.1:9"),
        ("http://user:secret@127.0.0.1:port", "127.0.0.1:port"),
    ],
)
def test_a_dead_or_malformed_proxy_is_named_at_once_without_its_password(
    address: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange is not begun anew, and the line names the proxy and its variable."""
    monkeypatch.setenv("HTTP_PROXY", address)
    monkeypatch.setattr(s3_module.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(s3_module.random, "uniform", lambda *_: _not_again(0.0))
    own = S3Settings(endpoint_url="http://127.0.0.1:9000", region="us-east-1")
    with pytest.raises(StoreUnavailableError) as caught:
        open_store("s3://bucket/x", own).read("a")
    assert f"the proxy {shown} of HTTP_PROXY fails" in str(caught.value)
    assert "NO_PROXY" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_silent_address_is_blamed_on_the_proxy_only_where_one_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """NO_PROXY takes a host out, and the proxy out of the message."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@gate:3128")
    silent = EndpointConnectionError(endpoint_url="https://store.example")
    settings = S3Settings(endpoint_url="https://store.example")
    said = explain(silent, settings)
    assert "gate:3128 of HTTPS_PROXY" in said
    assert "secret" not in said
    monkeypatch.setenv("NO_PROXY", "store.example")
    assert "proxy" not in explain(silent, settings).lower()


# Proxies that live, and let nothing through


_PLACES: Final = {
    "HTTP_PROXY": "http://store.example:9000",
    "HTTPS_PROXY": "https://store.example:9000",
}
_REFUSALS: Final = {
    ("407 Proxy Authentication Required", "HTTP_PROXY"): "wants a user and a password",
    ("407 Proxy Authentication Required", "HTTPS_PROXY"): "wants a user and a password",
    ("403 Forbidden", "HTTP_PROXY"): "does not answer as S3 does",
    ("403 Forbidden", "HTTPS_PROXY"): "fails (403 Forbidden)",
    ("502 Bad Gateway", "HTTP_PROXY"): "does not answer as S3 does",
    ("502 Bad Gateway", "HTTPS_PROXY"): "fails (502 Bad Gateway)",
    (None, "HTTP_PROXY"): "fails (ReadTimeoutError)",
    (None, "HTTPS_PROXY"): "fails (ReadTimeoutError)",
}


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limits of a first exchange in tenths of seconds, as they are in seconds."""
    monkeypatch.setattr(s3_module, "_FIRST_SECONDS", 0.4)
    monkeypatch.setattr(s3_module, "_FIRST_PATIENCE", 0.3)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(("status", "variable"), _REFUSALS)
def test_a_proxy_that_lets_nothing_through_is_asked_once_and_named(
    status: str | None, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, as each request may take all of its time limit: 47 seconds if it were patient."""
    settings = S3Settings("us-east-1", endpoint_url=_PLACES[variable])
    with bad_proxy(status) as proxy:
        monkeypatch.setenv(variable, f"http://user:secret@{proxy.address}")
        with pytest.raises(StoreUnavailableError) as caught:
            open_store("s3://bucket/x", settings).names()
        assert len(proxy.requests) == 1
    (line,) = str(caught.value).splitlines()
    assert line.startswith("s3://bucket/x/: cannot be listed: ")
    assert f"{proxy.address} of {variable}" in line
    assert _REFUSALS[status, variable] in line
    assert "NO_PROXY" in line
    assert "secret" not in line


def test_a_first_exchange_leaves_a_command_ten_seconds_to_start() -> None:
    """A silent proxy is not asked again: its first request takes longer than the patience."""
    assert s3_module._FIRST_PATIENCE < s3_module._FIRST_SECONDS <= 15 - 10


def test_after_the_first_answer_through_a_proxy_the_connection_is_patient(
    s3: S3Settings, bucket: str, s3_server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stands for a proxy: it takes the addresses of others."""
    monkeypatch.setenv("HTTP_PROXY", s3_server.url)
    connection = s3_module.connect(S3Settings("us-east-2", endpoint_url=s3.endpoint_url))
    first, later = connection.call(lambda client: client), connection.call(lambda client: client)
    assert first is not later
    assert later is connection.client
    attempts = [one.meta.config.retries["total_max_attempts"] for one in (first, later)]
    assert attempts == [1, 4]


# What steps print


def _keep_compute_logs(home: Path, monkeypatch: pytest.MonkeyPatch, bucket: str, url: str) -> None:
    monkeypatch.setenv("PULSE_LOG_BUCKET", bucket)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    (home / "dagster.yaml").write_text((EXAMPLES / "dagster_s3.yaml").read_text())


@pytest.mark.usefixtures("_quick")
def test_a_proxy_before_the_bucket_of_compute_logs_is_named_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster alone would try for minutes after each step, and say nothing on the terminal."""
    _keep_compute_logs(tmp_path, monkeypatch, "logs", "http://store.example:9000")
    with bad_proxy(None) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@{proxy.address}")
        with pytest.raises(ConfigurationError) as caught, open_instance(tmp_path):
            pass
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{tmp_path / 'dagster.yaml'} keeps compute logs in S3, but s3://logs/")
    assert f"through the proxy {proxy.address} of HTTP_PROXY fails" in line
    assert "secret" not in line


def test_a_bucket_of_compute_logs_that_is_missing_is_named_and_one_that_is_there_is_taken(
    s3: S3Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _keep_compute_logs(tmp_path, monkeypatch, "no-such-bucket", str(s3.endpoint_url))
    with (
        pytest.raises(ConfigurationError, match="the bucket does not exist"),
        open_instance(tmp_path),
    ):
        pass
    monkeypatch.setenv("PULSE_LOG_BUCKET", new_bucket(s3))
    with open_instance(tmp_path) as instance:
        assert isinstance(instance, dg.DagsterInstance)
