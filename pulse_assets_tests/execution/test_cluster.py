"""The cluster is open during its block and only then; what cannot be opened is explained."""

import asyncio
import gc
import os
import sys

import psutil
import pytest
from distributed import Client, Security
from distributed.comm import connect
from distributed.comm.core import FatalCommClosedError

from pulse_assets.errors import ClusterError
from pulse_assets.execution import cluster
from pulse_assets.execution.cluster import (
    ClusterSpec,
    active_client,
    describe_cluster,
    open_cluster,
    threads_of,
)
from pulse_assets.execution.versions import check_versions
from pulse_assets.execution.worker_calls import call_workers
from pulse_assets.execution.worker_server import worker_server
from pulse_assets_tests.execution.clusters import wait_until


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (ClusterSpec("local", {"n_workers": 1}), True),
        (ClusterSpec("local", {"n_workers": 1, "threads_per_worker": 1}), True),
        (ClusterSpec("local", {"n_workers": 1}, forced=True), False),
        (ClusterSpec("local", {"n_workers": 1, "threads_per_worker": 2}), False),
        (ClusterSpec("local", {"n_workers": 2}), False),
        (ClusterSpec(), False),  # as many workers as Dask sees fit
        (ClusterSpec("existing", {"address": "tcp://a:1"}), False),
    ],
)
def test_only_one_local_worker_of_one_thread_needs_no_cluster(spec, expected):
    assert spec.in_process is expected


def test_in_process_there_is_no_client():
    with open_cluster(ClusterSpec("local", {"n_workers": 1})):
        assert active_client() is None
        assert describe_cluster(active_client()) == {
            "kind": "in_process",
            "workers": 1,
            "threads": 1,
        }


def test_an_existing_cluster_is_joined_and_left_as_it_was(scheduler):
    with open_cluster(ClusterSpec("existing", {"address": scheduler})):
        client = active_client()
        described = describe_cluster(client)
        assert client.submit(sum, [1, 2]).result() == 3
    assert (
        described.items()
        >= {
            "kind": "dask",
            "scheduler": scheduler,
            "workers": 2,
            "threads": 2,
        }.items()
    )
    assert active_client() is None
    with Client(scheduler, set_as_default=False) as another:
        assert len(another.nthreads()) == 2


def test_the_client_is_gone_after_an_error(scheduler):
    with (
        pytest.raises(RuntimeError, match="inside"),
        open_cluster(ClusterSpec("existing", {"address": scheduler})),
    ):
        raise RuntimeError("inside")
    assert active_client() is None


@pytest.mark.slow
def test_a_local_cluster_takes_its_options_and_ends_with_the_block():
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": "127.0.0.1:0"}
    with open_cluster(ClusterSpec("local", options)):
        client = active_client()
        described = describe_cluster(client)
        (threads,) = client.run(os.environ.get, "OMP_NUM_THREADS").values()
    assert (described["workers"], described["threads"]) == (1, 2)
    assert described["scheduler"].startswith("tls://127.0.0.1:")
    assert described["dashboard"].startswith("http://127.0.0.1:")
    assert threads == "1"
    with pytest.raises(OSError, match=r"Timed out|refused"):
        Client(described["scheduler"], timeout=1, security=client.security, set_as_default=False)


@pytest.mark.slow
def test_another_account_of_this_machine_cannot_use_a_local_cluster(monkeypatch):
    """It reaches the ports of scheduler, worker and nanny; without a certificate none answers."""
    with open_cluster(ClusterSpec("local", {"n_workers": 1}, forced=True)):
        info = active_client().scheduler_info()["workers"]
        (worker,) = info.values()
        places = [active_client().scheduler.address, *info, worker["nanny"]]
        for place in places:
            assert place.startswith("tls://127.0.0.1:")
            for address, security in (
                (place.replace("tls://", "tcp://"), None),
                (place, Security.temporary()),  # of an authority of their own
            ):
                with pytest.raises((OSError, FatalCommClosedError, TimeoutError)):
                    asyncio.run(_identify(address, security))
        assert active_client().submit(sum, [1, 2]).result() == 3


async def _identify(address, security):
    arguments = security.get_connection_args("client") if security else {}
    comm = await connect(address, timeout=2, **arguments)
    try:
        await comm.write({"op": "identity", "reply": True})
        return await asyncio.wait_for(comm.read(), 2)
    finally:
        comm.abort()


