"""Dagster's records in a home: created by several processes at once, and damaged ones."""

import multiprocessing
import sqlite3
import subprocess
import sys

import pytest

from pulse_assets.dagster.instance import open_instance
from pulse_assets.errors import ConfigurationError, TrainingError
from pulse_assets.run_training import main
from pulse_assets.settings import dagster_home

FORK = multiprocessing.get_context("fork")


def open_at_once(home, barrier, answers):
    barrier.wait()
    try:
        with open_instance(home) as instance:
            answers.put(len(instance.get_runs()))
    except Exception as error:
        answers.put(f"{type(error).__name__}: {error}")


def first_runs(home, count):
    """Open `home` in this many processes at the same moment; return what each of them saw."""
    barrier, answers = FORK.Barrier(count), FORK.SimpleQueue()
    processes = [
        FORK.Process(target=open_at_once, args=(home, barrier, answers)) for _ in range(count)
    ]
    for process in processes:
        process.start()
    found = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    return found


def stamps(home):
    """Return how many schema versions each database of a home names."""
    files = [home / "history/runs.db", home / "history/runs/index.db", home / "schedules"]
    files[2] = next(files[2].glob("*.db"))
    counts = []
    for file in files:
        with sqlite3.connect(file) as connection:
            counts.append(connection.execute("SELECT count(*) FROM alembic_version").fetchone()[0])
        connection.close()
    return counts


@pytest.mark.parametrize("homes", [5, pytest.param(15, marks=pytest.mark.slow)])
def test_processes_that_are_the_first_at_the_same_moment(tmp_path, homes):
    for number in range(homes):
        home = tmp_path / f"home{number}"
        assert first_runs(home, 3) == [0, 0, 0]
        assert stamps(home) == [1, 1, 1]


@pytest.mark.slow
def test_a_process_without_our_lock_at_the_same_moment(tmp_path):
    """It may damage the records for good: then one line says what to do, and doing so helps."""
    for number in range(3):
        home = tmp_path / f"home{number}"
        home.mkdir()
        script = f"import dagster as dg; dg.DagsterInstance.from_config({str(home)!r}).get_runs()"
        other = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
        found = first_runs(home, 2)
        other.wait()
        damages = [said for said in found + first_runs(home, 1) if said != 0]
        if damages:
            assert all("move the folders" in said for said in damages)
            for name in ("history", "schedules"):
                (home / name).rename(tmp_path / f"moved {name} {number}")
            assert first_runs(home, 1) == [0]


def two_stamps(home):
    with sqlite3.connect(home / "history/runs.db") as connection:
        connection.execute("INSERT INTO alembic_version VALUES ('5771160a95ad')")
    connection.close()


def newer(home):
    with sqlite3.connect(home / "history/runs.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    connection.close()


def overwrite(name, data):
    def damage(home):
        file = home / name
        for companion in file.parent.glob(f"{file.name}-*"):
            companion.unlink()
        file.write_bytes(file.read_bytes()[:5000] if data is None else data)

    return damage


DAMAGES = {
    "two stamps": two_stamps,
    "no database": overwrite("history/runs.db", b"not a database at all" * 99),
    "truncated runs": overwrite("history/runs.db", None),
    "truncated index": overwrite("history/runs/index.db", None),
    "no index": overwrite("history/runs/index.db", b"x" * 8192),
    "no schedules": overwrite("schedules/schedules.db", b"x" * 8192),
}
RUN = ("--start-date", "2019-01-01", "--end-date", "2019-02-28", "--models", "naive")
COMMANDS = {
    "train": (*RUN, "--max-workers", "1", "--variables", "gdp_growth"),
    "forecast": ("forecast", *RUN[:4]),
    "report": ("report", "--rebuild", *RUN[:4]),
}


def test_a_folder_in_place_of_the_records_is_not_blamed_on_a_server(tmp_path):
    (tmp_path / "history" / "runs.db").mkdir(parents=True)
    with (
        pytest.raises(TrainingError, match="its files are no folders") as caught,
        open_instance(tmp_path),
    ):
        pass
    assert "database is running" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("storage: 3", "a value is of the wrong kind"),
        ("storage: {postgres: 3}", ""),
        (
            "run_storage: {module: no_such_module, class: Storage, config: {}}",
            "no_such_module",
        ),
    ],
)
def test_a_dagster_yaml_over_which_dagster_stumbles_is_named(tmp_path, text, said):
    (tmp_path / "dagster.yaml").write_text(text)
    with (
        pytest.raises(ConfigurationError, match=f"dagster.yaml .*{said}") as caught,
        open_instance(tmp_path),
    ):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_damaged_home_is_one_line_that_says_what_to_do(command, damage, capsys):
    home = dagster_home()
    with open_instance(home):
        pass
    DAMAGES[damage](home)
    assert main(list(COMMANDS[command])) == 1
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if "error:" in line]
    assert len(lines) == 1, said
    assert "Traceback" not in said
    assert "move the folders `history` and `schedules`" in lines[0]
    assert str(home) in lines[0]


def test_records_of_a_newer_dagster_can_be_read_or_are_one_line(tmp_path):
    home = tmp_path / "home"
    with open_instance(home):
        pass
    newer(home)
    try:
        with open_instance(home) as instance:
            assert instance.get_runs() == []
    except TrainingError as error:
        assert "move the folders" in str(error)


def test_a_home_below_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigurationError, match="cannot be used"),
        open_instance(tmp_path / "file" / "home"),
    ):
        pass


CODE = {
    "a run launcher": "run_launcher: {module: evil, class: Launcher}",
    "a class inside": "compute_logs: {config: {deep: [{class: Evil}]}}",
    "an instance": "instance_class: {module: evil, class: Instance}",
    "a log handler": "python_logs: {dagster_handler_config: {handlers: {a: {(): evil.run}}}}",
    "a format": 'python_logs: {dagster_handler_config: {format: "ext://evil.run"}}',
    "a secret for a server": "storage: {postgres: {postgres_url: {env: HOME}}}",
    "a list in itself": "a: &x [*x]",
}


@pytest.mark.parametrize("text", CODE.values(), ids=CODE)
def test_code_in_a_dagster_yaml_that_was_only_found_is_not_run(text, tmp_path, monkeypatch, capsys):
    """A stray module would write a file when it is imported."""
    (tmp_path / ".pulse").mkdir()
    (tmp_path / ".pulse" / "dagster.yaml").write_text(text)
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME")
    assert main(["--batch-limit", "1", "--max-workers", "1", "--models", "naive"]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    home = (tmp_path / ".pulse").resolve()
    assert line.startswith(f"error: {home / 'dagster.yaml'} names code or a variable (")
    assert line.endswith(f"remove it, or set DAGSTER_HOME={home} if you trust the file")
    assert not (tmp_path / "ran").exists()


def test_who_sets_the_home_may_name_classes(tmp_path, monkeypatch):
    launcher = "{module: dagster._core.launcher.default_run_launcher, class: DefaultRunLauncher}"
    (tmp_path / "dagster.yaml").write_text(f"run_launcher: {launcher}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with open_instance(dagster_home()) as instance:
        assert type(instance.run_launcher).__name__ == "DefaultRunLauncher"
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")  # of the default kind
    monkeypatch.delenv("DAGSTER_HOME")
    with open_instance(tmp_path) as instance:
        assert instance.get_runs() == []
