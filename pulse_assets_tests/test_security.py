"""No way in: what the package's own code may not do, and names that try to leave their place."""

import ast
import re
from pathlib import Path

import pandas as pd
import pytest
from packaging.version import Version

from pulse_assets.errors import ConfigurationError, PulseError, RuleError, StoreError
from pulse_assets.history.frames import read_data
from pulse_assets.history.source import check_variable_name
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import Settings, TrainingConfig
from pulse_assets.settings.environment import ALLOW_VARIABLES, UI_HOSTS_VARIABLE
from pulse_assets.storage.store import open_store

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "pulse_assets").rglob("*.py"))

#: Modules that run what they read, or start a shell.
FORBIDDEN = {"pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib", "subprocess", "pty"}
#: Where Python is started anew, and why: rules that are not ours run in a process of their own.
STARTS_PYTHON = {"retrodiction/rule_process.py": "the rule host"}
#: Calls that run text as code.
CALLS = {"eval", "exec", "compile", "__import__"}
#: Methods that run text as code or unpickle, on whatever object.
METHODS = {"system", "popen", "read_pickle", "to_pickle", "unsafe_load", "full_load", "spawnl"}
#: Where a module is imported by a name that is made at run time, and what the name comes from.
IMPORTS_BY_NAME = {
    "__init__.py": "a table of the package",
    "retrodiction/user_rules.py": "--models, as the user wrote it",
    "dagster/definitions.py": "the files of pulse_assets.assets",
    "execution/cluster.py": "dagster-dask's own list of clusters",
    "run_training.py": "a table of its modules, imported when a name is used",
}


def test_there_are_modules_to_scan():
    assert len(MODULES) > 60


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_no_module_unpickles_evaluates_or_starts_a_shell(module):
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names} & FORBIDDEN
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").partition(".")[0]} & FORBIDDEN
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found |= {node.func.id} & CALLS
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found |= {node.func.attr} & METHODS
            unsafe_yaml = ast.unparse(node.func) in ("yaml.load", "np.load", "numpy.load")
            found |= {ast.unparse(node.func)} if unsafe_yaml else set()
        elif isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
            found.add(node.arg)
    name = str(module.relative_to(ROOT / "pulse_assets"))
    assert found == ({"subprocess"} if name in STARTS_PYTHON else set())


def test_the_only_process_that_is_started_is_this_python_with_a_constant_program():
    (name,) = STARTS_PYTHON
    tree = ast.parse((ROOT / "pulse_assets" / name).read_text())
    used = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("subprocess.")
    }
    assert used == {"subprocess.Popen", "subprocess.PIPE", "subprocess.TimeoutExpired"}
    (call,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "subprocess.Popen"
    ]
    assert (
        ast.unparse(call.args[0]) == "[sys.executable, '-P', '-c', _PROGRAM, json.dumps(sys.path)]"
    )


def test_modules_are_imported_by_name_in_the_listed_places_only():
    found = {
        str(module.relative_to(ROOT / "pulse_assets"))
        for module in MODULES
        if "import_module(" in module.read_text()
    }
    assert found == set(IMPORTS_BY_NAME)


