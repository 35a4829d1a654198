"""What a team copies: the script for one machine runs, the files for containers are well formed."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import dask.config
import psutil
import pytest
import sqlalchemy
import yaml

from pulse_assets import TrainingConfig
from pulse_assets.execution.cluster import LOCAL_SETTINGS
from pulse_assets_tests.conftest import MODELS, object_count, stored
from pulse_assets_tests.execution.clusters import wait_until
from pulse_assets_tests.postgres import free_port, programs
from pulse_assets_tests.test_four_ways import UserInterface, deployment, quick_daemon
from pulse_assets_tests.test_process_tree import lives

DEPLOY = Path(__file__).parents[1] / "deploy"


@pytest.fixture
def folder():
    """A folder that the user `postgres` can enter, as pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="one-machine-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
def test_everything_on_one_machine(source, tmp_path, folder):
    """A backfill from the UI on PostgreSQL and the Dask cluster, and an orderly end."""
    if not programs():
        pytest.skip("no PostgreSQL server here: install Debian's postgresql")
    chosen = TrainingConfig(
        source=str(source),
        store=str(tmp_path / "store"),
        start_date="2005-01-01",
        end_date="2005-12-26",
    )
    ui, scheduler, database = (free_port() for _ in range(3))
    command = [sys.executable, DEPLOY / "one_machine.py", "--folder", folder, "--workers", "2"]
    ports = ("--ui-port", ui, "--scheduler-port", scheduler, "--postgres-port", database)
    with subprocess.Popen(
        [str(part) for part in (*command, *ports)],
        env=deployment(chosen) | quick_daemon(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert "ready: Ctrl-C ends all\n" in iter(process.stdout.readline, "")
            page = UserInterface(ui)
            wait_until(page.assets, 60)
            training = {"models": MODELS, "horizons": [1, 3]}
            cluster = {"existing": {"address": {"env": "PULSE_SCHEDULER"}}}
            status, runs = page.backfill(training, cluster=cluster)
            assert (status, runs) == ("COMPLETED_SUCCESS", ["SUCCESS", "SUCCESS"])
            started = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            assert not any(map(lives, started))
        finally:
            process.kill()
    assert len(stored(chosen.store)) == object_count(12)
    assert (folder / "logs" / "postgres.log").exists()


#: The script with its database alone.
POSTGRES_ALONE = f"""
import sys
sys.path.insert(0, {str(DEPLOY)!r})
import one_machine
one_machine.write_home = lambda folder, address: print(address, flush=True)
one_machine.start_dask = one_machine.start_dagster = lambda *_: None
sys.exit(one_machine.main(sys.argv[1:]))
"""


def create_database_as_before(folder):
    """What the version before this one left: a server that asks nobody on loopback who he is."""
    data = folder / "postgres"
    data.mkdir(mode=0o700)
    who = {}
    if os.geteuid() == 0:
        shutil.chown(data, "postgres")
        who = {"user": "postgres"}
    command = [programs() / "initdb", "-D", data, "-U", "pulse", "-A", "trust", "--no-sync"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **who)


@pytest.mark.slow
@pytest.mark.parametrize("before", [False, True], ids=["new", "of the version before"])
def test_the_database_asks_for_a_password_that_its_owner_alone_can_read(folder, before):
    if not programs():
        pytest.skip("no PostgreSQL server here: install Debian's postgresql")
    if before:
        create_database_as_before(folder)
    command = [sys.executable, "-c", POSTGRES_ALONE, "--folder", folder, "--workers", "1"]
    ports = ["--ui-port", "9", "--scheduler-port", "9", "--postgres-port", free_port()]
    with subprocess.Popen(
        [str(part) for part in (*command, *ports)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            said, address = (process.stdout.readline().strip() for _ in range(2))
            with sqlalchemy.create_engine(address).connect() as records:
                assert records.scalar(sqlalchemy.text("SELECT 1")) == 1
            with pytest.raises(sqlalchemy.exc.OperationalError, match="no password supplied"):
                sqlalchemy.create_engine(address.partition("?")[0]).connect()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    file = folder / "postgres-password"
    assert said == f"PostgreSQL asks for the password in {file}"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().split(":")[-1].strip() not in address
    rules = (folder / "postgres" / "pg_hba.conf").read_text().splitlines()
    assert [line for line in rules if line.endswith("trust") and not line.startswith("#")] == []


@pytest.mark.parametrize(
    "file", ["dagster.yaml", "dask.yaml", "compose.yaml", "dagster-helm.yaml", "dask-helm.yaml"]
)
def test_files_are_well_formed(file):
    assert yaml.safe_load((DEPLOY / file).read_text())


def test_dask_is_configured_as_a_cluster_of_a_run_is():
    """In a process of its own: Dask reads its configuration when it is imported."""
    code = (
        "from distributed import Nanny, Scheduler; import asyncio\n"
        "async def look():\n"
        "    async with Scheduler(dashboard_address=None, port=0) as one:\n"
        "        print(one.allowed_failures, sorted(Nanny(one.address).pre_spawn_env))\n"
        "asyncio.run(look())"
    )
    environment = {**os.environ, "DASK_CONFIG": str(DEPLOY / "dask.yaml")}
    environment.pop("MALLOC_TRIM_THRESHOLD_", None)
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    failures, _, names = said.stdout.partition(" ")
    assert failures == "0"
    assert "OMP_NUM_THREADS" in names
    assert "MALLOC_TRIM_THRESHOLD_" not in names


def test_dask_has_the_settings_of_a_cluster_of_a_run():
    written = yaml.safe_load((DEPLOY / "dask.yaml").read_text())
    for name, value in LOCAL_SETTINGS.items():
        assert dask.config.get(name, config=written) == value


def services():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_containers_wait_for_services_that_are_there():
    names = services()
    for name, service in names.items():
        assert set(service.get("depends_on", {})) <= set(names), name
        assert "image" in service or "build" in service or "<<" in service, name


def test_containers_can_do_no_more_than_they_need():
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("user") != "root", name
        assert not service.get("privileged"), name
    image = (DEPLOY / "Dockerfile").read_text()
    assert re.findall(r"^USER (.*)$", image, re.M) == ["1000:1000"]


def test_volumes_belong_to_the_user_of_the_image():
    """A new volume has the owner of the image's folder, and Docker would create one of root."""
    (made,) = re.findall(r"install -d -o pulse -g pulse (.*)", (DEPLOY / "Dockerfile").read_text())
    volumes = services()["code"]["volumes"]
    assert volumes
    assert {volume.split(":")[1] for volume in volumes} <= {*made.split()}


def test_images_of_others_can_be_given_by_digest():
    """None is given: no digest was looked up, and an invented one would be a lie."""
    assert re.search(r"^ARG BASE=\S+\nFROM \$\{BASE\}$", (DEPLOY / "Dockerfile").read_text(), re.M)
    compose = (DEPLOY / "compose.yaml").read_text()
    assert 'args: {BASE: "${PYTHON_IMAGE:-' in compose
    named = re.findall(r"^ +image: (\S+)$", compose, re.M)
    assert [image for image in named if "${" not in image] == ["pulse-assets"]


def test_only_loopback_is_published():
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_each_webserver_that_is_started_has_the_guard_before_it():
    """By `make ui` and one_machine.py as a module, in images under the command's usual name."""
    started = {
        name: (DEPLOY.parent / name).read_text() for name in ("Makefile", "deploy/one_machine.py")
    }
    for name, text in started.items():
        assert "pulse_assets.dagster.ui" in text, name
        assert not re.search(r"dagster dev|dagster_webserver|/dagster-webserver", text), name
    image = " ".join((DEPLOY / "Dockerfile").read_text().split())
    program = 'exec python -P -m pulse_assets.dagster.ui webserver "$@"'
    assert f'{program}\\n\' \\ > "$(command -v dagster-webserver)"' in image
    ui = services()["ui"]
    assert (ui["image"], ui["command"][0]) == ("pulse-assets", "dagster-webserver")
    helm = yaml.safe_load((DEPLOY / "dagster-helm.yaml").read_text())
    (code,) = helm["dagster-user-deployments"]["deployments"]
    assert helm["dagsterWebserver"]["image"] == code["image"]


def test_the_instance_of_containers_is_one_that_dagster_takes(tmp_path, monkeypatch):
    from dagster._core.instance.ref import InstanceRef

    monkeypatch.setenv("PULSE_POSTGRES_URL", "postgresql+psycopg2://pulse@127.0.0.1:9/pulse")
    shutil.copy(DEPLOY / "dagster.yaml", tmp_path)
    ref = InstanceRef.from_dir(str(tmp_path))
    assert ref.storage_data.class_name == "DagsterPostgresStorage"
    assert ref.settings["concurrency"]["runs"]["max_concurrent_runs"] == 2
