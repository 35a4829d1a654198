"""Hosts with a network and a disk of their own, made of Linux namespaces, for tests as root."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

#: What a process of a host does first: it sees its own disk, and the disks of no other host.
ENTER = 'mount --bind "$1" "$3" && mount -t tmpfs none "$2" && cd "$3" && shift 3 && exec "$@"'


class Network:
    """Hosts on one bridge. `10.77.0.<n>` is the n-th that was added."""

    def __init__(self, folder):
        self._disks, self.disk = folder / "hosts", folder / "disk"
        self._prefix = f"pulse{os.getpid()}"
        self._bridge = f"{self._prefix}-bridge"
        self._hosts, self._processes = [], []
        for made in (self._disks, self.disk):
            made.mkdir()
        ip("netns", "add", self._bridge)
        ip("-n", self._bridge, "link", "add", "bridge", "type", "bridge")
        ip("-n", self._bridge, "link", "set", "bridge", "up")

    def add(self, name, **files):
        """Add a host with these files on its disk; return its address."""
        self._hosts.append(name)
        space, address = f"{self._prefix}-{name}", f"10.77.0.{len(self._hosts)}"
        (self._disks / name).mkdir()
        for file, content in files.items():
            (self._disks / name / file).write_bytes(content)
        ip("netns", "add", space)
        here = ("-n", space)
        ip(*here, "link", "add", "eth0", "type", "veth", "peer", name, "netns", self._bridge)
        ip(*here, "address", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip(*here, "link", "set", device, "up")
        ip("-n", self._bridge, "link", "set", name, "master", "bridge", "up")
        return address

    def disk_of(self, name):
        """The folder that processes of a host see as `disk`."""
        return self._disks / name

    def start(self, host, *command, **environment):
        """Start a process on a host; what it prints is in the file `log` on the host's disk."""
        enter = ("ip", "netns", "exec", f"{self._prefix}-{host}", "unshare", "--mount")
        folders = (self.disk_of(host), self._disks, self.disk)
        words = [*enter, "sh", "-c", ENTER, "sh", *folders, *command]
        with (self.disk_of(host) / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in words],
                env=os.environ | {"TMPDIR": str(self.disk), "HOME": str(self.disk)} | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def log(self, host):
        """What the processes of a host have printed."""
        return (self.disk_of(host) / "log").read_text()

    def pull_cable(self, host):
        """Cut the link of a host."""
        ip("-n", self._bridge, "link", "set", host, "down")

    def plug_in(self, host):
        """Restore the link of a host."""
        ip("-n", self._bridge, "link", "set", host, "up")

    def close(self):
        """End all processes, the hosts and the bridge."""
        for process in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()
        for name in [*self._hosts, "bridge"]:
            subprocess.run(["ip", "netns", "del", f"{self._prefix}-{name}"], check=False)


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextlib.contextmanager
def network(folder: Path):
    """Hosts for the length of a block; skips the test where they cannot be made."""
    if not (shutil.which("ip") and shutil.which("unshare")):
        pytest.skip("no network namespaces here: install Debian's iproute2")
    try:
        subprocess.run(
            ["unshare", "--net", "--mount", "ip", "link", "add", "probe", "type", "veth"],
            check=True,
            capture_output=True,
        )
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces are not permitted here: {error.stderr.decode().strip()}")
    found = Network(folder)
    try:
        yield found
    finally:
        found.close()
