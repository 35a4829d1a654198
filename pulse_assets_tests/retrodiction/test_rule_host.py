"""A rule that fails, in whatever way, costs its own forecasts and nothing else."""

import gc
import os
import signal
import subprocess
import sys
import threading
import zipfile
from datetime import date
from operator import itemgetter
from pathlib import Path

import numpy as np
import psutil
import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets.batches.status import grid_status
from pulse_assets.batches.windows import make_batch
from pulse_assets.catalog import BATCH_TABLES
from pulse_assets.errors import ClusterError, RuleError
from pulse_assets.execution.batch_task import BatchTask
from pulse_assets.execution.worker_rules import check_rules
from pulse_assets.retrodiction.failures import LONGEST_MESSAGE, describe_error
from pulse_assets.retrodiction.hosted_rules import rule_versions
from pulse_assets.retrodiction.rule_process import close_hosts, fresh_hosts, this_threads_host
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.retrodiction.walk_forward import walk_forward
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.lookahead_check import recompute
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import open_store
from pulse_assets.storage.tables import decode_table
from pulse_assets_tests.execution.clusters import standing_cluster, wait_until
from pulse_assets_tests.one_batch import run_batch

ROOT = Path(__file__).parents[2]
HOSTILE = "pulse_assets_tests.hostile_rules:"
KEY = "2005-04-01"  # the window to 2005-04-30 holds the month of April alone
#: `line` is 10 + 0.5 i in month i, and `wave` never has it: this is March 2005's.
MARCH = "41"

#: What each rule raises where the last value is HOSTILE_VALUE: type, and how the message begins.
OF_ONE_ORIGIN = {
    "Raises": ("MistakeError", "a mistake of two lines"),
    "RaisesUnprintable": ("UnprintableError", "UnprintableError"),
    "RaisesSurrogates": ("MistakeError", "?xxx"),
    "Exits": ("SystemExit", "0"),
    "Interrupts": ("KeyboardInterrupt", "KeyboardInterrupt"),
    "LeavesGenerator": ("GeneratorExit", "GeneratorExit"),
    "RaisesBase": ("BaseException", "base"),
    "RunsOutOfMemory": ("MemoryError", "Unable to allocate"),
    "Recurses": ("RecursionError", "maximum recursion depth"),
    "TooMany": ("RuleError", "returned forecasts of shape (99), expected (2): one number per"),
    "Nothing": ("RuleError", "returned NoneType, not an array of numbers"),
    "Ragged": ("RuleError", "returned list, not an array of numbers"),
    "Words": ("RuleError", "returned list, not an array of numbers"),
    "Complex": ("RuleError", "returned ndarray, not an array of numbers"),
    "MixedWords": ("RuleError", "returned ndarray, not an array of numbers"),
    "Dates": ("RuleError", "returned ndarray, not an array of numbers"),
    "Infinite": ("RuleError", "returned an infinite forecast"),
}
OF_THE_REQUEST = {
    "LeavesProcess": ("ProcessEnded", "its process ended with exit code 3"),
    "LeavesProcessWell": ("ProcessEnded", "its process ended with exit code 0"),
    "Segfaults": ("ProcessEnded", "its process was ended by SIGSEGV"),
    "Kills": ("ProcessEnded", "its process was ended by SIGKILL, as one that runs out of memory"),
    "Aborts": ("ProcessEnded", "its process was ended by SIGABRT"),
    "ClosesEverything": ("ProcessEnded", "its process "),
    **dict.fromkeys(
        ("Loops", "Sleeps", "LoopsInC", "Stops"),
        ("TimeoutError", "took longer than rule_timeout_seconds = 1.5 for one variable"),
    ),
}
HARMLESS = ("Silent", "Harmless")


@pytest.fixture(autouse=True)
def nothing_left():
    """No process of another file's test serves a test, and none of a test goes on."""
    close_hosts()
    yield
    close_hosts()
    gc.collect()
    assert hosts() == []


