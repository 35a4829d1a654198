"""Joining a cluster that is there: encrypted, and only with the same versions as this process."""

import datetime as dt
import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pulse_assets import TrainingConfig
from pulse_assets.errors import ClusterError, ConfigurationError
from pulse_assets.execution import cluster as cluster_module
from pulse_assets.execution.cluster import ClusterSpec, active_client, open_cluster
from pulse_assets.run_training import main
from pulse_assets_tests.conftest import stored
from pulse_assets_tests.execution.clusters import standing_cluster


def make_certificate(folder, name):
    """A key and a certificate that signs itself; return their files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    files = folder / f"{name}.crt", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(pem))
    files[1].write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return [str(file) for file in files]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("certificates"), "pulse")


@pytest.fixture(scope="module")
def encrypted(certificate, tmp_path_factory):
    """A tls:// scheduler with a worker."""
    crt, key = certificate
    options = ("--protocol", "tls", "--tls-ca-file", crt, "--tls-cert", crt, "--tls-key", key)
    with standing_cluster(tmp_path_factory.mktemp("tls"), 1, *options) as cluster:
        yield cluster


def tls(address, crt, key):
    files = {"tls_ca_file": crt, "tls_client_cert": crt, "tls_client_key": key}
    return ClusterSpec("existing", {"address": address, **files})


@pytest.mark.slow
def test_certificates_open_an_encrypted_cluster(encrypted, certificate):
    assert encrypted.address.startswith("tls://")
    with open_cluster(tls(encrypted.address, *certificate)):
        assert active_client().submit(sum, [1, 2]).result(30) == 3


@pytest.mark.slow
def test_a_training_on_an_encrypted_cluster(encrypted, certificate, settings, options, tmp_path):
    crt, key = certificate
    place = ("--source", settings.source, "--start-date", "2005-01-01", "--end-date", "2005-03-31")
    ways = {
        "alone": ("--max-workers", "1"),
        "encrypted": (
            *("--use-dask", "--dask-scheduler-address", encrypted.address),
            *("--dask-tls-ca-file", crt, "--dask-tls-client-cert", crt),
            *("--dask-tls-client-key", key),
        ),
    }
    for name, way in ways.items():
        assert main([*place, "--models", "naive", "--store", str(tmp_path / name), *way]) == 0
    assert stored(tmp_path / "encrypted") == stored(tmp_path / "alone") != {}


@pytest.mark.slow
@pytest.mark.parametrize("which", ["none", "another"])
def test_wrong_certificates_are_refused(encrypted, tmp_path, monkeypatch, which):
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 2)
    spec = ClusterSpec("existing", {"address": encrypted.address})
    if which == "another":
        spec = tls(encrypted.address, *make_certificate(tmp_path, "stranger"))
    with (
        pytest.raises(ClusterError, match=f"no Dask scheduler answers at {encrypted.address} "),
        open_cluster(spec),
    ):
        pytest.fail("it did answer")


def test_a_certificate_that_is_not_there_is_named():
    with pytest.raises(ConfigurationError, match=r"dask_tls_ca_file = '/no/ca\.pem' is no file"):
        TrainingConfig(dask_tls_ca_file="/no/ca.pem")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "version"),
    [("numpy", "1.0.1"), ("pulse_assets", "0.0.1"), ("pyarrow", "9.9")],
)
def test_other_versions_of_a_worker_are_an_error(tmp_path, package, version):
    """The worker finds another package's metadata first."""
    metadata = tmp_path / "other" / f"{package}-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "other")}
    with standing_cluster(tmp_path, 1, env=environment, cwd=tmp_path) as cluster:
        cluster.wait_for_workers(1)
        spec = ClusterSpec("existing", {"address": cluster.address})
        name = package.replace("_", "-")
        with (
            pytest.raises(ClusterError, match=f"{name} {version} instead of .* on worker tcp://"),
            open_cluster(spec),
        ):
            pytest.fail("it was joined")
