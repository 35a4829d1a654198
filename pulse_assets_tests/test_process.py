"""What a command knows of its process and changes in it."""

import subprocess
import sys

from pulse_assets.cli import process

PROGRAM = """
import gc, time
began = time.monotonic()
from pulse_assets.cli.process import seconds_since_start, uncollected
before = gc.get_threshold()
with uncollected():
    assert gc.get_threshold()[0] > before[0]
    assert gc.isenabled()
assert gc.get_freeze_count() > 0
print(seconds_since_start() >= time.monotonic() - began)
"""


def test_a_process_knows_its_age_and_searches_no_garbage_at_its_end():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_where_the_system_does_not_tell_the_age_is_that_of_the_call(monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr(process.Path, "read_text", refuse)
    assert process.seconds_since_start() == 0.0