def hosts():
    """The rule hosts below this process, and what rules have started: zombies count."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "rule_host" in " ".join(_command(child))]


def _command(process):
    return ["rule_host"] if process.status() == psutil.STATUS_ZOMBIE else process.cmdline()


def task_of(settings, *models, key=KEY, **options):
    options = TrainingOptions(
        variables=["line", "wave"],
        horizons=[1, 3],
        models=sorted(["naive", *models]),
        frequencies={"line": "monthly", "wave": "monthly"},
        **options,
    )
    return BatchTask(
        (make_batch(key, settings.end_date, 30, options.variables),), settings, options
    )


def read(task, name):
    data = open_store(task.settings.store).read(object_path(name, task.name, 30))
    return decode_table(data, name, name=name)


def rows_of(task, name, model, variable="line"):
    """The rows of one rule, by horizon."""
    rows = sorted(read(task, name).to_pylist(), key=itemgetter("horizon"))
    return [row for row in rows if (row["model"], row["variable"]) == (model, variable)]


@pytest.mark.parametrize("name", [*OF_ONE_ORIGIN, *OF_THE_REQUEST])
def test_a_failure_costs_its_own_forecasts(settings, monkeypatch, name):
    monkeypatch.setenv("HOSTILE_VALUE", MARCH)
    slow = OF_THE_REQUEST.get(name, ("", ""))[0] == "TimeoutError"
    task = task_of(
        settings, HOSTILE + name, HOSTILE + "Silent", rule_timeout_seconds=1.5 if slow else 60
    )
    if slow:
        resolve_rules([HOSTILE + name])  # the import is not what takes too long
    summary = run_batch(task)
    assert (summary.status, summary.error) == ("completed", None)
    # March is one step before April, January three: a failure of the process costs both.
    whole = name in OF_THE_REQUEST
    kind, message = (OF_THE_REQUEST if whole else OF_ONE_ORIGIN)[name]
    failed = {row["horizon"]: row for row in rows_of(task, "retrodictions", name)}
    for horizon, row in failed.items():
        if horizon == 1 or whole:
            assert np.isnan(row["predicted"])
            assert row["error"].startswith(f"{kind}: {message}")
            assert row["error"].isprintable()
            assert len(row["error"]) < LONGEST_MESSAGE + 100
        else:
            assert (row["predicted"], row["error"]) == (40.0, None)
    metrics = {row["horizon"]: row for row in rows_of(task, "batch_metrics", name)}
    assert [metrics[h]["missing"] for h in (1, 3)] == [1, int(whole)]
    for row in metrics.values():
        assert (row["status"], row["rule_errors"]) == ("completed", 2 if whole else 1)
        assert row["rule_error_origin"] == date(2005, 1 if whole else 3, 1)
        assert row["error_type"] == kind
        assert row["error"].startswith(message)
    # After its time a rule is not called again in the batch; after its death it is.
    wave = rows_of(task, "retrodictions", name, "wave")
    assert all(np.isnan(row["predicted"]) == slow for row in wave)
    assert [row["predicted"] for row in rows_of(task, "retrodictions", "naive")] == [41.0, 40.0]
    for other in ("ensemble", "naive", "Silent"):
        assert all(row["error"] is None for row in rows_of(task, "retrodictions", other))
    assert not run_batch(resumed(task)).unchanged


def resumed(task):
    options = TrainingOptions(**task.options.model_dump() | {"resume": True})
    return BatchTask(task.batches, task.settings, options)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_no_failure_is_no_error(settings, monkeypatch, name, capfd):
    monkeypatch.setenv("HOSTILE_VALUE", MARCH)
    task = task_of(settings, HOSTILE + name)
    assert run_batch(task).rule_errors == 0
    predicted = [row["predicted"] for row in rows_of(task, "retrodictions", name)]
    np.testing.assert_array_equal(predicted, [np.nan if name == "Silent" else 41.0, 40.0])
    assert {row["rule_errors"] for row in rows_of(task, "batch_metrics", name)} == {0}
    assert run_batch(resumed(task)).unchanged
    assert capfd.readouterr().out == ""  # of a command it is what machines read


def test_what_is_masked_is_no_forecast(settings, monkeypatch):
    monkeypatch.setenv("HOSTILE_VALUE", MARCH)
    task = task_of(settings, HOSTILE + "Masked", HOSTILE + "MaskedRows")
    assert run_batch(task).rule_errors == 0
    for name in ("Masked", "MaskedRows"):
        predicted = [row["predicted"] for row in rows_of(task, "retrodictions", name)]
        np.testing.assert_array_equal(predicted, [np.nan, 40.0])
        assert [row["missing"] for row in rows_of(task, "batch_metrics", name)] == [1, 0]


def test_what_a_rule_changes_of_its_process_costs_no_other_rule(settings, monkeypatch):
    monkeypatch.setenv("HOSTILE_VALUE", MARCH)
    monkeypatch.chdir(ROOT)
    task = task_of(settings, HOSTILE + "Alters", HOSTILE + "Relies")
    assert run_batch(task).rule_errors == 0
    predicted = [row["predicted"] for row in rows_of(task, "retrodictions", "Relies")]
    assert predicted == [41.0, 40.0]


def test_addresses_in_memory_make_no_errors_differ():
    kind, message = describe_error(ValueError(f"{object()} and 0x12"))
    assert (kind, message) == ("ValueError", "<object object at 0x...> and 0x12")


def test_different_errors_of_a_rule_are_not_said_to_be_equal(settings, tmp_path, monkeypatch):
    text = f"{TWO}{{}}[len(y) % 2]\n    history_origins = 2"
    reference = write_module(tmp_path, monkeypatch, "changing", text)
    task = task_of(settings, reference, key="2005-01-31")
    run_batch(task)
    near, _ = rows_of(task, "batch_metrics", "two")
    assert near["rule_errors"] == 4
    assert near["error"] in ("0 (the first of several errors)", "1 (the first of several errors)")


def test_what_one_rule_leaves_behind_is_not_blamed_on_another(settings, monkeypatch):
    monkeypatch.setenv("HOSTILE_VALUE", MARCH)
    task = task_of(settings, HOSTILE + "LeavesABomb", HOSTILE + "Patient")
    assert run_batch(task).rule_errors == 0


def test_a_failure_before_the_origins_of_the_batch_is_not_silent(settings, monkeypatch):
    monkeypatch.setenv("HOSTILE_VALUE", "39.5")  # of December, a history origin for April
    task = task_of(settings, HOSTILE + "Raises")
    assert run_batch(task).rule_errors == 1
    near, far = rows_of(task, "retrodictions", "Raises")
    assert (near["predicted"], near["error"]) == (41.0, None)
    text = "MistakeError: a mistake of two lines (from the earlier origin 2004-12-01)"
    assert (far["predicted"], far["error"]) == (40.0, text)


def test_a_batch_in_which_a_rule_failed_is_incomplete_until_it_succeeds(settings, monkeypatch):
    task = task_of(settings, HOSTILE + "Raises")
    monkeypatch.setenv("HOSTILE_VALUE", MARCH)
    run_batch(task)
    assert grid_status(settings, task.options).states[KEY] == "incomplete"
    monkeypatch.delenv("HOSTILE_VALUE")
    close_hosts()  # the environment is that at the start of a host, as of a run
    again = run_batch(resumed(task))
    assert (again.unchanged, again.rule_errors) == (False, 0)
    assert grid_status(settings, task.options).states[KEY] == "done"


def test_one_table_made_again_is_as_incomplete_as_all(settings, monkeypatch):
    monkeypatch.setenv("HOSTILE_VALUE", MARCH)
    task = task_of(settings, HOSTILE + "Raises")
    run_batch(task)
    before = open_store(settings.store).read(object_path("batch_metrics", KEY, 30))
    alone = BatchTask(task.batches, settings, task.options, frozenset({"batch_metrics"}))
    assert run_batch(alone).rule_errors == 1
    assert open_store(settings.store).read(object_path("batch_metrics", KEY, 30)) == before


def test_the_old_way_fails_the_batch_and_names_the_rule(settings, monkeypatch):
    monkeypatch.setenv("HOSTILE_VALUE", MARCH)
    summary = run_batch(task_of(settings, HOSTILE + "Raises", on_rule_error="fail"))
    assert (summary.status, summary.error_type) == ("failed", "RuleError")
    assert summary.error == "rule 'Raises' failed: MistakeError: a mistake of two lines"


@pytest.mark.parametrize("value", [0, -1, 604_801, "nan", "inf", "soon"])
def test_a_timeout_out_of_bounds_is_refused(value):
    with pytest.raises(RuleError.__base__, match="rule_timeout_seconds = "):
        TrainingOptions(rule_timeout_seconds=value)


# Before the first batch

IMPORTS = {
    "exits": ("raise SystemExit(0)", "SystemExit: 0"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt: KeyboardInterrupt"),
    "raises": ("1 / 0", "ZeroDivisionError: division by zero"),
    "is_no_python": ("class", "SyntaxError: invalid syntax"),
    "leaves": ("import os; os._exit(0)", "its process ended with exit code 0"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "its process was ended by SIGSEGV"),
    "loops": ("while True: pass", "its module took longer than rule_timeout_seconds = 0.5"),
}
CLASSES = {
    "made": (
        "def __init__(self): raise SystemExit",
        "cannot be made without arguments",
    ),
    "named": ("name = property(lambda self: 1 / 0)", "cannot be used: ZeroDivisionError"),
    "counted": ("name = 'x'; history_origins = 'a'; forecast = 1", "history_origins = 'a': give a"),
    "halved": ("name = 'x'; history_origins = 2.5; forecast = 1", "history_origins = 2.5: give a"),
    "negative": ("name = 'x'; min_observations = -1; forecast = 1", "min_observations = -1: give"),
    "surrogate": (r"name = '\udcff'; forecast = 1", "characters"),
    "two_lines": (r"name = 'a\nb'; forecast = 1", "has the name 'a\\nb': give the class a `name`"),
    "long": ("name = 'x' * 201; forecast = 1", "1 to 200 printable characters"),
    "partner": ("name = 'ar_with_line'; forecast = 1", "rules that read another variable"),
    "unnamed": ("pass", "has the name None: give the class a `name`"),
}


def write_module(folder, monkeypatch, name, text):
    (folder / f"{name}.py").write_text(text + "\n")
    monkeypatch.syspath_prepend(str(folder))
    return f"{name}:Rule"


@pytest.mark.parametrize("name", IMPORTS)
def test_a_module_that_cannot_be_imported_is_one_line(tmp_path, monkeypatch, name):
    text, message = IMPORTS[name]
    reference = write_module(tmp_path, monkeypatch, f"module_that_{name}", text)
    with pytest.raises(RuleError) as caught:
        resolve_rules([reference], seconds=0.5 if name == "loops" else 60)
    assert repr(reference) in str(caught.value)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_that_cannot_be_used_is_one_line(tmp_path, monkeypatch, name):
    text, message = CLASSES[name]
    reference = write_module(tmp_path, monkeypatch, f"class_{name}", f"class Rule:\n    {text}")
    with pytest.raises(RuleError) as caught:
        resolve_rules([reference])
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_class_of_the_program_itself_must_be_put_into_a_module():
    with pytest.raises(RuleError, match="put the class into a module"):
        resolve_rules(["__main__:Rule"])


def test_the_command_tells_a_module_that_exits(tmp_path):
    (tmp_path / "leaving.py").write_text("import sys\nprint('bye')\nsys.exit(0)\n")
    done = command(tmp_path, "--models", "leaving:Rule")
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("error: rule 'leaving:Rule': cannot import module 'leaving'")
    assert not (tmp_path / "home").exists()


def command(folder, *options, **popen):
    run = [sys.executable, "-m", "pulse_assets.run_training", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DAGSTER_HOME": str(folder / "home")}
    return subprocess.run(
        run, env=environment, cwd=folder, capture_output=True, text=True, check=False, **popen
    )


# What a rule may not see or keep


def test_a_rule_that_peeks_everywhere_but_in_the_middle_is_caught(settings, tmp_path, monkeypatch):
    text = """