HOSTILE = [
    "../x",
    "..",
    ".",
    ".hidden",
    "a/../b",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "C:\\x",
    "~root",
    "a\0b",
    "a\nb",
    "a\rb",
    "a\x1b[31mb",
    "a\u202eb",
    "a\u2215b",
    "\N{CYRILLIC SMALL LETTER A}bc",
    "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}x",
    "e\u0301",
    "a b",
    "a%2f..%2fb",
    "$HOME",
    "`id`",
    "<script>",
    "n" * 300,
    "",
    "con:",
    "x.",
    "-rf",
    "--help",
    "-",
    "CON",
    "nul",
    "Lpt1",
    "com9.x",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_of_a_variable_is_refused_on_one_printable_line(name):
    with pytest.raises(ConfigurationError) as caught:
        check_variable_name(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700
    with pytest.raises(ConfigurationError):
        TrainingConfig(variables=[name])


@pytest.mark.parametrize("name", ["-rf", "--help", "CON", "aux.x"])
def test_names_of_options_and_devices_are_refused_wherever_they_come_from(name, tmp_path):
    """Once as a file's name, a column, a series of a long table, and a column of a data frame."""
    (tmp_path / f"historical_{name}.csv").write_text("timestamp,value\n2020-01-01,1\n")
    (tmp_path / "historical_good.csv").write_text("timestamp,value\n2020-01-01,1\n")
    source = TrainingConfig(source=str(tmp_path)).open_source()
    assert source.variables() == ["good"]
    ((file, reason),) = source.unread().items()
    assert file == f"historical_{name}.csv"
    assert reason.startswith("its variable ")
    assert reason.endswith(": rename it historical_<another name>.csv")

    (tmp_path / f"historical_{name}.csv").unlink()
    tables = {
        "wide.csv": ("column", f"date,{name}\n2020-01-01,1\n"),
        "panel.csv": ("series", f"unique_id,ds,y\n{name},2020-01-01,1\n"),
    }
    for table, (what, text) in tables.items():
        (tmp_path / table).write_text(text)
        with pytest.raises(PulseError) as caught:
            TrainingConfig(source=str(tmp_path)).open_source().variables()
        (tmp_path / table).unlink()
        line = str(caught.value)
        assert f"/{table}: " in line
        assert f"{what} {name!r} cannot name a variable, it " in line
        assert line.endswith(": rename it")
    frame = pd.DataFrame({"date": ["2020-01-01"], name: [1.0]})
    with pytest.raises(PulseError, match=f"column {name!r} cannot name a variable, it "):
        read_data(frame)


PATHS = ["../x", "a/../../x", "a//x", "/x", ".x", "a/.x", "a/\0", "..", "a/..", "./x"]


@pytest.mark.parametrize("path", PATHS, ids=ascii)
@pytest.mark.parametrize("place", ["directory", "s3"])
def test_no_path_leads_out_of_a_store(path, place, tmp_path):
    store = open_store(str(tmp_path / "store") if place == "directory" else "s3://bucket/prefix")
    for use in (store.read, lambda path: store.write(path, b"")):
        with pytest.raises(StoreError, match="parts must not be empty or begin with a dot"):
            use(path)
    assert list(tmp_path.iterdir()) == []


def test_files_with_hostile_names_are_no_variables(tmp_path):
    for name in ("good", "<script>", "a b", "e\u0301", "..x", ".x", "-rf", "--help", "CON"):
        (tmp_path / f"historical_{name}.csv").write_text("timestamp,value\n2020-01-01,1\n")
    (tmp_path / "historical_\N{CYRILLIC SMALL LETTER A}.csv").write_text("")
    (tmp_path / "historical_link.csv").symlink_to(tmp_path / "nowhere")
    assert TrainingConfig(source=str(tmp_path)).open_source().variables() == ["good"]


@pytest.mark.parametrize(
    "reference",
    [
        "os:system",
        "builtins:eval",
        "/tmp/rules.py:Rule",
        "../rules:Rule",
        ".rules:Rule",
        "s3://bucket/rules:Rule",
        "file:///tmp/rules:Rule",
        ":Rule",
        "rules.py:",
        "a\0b:Rule",
        "n" * 300 + ":Rule",
    ],
    ids=lambda name: ascii(name)[:30],
)
def test_a_rule_is_a_class_of_a_module_that_can_be_imported_and_nothing_else(reference):
    with pytest.raises(RuleError):
        resolve_rules([reference])


def test_no_rule_is_loaded_from_a_store(tmp_path, monkeypatch):
    store = open_store(str(tmp_path / "store"))
    store.write("planted.py", b"class Rule:\n    name = 'planted'\n    raise SystemExit\n")
    monkeypatch.chdir(tmp_path)
    for reference in ("planted:Rule", "store/planted:Rule", "store.planted.py:Rule"):
        with pytest.raises(PulseError, match="cannot import module"):
            resolve_rules([reference])


def test_servers_are_started_on_loopback_and_the_readme_says_that_there_is_no_login():
    started = [
        line
        for file in (ROOT / "Makefile", ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
        for line in file.read_text().splitlines()
        if re.search(r"\bdagster(\) | |-web|\.ui )dev\b|dagster-webserver", line)
    ]
    assert started
    assert any("dagster.ui dev" in line for line in started)
    assert all("-h 127.0.0.1" in line for line in started if "dev" in line)
    assert not any("0.0.0.0" in line for line in started)
    assert "has no login: serve it on 127.0.0.1 only" in (ROOT / "README.md").read_text()


def test_security_md_names_tests_and_variables_that_are_there():
    text = (ROOT / "SECURITY.md").read_text()
    names = {path.name for path in (ROOT / "pulse_assets_tests").rglob("test_*.py")}
    assert {*re.findall(r"`(test_\w+\.py)`", text)} <= names
    assert {*re.findall(r"^\| `(PULSE_ALLOW_\w+)`", text, re.M)} == {*ALLOW_VARIABLES}
    assert UI_HOSTS_VARIABLE in text


def test_no_pinned_version_has_an_advisory_that_was_found():
    """The table of SECURITY.md names packages and the first versions without the fault."""
    text = (ROOT / "SECURITY.md").read_text()
    rows = re.findall(r"^\| ([\w-]+) \| ((?:CVE|GHSA)-[^|]+) \| ([\d.]+) \|$", text, re.M)
    assert len(rows) > 10
    pinned = (ROOT / "constraints.txt").read_text()
    for name, advisory, fixed in rows:
        versions = re.findall(rf"^{name}==(\S+)", pinned, re.M)
        # CI installs setuptools to build the project; it is no part of the constraints elsewhere.
        assert versions or name == "setuptools", name
        assert all(Version(version) >= Version(fixed) for version in versions), advisory


URLS = ["javascript:alert(1)", "JavaScript:alert(1)//http://a", "data:text/html,x", "file:///etc"]


@pytest.mark.parametrize("url", [*URLS, "//host/x", "host/x", "http://", "https:///x", "ftp://a"])
def test_an_address_for_browsers_and_for_s3_is_one_on_the_web(url, monkeypatch):
    """Whatever setting is called a URL: in Python, and from the environment."""
    for name in (name for name in Settings.model_fields if name.endswith("_url")):
        with pytest.raises(ConfigurationError, match=f"^{name} = .* is no address on the web: "):
            Settings(**{name: url})
    with pytest.raises(ConfigurationError, match="begin it with http:// or https://"):
        Settings.from_environment({"PULSE_REPORT_URL": url})
    assert Settings(report_url="HTTPS://a.example/x").report_url == "HTTPS://a.example/x"
