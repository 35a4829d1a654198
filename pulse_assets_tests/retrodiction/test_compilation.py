import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from pulse_assets import retrodiction
from pulse_assets.retrodiction.compilation import compile_kernels
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets_tests.retrodiction.examples import all_rules, random_walk

# Prints how often kernels were compiled, then what a run compiles after `compile_kernels`.
PROGRAM = """
import importlib, pkgutil
import numpy as np
from numba.core.dispatcher import Dispatcher
from pulse_assets import retrodiction
from pulse_assets.retrodiction.compilation import compile_kernels
from pulse_assets.retrodiction.indicators import Candidates, IndicatorRule
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import RULES, resolve_rules
from pulse_assets.retrodiction.walk_forward import walk_forward

def kernels():
    packages = pkgutil.walk_packages(retrodiction.__path__, "pulse_assets.retrodiction.")
    modules = [importlib.import_module(m.name) for m in packages]
    found = {id(v): v for m in modules for v in vars(m).values() if isinstance(v, Dispatcher)}
    return list(found.values())

def signatures():
    return {k.__name__: list(k.signatures) for k in kernels()}

compile_kernels()
before = signatures()
rng = np.random.default_rng(0)
x = np.cumsum(rng.standard_normal(300))
y = np.append(np.zeros(3), x[:-3]) + rng.standard_normal(300)
y[:5] = y[50] = np.nan
names = Candidates.of({"x": x[:201]}).select({"y": y[:201]}, limit=3)
assert names == {"y": ["x"]}, names
found = [IndicatorRule.of("x", KnownSeries.of(x), 5)]
rules = [*resolve_rules([*RULES, "pulse_assets_tests.own_rules:Plain"]), *found]
for method in ("dmsfe", "boa"):
    origins = np.arange(200, 300, dtype=np.int32)
    retrodict(y, origins, (1, 3), 4, rules, ensemble=method, levels=[0.8])
walk_forward(y, [299], range(1, 5), 1, rules)
assert signatures() == before
print(sum(sum(k.stats.cache_misses.values()) for k in kernels()),
      sum(sum(k.stats.cache_hits.values()) for k in kernels()))
"""


def kernels():
    for module in pkgutil.walk_packages(retrodiction.__path__, f"{retrodiction.__name__}."):
        values = vars(importlib.import_module(module.name)).values()
        yield from (value for value in values if isinstance(value, Dispatcher))


def test_a_run_needs_no_other_kernel():
    compile_kernels()
    compiled = {kernel: list(kernel.signatures) for kernel in kernels()}
    retrodict(random_walk(100), np.arange(90, 100), [1, 5], 1, all_rules(100), levels=[0.5])
    assert any(compiled.values())
    assert {kernel: list(kernel.signatures) for kernel in kernels()} == compiled


@pytest.mark.slow
def test_a_second_process_compiles_nothing():
    compile_kernels()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    misses, hits = (int(number) for number in done.stdout.split())
    assert misses == 0
    assert hits > 0


@pytest.mark.slow
def test_no_kernel_reads_or_writes_beyond_its_arrays():
    # Compiled kernels check no index; where nothing is compiled NumPy checks every one.
    folder = Path(__file__).parent
    files = [
        str(folder / f"test_{name}.py") for name in ("walk_forward", "combination", "clipping")
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "ignore::RuntimeWarning", *files],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