def test_without_the_extra_a_local_cluster_has_no_certificates(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert cluster._own_certificates() is None


def test_a_cluster_may_have_no_worker_yet():
    with open_cluster(ClusterSpec("local", {"n_workers": 0})):
        client = active_client()
        check_versions(client)
        described = describe_cluster(client)
        assert (described["workers"], described["threads"]) == (0, 0)
        assert call_workers(client, threads_of(client), os.getpid, seconds=1) == {}


@pytest.mark.slow
def test_two_local_clusters_at_once_do_not_warn():
    """As two trainings on one machine have them; a warning would be an error here."""
    spec = ClusterSpec("local", {"n_workers": 1}, forced=True)
    with open_cluster(spec):
        first = active_client()
        assert describe_cluster(first)["dashboard"] is None
        with open_cluster(spec):
            assert active_client() is not first
        assert active_client() is first


@pytest.mark.slow
def test_a_forced_cluster_of_one_worker_computes_in_another_process():
    with open_cluster(ClusterSpec("local", {"n_workers": 1}, forced=True)):
        assert active_client().submit(os.getpid).result() != os.getpid()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense", "smoke://signal:1", ""])
def test_an_unreachable_scheduler_is_named_within_seconds(monkeypatch, address):
    assert cluster.CONNECT_SECONDS < 30
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(ClusterError, match=f"no Dask scheduler answers at {address} .*correct"),
        open_cluster(ClusterSpec("existing", {"address": address})),
    ):
        pytest.fail("there is no such scheduler")
    assert active_client() is None


def test_a_client_that_cannot_connect_does_not_outlive_the_attempt():
    with (
        pytest.raises(ClusterError) as caught,
        open_cluster(ClusterSpec("existing", {"address": "nonsense"})),
    ):
        pytest.fail("there is no such scheduler")
    assert caught.value.__cause__ is not None
    left = [found for found in gc.get_objects() if isinstance(found, Client)]
    assert [client.status for client in left if client.status != "closed"] == []


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # left by Dask, half started
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("local", {"n_workers": "many"}),
        ("local", {"n_workers": 2, "colour": "red"}),
        ("local", {"n_workers": 2, "security": "none at all"}),
        ("yarn", {}),  # needs a package of its own
    ],
)
def test_a_cluster_that_does_not_start_is_explained(kind, options):
    with (
        pytest.raises(ClusterError, match=f"the {kind} Dask cluster does not start .*options"),
        open_cluster(ClusterSpec(kind, options)),
    ):
        pytest.fail("it did start")
    gc.collect()  # now, not in a test that lets no warning pass


def test_workers_of_a_local_cluster_are_set_up_and_get_ready_by_themselves():
    def seen():
        import sys

        import dask.config

        interval = dask.config.get("distributed.worker.profile.interval")
        return interval, "pulse_assets.retrodiction.compilation" in sys.modules

    with open_cluster(ClusterSpec("local", {"n_workers": 1}, forced=True)):
        client = active_client()
        ((interval, _),) = client.run(seen).values()
        assert interval == cluster.LOCAL_SETTINGS["distributed.worker.profile.interval"]
        wait_until(lambda: all(ready for _, ready in client.run(seen).values()), 30)


def processes_of_this_one():
    return {child.pid for child in psutil.Process().children()}


def parent_and_threads():
    return os.getppid(), os.environ.get("OMP_NUM_THREADS"), gc.get_freeze_count()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_workers_of_a_command_are_forked_from_a_server_that_ends_with_it():
    with open_cluster(ClusterSpec("local", {"n_workers": 1}, forced=True)):
        pass  # multiprocessing's helper stays
    before = processes_of_this_one()
    spec = ClusterSpec("local", {"n_workers": 2})
    with worker_server():
        (server,) = processes_of_this_one() - before
        with worker_server(), open_cluster(spec):  # one inside the other is the same
            found = active_client().run(parent_and_threads).values()
        assert processes_of_this_one() == {*before, server}
    assert processes_of_this_one() == before
    assert [(parent, threads) for parent, threads, _ in found] == [(server, "1")] * 2
    assert all(frozen > 10_000 for *_, frozen in found)  # it had imported before it forked
    with open_cluster(spec):
        parents = {parent for parent, *_ in active_client().run(parent_and_threads).values()}
    assert parents == {os.getpid()}