import numpy as np

class Rule:
    name = "peeker"

    def forecast(self, y, origins, horizons, season):
        made = np.repeat(y[origins][:, None], len(horizons), 1).astype(float)
        for i, origin in enumerate(origins):
            if origin != origins[len(origins) // 2] and origin + horizons[-1] < len(y):
                made[i] = y[origin + horizons]
        return made
"""
    task = task_of(settings, write_module(tmp_path, monkeypatch, "peeking", text))
    run_batch(task)
    for row in rows_of(task, "retrodictions", "peeker"):
        assert np.isnan(row["predicted"])
        assert row["error"].startswith("RuleError: looks ahead or is random")


@pytest.mark.parametrize("honest", [0, -1])
def test_the_first_and_the_last_origin_are_made_twice(tmp_path, monkeypatch, honest):
    text = f"""
import numpy as np

class Rule:
    name = "random"

    def __init__(self):
        self.calls = 0

    def forecast(self, y, origins, horizons, season):
        self.calls += 1
        made = np.repeat(y[origins][:, None], len(horizons), 1)
        if self.calls == 1:
            made[{honest}] += 1
        return made
"""
    rules = resolve_rules([write_module(tmp_path, monkeypatch, f"random_{honest + 1}", text)])
    with pytest.raises(RuleError, match="'random' looks ahead or is random"):
        walk_forward(np.arange(50.0), range(50), [1, 2], 1, rules)


def test_an_instance_lives_for_one_batch(tmp_path, monkeypatch):
    text = """
class Rule:
    name = "memory"
    calls = 0

    def fit_predict(self, y_past, horizons):
        self.calls += 1
        return [float(self.calls)] * len(horizons)
    guarded = False
"""
    reference = write_module(tmp_path, monkeypatch, "memory", text)
    one, other = resolve_rules([reference]), resolve_rules([reference])
    calls = [(one, 0.0), (one, 1.0), (one, 0.0), (other, 0.0)]
    made = [walk_forward(np.arange(9.0) + x, [7, 8], [1], 1, r)[0, :, 0] for r, x in calls]
    np.testing.assert_array_equal(made, [[1, 2], [3, 4], [1, 2], [1, 2]])  # equal values once


# Versions

TWO = "class Rule:\n    name = 'two'\n    def fit_predict(self, y, horizons):\n        return "
BASE = f"{TWO}[y[-1]] * len(horizons)\n"


def test_the_version_follows_the_source_of_all_that_the_rule_uses(tmp_path, monkeypatch):
    (tmp_path / "helping.py").write_text("def last(y):\n    return y[-1]\n")
    text = f"from helping import last\nfrom packaging import version\n{TWO}[last(y)]\n"
    reference = write_module(tmp_path, monkeypatch, "helped", text)
    versions = []
    for edited in ("", "# a comment\n", "# another\n"):
        with (tmp_path / "helping.py").open("a") as file:
            file.write(edited)
        with fresh_hosts():
            versions.append(rule_versions(["naive", reference]))
            assert rule_versions([reference, "ses"]) == versions[-1]
    assert [*versions[0]] == [reference]
    assert len({one[reference] for one in versions}) == 3


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("constant.py", f"from constant import SHARE\n{TWO}[SHARE]"),
        ("lazy.py", f"{TWO}self.lazy(y)\n    def lazy(self, y):\n        import lazy"),
        ("space/inner.py", f"import space.inner\n{TWO}[space.inner.SHARE]"),
        ("space/other.py", f"from space import other\n{TWO}[other.SHARE]"),
        ("pack/__init__.py", f"{TWO}0\n    def late(self):\n        from pack.sub import SHARE"),
    ],
)
def test_the_version_follows_a_helper_however_it_is_imported(tmp_path, monkeypatch, file, text):
    helper = tmp_path / file
    helper.parent.mkdir(exist_ok=True)
    module = f"uses_{helper.stem.strip('_')}"
    reference = write_module(tmp_path, monkeypatch, module, text)
    found = []
    for share in ("0.5", "0.25"):
        helper.write_text(f"SHARE = {share}\n")
        with fresh_hosts():
            found.append(rule_versions([reference])[reference])
            assert rule_versions([reference])[reference] == found[-1]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("folder", "own"),
    [("lib/site-packages", False), ("lib/dist-packages", False), ("site-packages-of-mine", True)],
)
def test_an_installed_package_is_not_part_of_the_version(tmp_path, monkeypatch, folder, own):
    (tmp_path / folder).mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path / folder))
    text = f"import beside\n{TWO}[beside.SHARE]"
    reference = write_module(tmp_path, monkeypatch, f"beside_{own}_{folder[4:8]}", text)
    found = []
    for share in ("0.5", "0.25"):
        (tmp_path / folder / "beside.py").write_text(f"SHARE = {share}\n")
        with fresh_hosts():
            found.append(rule_versions([reference])[reference])
    assert (found[0] != found[1]) == own


def test_an_import_that_leads_nowhere_does_not_stop_a_rule(tmp_path, monkeypatch):
    text = f"try:\n    from ... import a\nexcept ImportError:\n    pass\n{BASE}"
    text += "\n    def never(self):\n        import no_such.module, math.none, json.none.at"
    reference = write_module(tmp_path, monkeypatch, "leading_nowhere", text)
    assert len(rule_versions([reference])[reference]) == 64


def test_a_rule_may_lie_in_an_archive(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "rules.zip", "w") as archive:
        archive.writestr("zipped.py", BASE)
    monkeypatch.syspath_prepend(str(tmp_path / "rules.zip"))
    assert len(rule_versions(["zipped:Rule"])["zipped:Rule"]) == 64


def test_a_host_that_another_run_closes_meanwhile_forgets_nothing_that_is_needed(monkeypatch):
    class Closed(dict):
        """The descriptions of a host that is closed as soon as it has described a rule."""

        def __setitem__(self, reference, described):
            this_threads_host().close()

    monkeypatch.setattr(this_threads_host(), "descriptions", Closed())
    assert len(rule_versions([HOSTILE + "Raises"])[HOSTILE + "Raises"]) == 64


def test_an_empty_version_is_none(tmp_path, monkeypatch):
    reference = write_module(tmp_path, monkeypatch, "without", f"version = ' '\n{BASE}")
    assert len(rule_versions([reference])[reference]) == 64


@pytest.mark.parametrize("place", ["class", "module"])
def test_a_version_of_the_users_counts_in_place_of_the_source(tmp_path, monkeypatch, place):
    text = BASE + ("version = 2.5" if place == "module" else "    version = 2.5")
    reference = write_module(tmp_path, monkeypatch, f"versioned_{place}", text)
    assert rule_versions([reference]) == {reference: "2.5"}


def test_an_edited_rule_makes_batches_stale_and_is_computed_again(tmp_path, source, monkeypatch):
    reference = write_module(tmp_path, monkeypatch, "edited", BASE)
    config = TrainingConfig(
        **{"source": str(source), "store": str(tmp_path / "store"), "variables": ["line"]},
        **{"start_date": "2005-01-01", "end_date": "2005-03-31", "horizons": [1]},
        **{"models": ["naive", reference], "max_workers": 1, "batch_cadence": "monthly"},
    )
    assert train(config).success
    resume = TrainingConfig(**config.model_dump() | {"resume": True})
    assert set(states(config)) == {"done"}
    (tmp_path / "edited.py").write_text(BASE.replace("y[-1]", "y[-2]"))
    assert set(states(config)) == {"stale"}
    results = train(resume)
    assert results.success
    assert set(states(config)) == {"done"}
    (row,) = [row for row in results.data["models"] if row["model"] == "two"]
    assert row["mase"] == pytest.approx(1 / 6, rel=1e-5)  # two of the twelve steps of a season


def states(config):
    with fresh_hosts():
        return grid_status(config.settings(), config.options()).states.values()


def test_a_worker_with_another_version_is_named(tmp_path, monkeypatch):
    reference = write_module(tmp_path, monkeypatch, "elsewhere", BASE)
    check_rules(rule_versions([reference]), 60)
    message = rf"this process has another version of rule '{reference}' .* run \(0123456789ab\)"
    with pytest.raises(ClusterError, match=message):
        check_rules({reference: "0123456789abcdef"}, 60)
    with pytest.raises(ClusterError, match=r"this process cannot use a rule of the run: .*'lost'"):
        check_rules({"lost:Rule": "1"}, 60)


def test_a_worker_that_remembers_an_older_version_imports_it_anew(tmp_path, monkeypatch):
    reference = write_module(tmp_path, monkeypatch, "remembered", BASE)
    old = rule_versions([reference])
    (tmp_path / "remembered.py").write_text(BASE + "# edited\n")
    assert rule_versions([reference]) == old
    with fresh_hosts():
        new = rule_versions([reference])
    rule_versions([reference])
    assert new != old
    check_rules(new, 60)


def test_a_rule_that_is_edited_while_a_run_is_under_way_forecasts_no_more(tmp_path, monkeypatch):
    reference = write_module(tmp_path, monkeypatch, "midway", BASE)
    rules = resolve_rules([reference])
    (tmp_path / "midway.py").write_text(BASE + "# edited\n")
    close_hosts()
    with pytest.raises(RuleError, match="rule 'two' was edited while the run was under way"):
        walk_forward(np.arange(9.0), [8], [1], 1, rules)


# Processes


def test_built_in_rules_start_no_host(settings):
    run_batch(task_of(settings, "ses"))
    assert hosts() == []


def test_a_host_ends_with_its_thread():
    seen = []

    def work():
        rule_versions([HOSTILE + "Raises"])
        seen.extend(hosts())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    gc.collect()
    assert len(seen) == 1
    assert hosts() == []


def test_idle_hosts_are_closed_and_busy_ones_are_not(monkeypatch):
    monkeypatch.setenv("HOSTILE_VALUE", "0")
    rules, made, mine = resolve_rules([HOSTILE + "Patient"]), [], this_threads_host()
    assert mine is this_threads_host()

    def forecast():
        theirs = resolve_rules([HOSTILE + "Patient"])
        made.append(walk_forward(np.zeros(3), [2], [1], 1, theirs))

    thread = threading.Thread(target=forecast)
    thread.start()
    while thread.is_alive():
        close_hosts()
    np.testing.assert_array_equal(made, np.zeros((1, 1, 1, 1)))
    np.testing.assert_array_equal(walk_forward(np.zeros(3), [2], [1], 1, rules), [[[0.0]]])


PROGRAM = f"""
import sys
import numpy as np
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.retrodiction.walk_forward import walk_forward

rules = resolve_rules(["{HOSTILE}" + sys.argv[1]])
print("ready", flush=True)
walk_forward(np.zeros(3), [2], [1], 1, rules)
"""


@pytest.fixture
def program():
    """A program that waits for a rule that never returns, and the rule's host."""
    started = []

    def program(rule):
        one = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, rule],
            env=os.environ | {"HOSTILE_VALUE": "0", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(one)
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
        (host,) = psutil.Process(one.pid).children()
        wait_until(lambda: _is_at_work(host))
        return one, host

    yield program
    for one in started:
        one.kill()
        one.communicate()


def _is_at_work(host):
    """Whether a request is under way: the pipe is watched then, as the kernel shows."""
    for info in Path(f"/proc/{host.pid}/fdinfo").iterdir():
        flags = next(line for line in info.read_text().splitlines() if line.startswith("flags"))
        if int(flags.split()[1], 8) & os.O_ASYNC:
            return True
    return False


@pytest.mark.parametrize("rule", ["Loops", "Sleeps", "LoopsInC"])
def test_an_orphan_ends_at_once_whatever_it_does(program, rule):
    run, host = program(rule)
    run.kill()
    run.wait()
    wait_until(lambda: not host.is_running() or host.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("rule", ["Sleeps", "LoopsInC"])
def test_an_interrupt_ends_the_wait_and_the_host(program, rule):
    run, host = program(rule)
    run.send_signal(signal.SIGINT)
    assert run.wait(30) == -signal.SIGINT
    assert not psutil.pid_exists(host.pid)


def test_a_host_is_out_of_reach_of_the_terminals_interrupts(program):
    run, host = program("Sleeps")
    assert os.getpgid(host.pid) == host.pid
    for one in (signal.SIGINT, signal.SIGTERM):
        host.send_signal(one)
    assert run.poll() is None
    assert host.is_running()


@pytest.mark.slow
def test_ctrl_c_during_a_rule_ends_the_command_with_one_line(tmp_path, source):
    values = ["--source", str(source), "--start-date", "2005-01-01", "--end-date", "2005-12-26"]
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "pulse_assets.run_training", *values, "--max-workers", "1"),
            *("--models", HOSTILE + "Sleeps", "--variables", "line"),
        ],
        env=os.environ
        | {"HOSTILE_VALUE": MARCH, "PYTHONPATH": str(ROOT), "DAGSTER_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    done = tmp_path / "home" / "store" / "batch_metrics"
    wait_until(lambda: len([*done.glob("*/*.parquet")]) >= 3, 60)
    (host,) = psutil.Process(run.pid).children()
    wait_until(lambda: _is_at_work(host))
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    assert errors.splitlines()[-1].startswith("error: interrupted: finished batches are kept")
    assert "Traceback" not in errors
    assert not psutil.pid_exists(host.pid)


# Whole runs


def run_of(source, tmp_path, *rules, **changes):
    values = {
        "source": str(source),
        "store": str(tmp_path / "store"),
        "start_date": "2005-01-01",
        "end_date": "2005-12-26",
        "horizons": [1, 3],
        "variables": ["line"],
        "models": ["naive", *(HOSTILE + rule for rule in rules)],
    }
    return TrainingConfig(**values | changes)


def check_run(results, config, rules):
    assert results.data["batches"]["failed"] == 0
    assert results.data["batches"]["completed"] > 0
    store = open_store(config.store)
    for start in ("2005-03-02", KEY):
        data = store.read(object_path("retrodictions", start, 30))
        rows = decode_table(data, "retrodictions", name=start).to_pylist()
        failed = {row["model"] for row in rows if row["error"]}
        assert failed == (set() if start == "2005-03-02" else set(rules))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_training_with_every_failing_rule(source, tmp_path, monkeypatch, workers):
    monkeypatch.setenv("HOSTILE_VALUE", MARCH)
    monkeypatch.chdir(ROOT)
    left_out = {"ClosesEverything", "Loops", "Stops"}  # which take as long as others of their kind
    rules = [name for name in (*OF_ONE_ORIGIN, *OF_THE_REQUEST) if name not in left_out]
    config = run_of(
        source,
        tmp_path,
        *rules,
        *HARMLESS,
        max_workers=workers,
        rule_timeout_seconds=5,  # a host starts within it, on a busy machine too
        batch_limit=4,
    )
    results = train(config)
    check_run(results, config, rules)
    assert hosts() == []


@pytest.mark.slow
def test_workers_of_a_cluster_keep_no_host_and_notice_an_edited_rule(source, tmp_path, monkeypatch):
    reference = write_module(tmp_path, monkeypatch, "on_workers", BASE)
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    with standing_cluster(tmp_path, 1, cwd=ROOT, env=environment) as cluster:
        joined = {"use_dask": True, "dask_scheduler_address": cluster.address}
        config = run_of(source, tmp_path, models=["naive", reference], **joined)
        assert train(config).success
        assert hosts() == []
        (tmp_path / "on_workers.py").write_text(BASE + "# edited\n")
        assert train(config).success
        assert hosts() == []
        (tmp_path / "other").mkdir()
        other = write_module(tmp_path / "other", monkeypatch, "on_workers", BASE + "# mine\n")
        assert other == reference
        with pytest.raises(Exception, match=r"worker tcp://\S+ has another version of rule"):
            train(config)


def test_next_forecasts_survive_a_rule_that_crashes(source, tmp_path, monkeypatch):
    monkeypatch.setenv("HOSTILE_VALUE", "69.5")  # the last one of the line
    config = run_of(source, tmp_path, "Segfaults", max_workers=1, batch_limit=5)
    train(config)
    path = "next_forecasts/next_forecasts.parquet"
    data = open_store(config.store).read(path)
    rows = decode_table(data, "next_forecasts", name=path).to_pylist()
    assert {row["origin_value"] for row in rows} == {69.5}
    errors = {row["model"]: row["error"] for row in rows if np.isnan(row["predicted"])}
    assert errors == {"Segfaults": "ProcessEnded: its process was ended by SIGSEGV"}
    assert {row["error"] for row in rows if not np.isnan(row["predicted"])} == {None}


def test_the_lookahead_check_tells_a_failure_from_a_difference(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("HOSTILE_VALUE", MARCH)
    task = task_of(settings, HOSTILE + "Segfaults")

    def recomputed():
        tables = {name: read(task, name) for name in BATCH_TABLES[:3]}
        return recompute(tables, resolve_rules(task.options.models), task.options)

    run_batch(task)
    both = recomputed()
    assert both.difference == 0.0
    assert both.failures == {"Segfaults": "ProcessEnded: its process was ended by SIGSEGV"}
    monkeypatch.delenv("HOSTILE_VALUE")
    close_hosts()
    now_it_works = recomputed()
    assert (now_it_works.difference, now_it_works.failures) == (0.0, {})
    assert now_it_works.forecasts > 0
    run_batch(task)
    monkeypatch.setenv("HOSTILE_VALUE", MARCH)
    close_hosts()
    now_it_fails = recomputed()
    assert now_it_fails.difference == 0.0
    assert [*now_it_fails.failures] == ["Segfaults"]


def test_the_lookahead_check_names_the_rule_that_differs(settings, tmp_path, monkeypatch):
    text = BASE.replace("[y[-1]]", "[y[-1] + float(os.environ['PULSE_SHIFT'])]")
    reference = write_module(tmp_path, monkeypatch, "shifting", f"import os\n{text}")
    monkeypatch.setenv("PULSE_SHIFT", "0")
    task = task_of(settings, reference)
    run_batch(task)
    monkeypatch.setenv("PULSE_SHIFT", "0.25")
    close_hosts()
    tables = {name: read(task, name) for name in BATCH_TABLES[:3]}
    found = recompute(tables, resolve_rules(task.options.models), task.options)
    assert found.model == "two"
    assert found.failures == {}


def test_a_rule_that_forecasts_a_path_as_a_whole_does_not_look_ahead(
    settings, tmp_path, monkeypatch
):
    text = BASE.replace("[y[-1]] * len(horizons)", "y[-1] + horizons.mean() + 0.0 * horizons")
    task = task_of(settings, write_module(tmp_path, monkeypatch, "whole_path", text))
    task = BatchTask((make_batch(KEY, settings.end_date, 90, ("line",)),), settings, task.options)
    run_batch(task)
    data = open_store(settings.store)
    tables = {
        name: decode_table(data.read(object_path(name, KEY, 30)), name, name=name)
        for name in BATCH_TABLES[:3]
    }
    found = recompute(tables, resolve_rules(task.options.models), task.options)
    assert (found.difference, found.failures) == (0.0, {})
    assert found.forecasts > 0


def test_a_request_takes_little_more_than_the_rule(settings):
    """Not by the clock: one message each way, and no import, start or description."""
    rules = resolve_rules([HOSTILE + "Raises"])
    (host,) = hosts()
    walk_forward(np.arange(50.0), range(50), [1, 2], 1, rules)
    walk_forward(np.arange(50.0), range(50), [1, 2], 1, rules)
    assert hosts() == [host]
    assert [*this_threads_host().descriptions] == [HOSTILE + "Raises"]
