"""Joining a cluster that is there: encrypted, and only with the same versions as this process."""

import contextlib
import datetime as dt
import os
import re
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pulse_assets import TrainingConfig
from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.definitions import build_definitions
from pulse_assets.errors import ClusterError, ConfigurationError
from pulse_assets.execution import cluster as cluster_module
from pulse_assets.execution.cluster import ClusterSpec, active_client, open_cluster
from pulse_assets.history.holiday_calendars import holidays_of
from pulse_assets.run_training import main
from pulse_assets.settings import Settings
from pulse_assets_tests.conftest import stored
from pulse_assets_tests.dagster.test_executor import look, run
from pulse_assets_tests.execution.clusters import standing_cluster

ROOT = Path(__file__).parents[2]


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
def test_the_example_with_certificates_joins_it(encrypted, certificate, instance, monkeypatch):
    crt, key = certificate
    monkeypatch.setenv("PULSE_SCHEDULER", encrypted.address)
    for name, file in (("CA_FILE", crt), ("CERT", crt), ("KEY", key)):
        monkeypatch.setenv(f"PULSE_TLS_{name}", file)
    file = ROOT / "examples" / "run_config_existing_cluster_tls.yaml"
    config = yaml.safe_load(file.read_text())
    assert dg.validate_run_config(build_definitions(Settings()).resolve_job_def(JOB_NAME), config)
    with run(look, instance, config["execution"]["config"]["cluster"]) as result:
        found = result.output_for_node("where")
    assert (found["scheduler"], found["workers"]) == (encrypted.address, 1)


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


@contextlib.contextmanager
def cluster_with_versions(folder, **versions):
    """A cluster whose worker finds the metadata of other versions of packages first."""
    for package, version in versions.items():
        metadata = folder / "other" / f"{package}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    environment = os.environ | {"PYTHONPATH": str(folder / "other")}
    with standing_cluster(folder, 1, env=environment, cwd=folder) as cluster:
        cluster.wait_for_workers(1)
        yield cluster


@pytest.mark.slow
def test_other_versions_of_a_worker_are_an_error(tmp_path):
    others = {"numpy": "1.0.1", "pulse_assets": "0.0.1", "pyarrow": "9.9"}
    with cluster_with_versions(tmp_path, **others) as cluster:
        spec = ClusterSpec("existing", {"address": cluster.address})
        with pytest.raises(ClusterError) as caught, open_cluster(spec):
            pytest.fail("it was joined")
    for package, version in others.items():
        text = f"{package.replace('_', '-')} {version} instead of .* on worker tcp://"
        assert re.search(text, str(caught.value))


@pytest.mark.slow
def test_another_version_of_the_holidays_matters_to_runs_that_use_them(tmp_path, capsys):
    pytest.importorskip("holidays", reason="needs pip install 'pulse-assets[calendars]'")
    days = np.arange(np.datetime64("2018-01-01"), np.datetime64("2020-01-01"))
    rows = [f"{day},{i % 7}" for i, day in enumerate(np.setdiff1d(days, holidays_of("NYSE")))]
    (tmp_path / "source").mkdir()
    text = "\n".join(["timestamp,value", *rows])
    (tmp_path / "source" / "historical_spx.csv").write_text(text)
    with cluster_with_versions(tmp_path, holidays="0.0.1") as cluster:
        way = ("--use-dask", "--dask-scheduler-address", cluster.address, "--models", "naive")
        place = ("--source", str(tmp_path / "source"), "--store", str(tmp_path / "store"))
        command = (*way, *place, "--start-date", "2019-06-01", "--batch-limit", "1")
        assert main(command) == 0
        capsys.readouterr()
        assert main([*command, "--calendar", "spx=NYSE"]) == 1
    assert "holidays 0.0.1 instead of " in capsys.readouterr().err
