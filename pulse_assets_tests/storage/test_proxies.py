"""A proxy on the way to S3: what fails because of it says so, soon and without its secrets."""

import pytest
from botocore.exceptions import EndpointConnectionError

from pulse_assets.errors import StoreUnavailableError
from pulse_assets.storage import s3 as s3_module
from pulse_assets.storage.s3 import S3Settings, explain
from pulse_assets.storage.store import open_store


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")


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
    # A region of its own: connections are kept by settings, and botocore reads proxies at first.
    own = S3Settings(endpoint_url="http://127.0.0.1:9000", region=f"proxy-{shown[-1]}")
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
