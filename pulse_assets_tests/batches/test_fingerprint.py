"""Whatever decides a number is in the fingerprint, and what decides none is not."""

import ast
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from pulse_assets.batches import fingerprint
from pulse_assets.batches.fingerprint import (
    NUMERICAL_CODE,
    code_fingerprint,
    configuration_fingerprint,
    schema_fingerprint,
)
from pulse_assets.batches.grid import batch_of
from pulse_assets.batches.status import grid_status
from pulse_assets.catalog import BATCH_TABLES, SCHEMAS
from pulse_assets.execution.batch_task import BatchTask
from pulse_assets.preflight import resolve_options
from pulse_assets.settings import TrainingOptions
from pulse_assets.storage.layout import object_path
from pulse_assets_tests.one_batch import run_batch

PACKAGE = Path(fingerprint.__file__).parents[1]

#: What the engine and the stages of a batch import from the package that decides no number.
NEUTRAL = {
    "pulse_assets",
    "pulse_assets.array_types",
    "pulse_assets.errors",
    "pulse_assets.catalog",  # in the fingerprint by itself
    "pulse_assets.settings",  # its values are
    "pulse_assets.stages",
    "pulse_assets.retrodiction",
    "pulse_assets.history",
    "pulse_assets.history.series",  # what it holds is hashed as input
    "pulse_assets.history.given_forecasts",  # as is what this holds
}


@pytest.fixture
def batch(settings, options):
    """The task of one batch of the small source, stored."""
    resolved = resolve_options(settings, options)
    tasks = {
        key: BatchTask((batch_of(settings, key, resolved.variables),), settings, resolved)
        for key in ("2005-01-01", "2005-04-01")
    }
    for task in tasks.values():
        assert run_batch(task).status == "completed"
    return tasks["2005-04-01"]


