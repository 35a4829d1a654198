import uuid

import pytest
from moto.server import ThreadedMotoServer

from pulse_assets.storage.s3 import S3Settings, connect


@pytest.fixture(scope="session")
def s3_server():
    """The address of an S3 server of our own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """Settings that reach the server, and credentials that it takes."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    return S3Settings(region="us-east-1", endpoint_url=s3_server)


@pytest.fixture
def bucket(s3):
    """The name of an empty bucket."""
    name = f"pulse-{uuid.uuid4().hex}"
    connect(s3).client.create_bucket(Bucket=name)
    return name
