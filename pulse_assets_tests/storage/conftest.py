import pytest

from pulse_assets.storage.s3 import S3Settings
from pulse_assets_tests.storage import seaweedfs as second
from pulse_assets_tests.storage.buckets import new_bucket
from pulse_assets_tests.storage.s3_server import S3Server


@pytest.fixture(scope="session")
def s3_server():
    """An S3 server of our own."""
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def credentials(monkeypatch):
    """Credentials that every test server takes."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


@pytest.fixture
def s3(s3_server, credentials):
    """Settings that reach the server."""
    return S3Settings(region="us-east-1", endpoint_url=s3_server.url)


@pytest.fixture
def bucket(s3):
    """The name of an empty bucket."""
    return new_bucket(s3)


@pytest.fixture(scope="session")
def seaweedfs_url(tmp_path_factory):
    """The address of a server of another make."""
    if second.BINARY is None:
        pytest.skip("no binary of SeaweedFS for this machine")
    with second.serve(tmp_path_factory.mktemp("seaweedfs")) as url:
        yield url


@pytest.fixture
def seaweedfs(seaweedfs_url, credentials):
    """Settings that reach the other server."""
    return S3Settings(region="us-east-1", endpoint_url=seaweedfs_url)