def imported(path):
    """Names of the package's modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.partition(".")[0] == "pulse_assets"}


def numerical_files():
    for name in NUMERICAL_CODE:
        place = PACKAGE / name
        yield from [place] if place.is_file() else place.rglob("*.py")


def test_all_modules_that_the_numerical_code_imports_are_hashed_or_neutral():
    hashed = {
        ".".join(("pulse_assets", *file.relative_to(PACKAGE).with_suffix("").parts))
        for file in numerical_files()
    }
    assert len(hashed) > 20
    modules = {
        name
        for file in numerical_files()
        for name in imported(file)
        if (PACKAGE.parent / Path(*name.split("."))).with_suffix(".py").is_file()
    }
    assert modules - hashed - NEUTRAL == set()


def test_an_edit_of_the_numerical_code_gives_another_fingerprint(monkeypatch, tmp_path):
    copy = tmp_path / "pulse_assets"
    for file in numerical_files():
        place = copy / file.relative_to(PACKAGE)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())
    monkeypatch.setattr(fingerprint, "files", lambda _: copy)
    seen = set()
    edited = "trust.py", "combination/losses.py"
    names = *(f"retrodiction/{name}" for name in edited), "stages/score.py", "history/frequency.py"
    for name in (None, *names):
        if name:
            (copy / name).write_text((copy / name).read_text() + "\nODD = 1\n")
        code_fingerprint.cache_clear()
        seen.add(code_fingerprint())
    code_fingerprint.cache_clear()
    assert len(seen) == 5


def test_a_new_file_and_a_renamed_one_give_another_fingerprint(monkeypatch, tmp_path):
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "a.py").write_text("A = 1\n")
    monkeypatch.setattr(fingerprint, "files", lambda _: tmp_path)
    monkeypatch.setattr(fingerprint, "NUMERICAL_CODE", ("engine",))
    seen = []
    for change in (
        lambda: None,
        lambda: (tmp_path / "engine" / "b.py").write_text("B = 1\n"),
        lambda: (tmp_path / "engine" / "b.py").rename(tmp_path / "engine" / "c.py"),
        lambda: (tmp_path / "engine" / "notes.txt").write_text("no code"),
        lambda: (tmp_path / "engine" / "part" / "__pycache__").mkdir(parents=True),
        lambda: (tmp_path / "engine" / "part" / "__pycache__" / "d.py").write_text("no source"),
        lambda: (tmp_path / "engine" / "part" / "d.py").write_text("D = 1\n"),
    ):
        change()
        code_fingerprint.cache_clear()
        seen.append(code_fingerprint())
    code_fingerprint.cache_clear()
    assert len({*seen}) == 4
    assert seen[2:6] == [seen[2]] * 4


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema.append(pa.field("new", pa.int64())),
        lambda schema: schema.remove(0),
        lambda schema: schema.set(0, pa.field("other", schema.field(0).type)),
        lambda schema: schema.set(0, pa.field(schema.field(0).name, pa.string())),
    ],
    ids=["added", "removed", "renamed", "other type"],
)
def test_a_changed_schema_makes_all_batches_stale(batch, settings, options, change, monkeypatch):
    assert grid_status(settings, options).states["2005-04-01"] == "done"
    changed = change(SCHEMAS["batch_metrics"])
    assert schema_fingerprint({**SCHEMAS, "batch_metrics": changed}) != schema_fingerprint(SCHEMAS)
    monkeypatch.setitem(SCHEMAS, "batch_metrics", changed)
    states = grid_status(settings, options).states
    assert states["2005-01-01"] == states["2005-04-01"] == "stale"


def test_descriptions_of_columns_change_nothing():
    bare = {name: schema.remove_metadata() for name, schema in SCHEMAS.items()}
    stripped = {
        name: pa.schema([field.remove_metadata() for field in schema])
        for name, schema in bare.items()
    }
    assert schema_fingerprint(stripped) == schema_fingerprint(SCHEMAS)


def test_the_order_of_the_models_changes_nothing(settings):
    one, other = (TrainingOptions(models=models) for models in (["naive", "ses"], ["ses", "naive"]))
    assert configuration_fingerprint(settings, one) == configuration_fingerprint(settings, other)
    resolved = (resolve_options(settings, options) for options in (one, other))
    assert len({str(options.models) for options in resolved}) == 1


@pytest.mark.parametrize("name", BATCH_TABLES)
@pytest.mark.parametrize("damage", ["truncated", "foreign", "one byte"])
def test_a_damaged_table_is_not_done(batch, settings, options, name, damage):
    file = Path(settings.store) / object_path(name, "2005-04-01", 30)
    data = file.read_bytes()
    middle = bytearray(data)
    middle[len(data) // 4] ^= 0xFF
    file.write_bytes({"truncated": data[:-20], "foreign": b"x", "one byte": bytes(middle)}[damage])
    states = grid_status(settings, options).states
    assert states["2005-04-01"] == "stale"
    assert states["2005-01-01"] == "done"


@pytest.mark.parametrize("name", BATCH_TABLES)
def test_a_table_that_is_gone_is_missing(batch, settings, options, name):
    (Path(settings.store) / object_path(name, "2005-04-01", 30)).unlink()
    assert grid_status(settings, options).states["2005-04-01"] == "missing"


def test_other_versions_are_shown_and_make_nothing_stale(batch, settings, options, monkeypatch):
    here = ", ".join(f"{k} {v}" for k, v in fingerprint.package_versions().items())
    assert grid_status(settings, options).versions == {here: 2}
    fingerprint.package_versions.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint.importlib.metadata, "version", lambda name: "0.0.1")
        run_batch(batch)
        fingerprint.package_versions.cache_clear()
    status = grid_status(settings, options)
    assert status.states["2005-04-01"] == "done"
    assert status.versions == {here: 1, "numba 0.0.1, numpy 0.0.1": 1}


def test_a_table_of_another_configuration_is_not_mixed_in(batch, settings):
    other = TrainingOptions(**batch.options.model_dump() | {"interval_level": 0.5})
    only = replace(batch, options=other, tables=frozenset({"batch_metrics"}))
    summary = run_batch(only)
    assert summary.status == "failed"
    assert "computed by another configuration" in summary.error
