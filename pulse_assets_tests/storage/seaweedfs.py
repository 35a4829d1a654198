"""SeaweedFS, a second implementation of S3, as a server on loopback."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

#: The binary that the test extra installs on Linux; None elsewhere.
BINARY = shutil.which("weed", path=str(Path(sys.executable).parent))
_KEYS = {"accessKey": "testing", "secretKey": "testing"}
_ACTIONS = ["Admin", "Read", "Write", "List"]


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Yield the address of a server that keeps its objects in `folder`."""
    config = folder / "s3.json"
    identity = {"name": "tests", "credentials": [_KEYS], "actions": _ACTIONS}
    config.write_text(json.dumps({"identities": [identity]}))
    master, volume, filer, s3 = _free_ports(4)
    command = [BINARY, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}"]
    command += ["-filer", "-s3", f"-s3.config={config}", "-volume.max=0"]
    command += ["-master.volumeSizeLimitMB=64"]  # else a bucket would take gigabytes at once
    command += [f"-master.port={master}", f"-volume.port={volume}"]
    command += [f"-filer.port={filer}", f"-s3.port={s3}", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        _wait_for(f"http://127.0.0.1:{s3}", process, folder / "log")
        yield f"http://127.0.0.1:{s3}"
    finally:
        process.kill()  # its data goes with the test
        process.wait()


def _free_ports(count: int) -> list[int]:
    """Return free ports whose gRPC ports, 10,000 above, are free too, as the server wants them."""
    found: list[int] = []
    with ExitStack() as stack:
        for port in range(20000, 50000, 7):
            with contextlib.suppress(OSError):
                for number in (port, port + 10000):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", number))
                found.append(port)
            if len(found) == count:
                return found
    raise OSError("no free ports")


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5)
        except urllib.error.HTTPError:
            return  # it answers, and refuses whom it does not know
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")
