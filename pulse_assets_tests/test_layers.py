"""Imports go in one direction, from the command line down to the engine."""

import ast
import os
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import pulse_assets

PACKAGE = Path(pulse_assets.__file__).parent

#: The layers from the lowest to the highest: a module imports from its own and from lower ones. The
#: longest name that a module's name begins with decides.
LAYERS = [
    ["array_types", "errors", "result_records", "evaluation_records", "results", "result_tables"],
    ["results_schema"],
    ["retrodiction", "batches.windows", "batches.states"],
    ["evaluation"],
    ["catalog"],
    ["storage"],
    ["history"],
    ["settings"],
    ["batches.grid"],
    ["stages"],
    ["preflight", "stored_options", "checked_training", "skipped_batches", "source_check"],
    ["batches"],
    ["execution", "report"],
    [
        *("dagster.internals", "dagster.connections", "dagster.sqlite_files"),
        *("dagster.failures", "dagster.previews", "dagster.deployment"),
        *("dagster.instance", "dagster.jobs", "dagster.partitions", "dagster.resources"),
        *("dagster.checks", "dagster.io_managers", "dagster.run_process"),
        "dagster.compute_logs",
    ],
    ["assets"],
    ["dagster", "definitions"],
    ["frames", "as_of"],
    ["exports.nixtla", "exports.fev", "exports.hubverse"],
    ["result_frames"],
    ["stored_results"],
    ["exports"],
    ["training"],
    ["", "cli", "run_training"],
]
#: Where Dagster may be imported.
WITH_DAGSTER = (
    *("dagster", "assets", "definitions", "cli.commands"),
    "execution.interrupts",  # Dagster raises an exception of its own
)
BENCHMARKS = PACKAGE.parent / "benchmarks"


@cache
def modules(folder=PACKAGE):
    """Path by name of each module below a folder; the name of the folder itself is empty."""
    paths = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return paths


def imported(path):
    """Full names that a module imports, at its top or later."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def dependencies(folder=PACKAGE):
    """By module, the modules of the same folder that it imports."""
    paths = modules(folder)
    graph = {}
    for name, path in paths.items():
        inside = {
            full.removeprefix(f"{folder.name}.")
            for full in imported(path)
            if full.startswith(f"{folder.name}.")
        }
        graph[name] = {
            target if target in paths else target.rpartition(".")[0] for target in inside
        } - {name}
    return graph


def layer(module):
    """Number of the layer of a module."""
    numbers = {name: number for number, names in enumerate(LAYERS) for name in names}
    while module not in numbers and module:
        module = module.rpartition(".")[0]
    return numbers[module]


def test_every_module_has_a_layer():
    named = {name for names in LAYERS for name in names}
    tops = {name.partition(".")[0] for name in modules()}
    assert tops - named - {"sample_data"} == set()
    assert named <= modules().keys()


def test_a_module_imports_from_its_layer_and_from_lower_ones():
    graph = dependencies()
    higher = [
        f"{module} imports {name}"
        for module in graph
        for name in sorted(graph[module])
        if layer(name) > layer(module)
    ]
    assert higher == []


@pytest.mark.parametrize("folder", [PACKAGE, BENCHMARKS], ids=lambda folder: folder.name)
def test_no_modules_import_each_other(folder):
    graph = dependencies(folder)
    assert any(graph.values())
    TopologicalSorter({name: graph[name] - {""} for name in graph}).prepare()


def test_dagster_is_imported_where_it_is_wired():
    users = {
        module
        for module, path in modules().items()
        if any(name.partition(".")[0] == "dagster" for name in imported(path))
    }
    assert len(users) > 20
    assert {module for module in users if not module.startswith(WITH_DAGSTER)} == set()


def test_a_script_in_the_package_imports_dagster_and_not_our_folder_of_that_name(tmp_path):
    command = [sys.executable, PACKAGE / "run_training.py", "status", "--batch-limit", "1"]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert (ran.returncode, "Traceback" in ran.stderr) == (1, False)
    assert "missing" in ran.stdout
