"""`pulse-train status`, `forecast` and `report`, and JSON for machines."""

import http.client
import json
import re
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pulse_assets.cli import commands
from pulse_assets.report.serve import report_server
from pulse_assets.run_training import main, parse_args
from pulse_assets.settings import dagster_home
from pulse_assets.storage.layout import object_path
from pulse_assets_tests.conftest import MODELS, twelve_batches, write_source

BREAKABLE = "pulse_assets_tests.own_rules:Breakable"


def words_of(settings, horizons=("1", "3")):
    """The options of a training of four batches."""
    dates = ("--start-date", "2005-01-01", "--end-date", "2005-04-30")
    where = ("--source", settings.source, "--store", settings.store, "--max-workers", "1")
    return (*dates, *where, "--horizons", *horizons)


@pytest.fixture
def pulse(settings, capsys):
    """Run `pulse-train` on the small source; return its exit code and stdout, keep stderr."""

    def pulse(*words, models=MODELS):
        code = main([*words, *words_of(settings), "--models", *models])
        said = capsys.readouterr()
        pulse.errors = said.err
        return code, said.out

    return pulse


@pytest.fixture(scope="module")
def four_batches(tmp_path_factory):
    """The store that a training leaves."""
    folder = tmp_path_factory.mktemp("four_batches")
    settings = twelve_batches(write_source(folder / "source"), folder / "store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        assert main([*words_of(settings), "--models", *MODELS]) == 0
    return folder / "store"


@pytest.fixture
def trained(four_batches, settings):
    """Let the store of the test be that of a finished training."""
    shutil.copytree(four_batches, settings.store)


def test_status_tells_done_stale_failed_and_missing_apart(pulse, source, settings, monkeypatch):
    code, out = pulse("status")
    assert (code, "4  missing  2005-01-01  2005-04-01" in out) == (1, True)

    monkeypatch.setenv("BROKEN_VALUES", "41")  # of March, from which April is predicted
    rules = ["naive", BREAKABLE]
    assert pulse("train", "--on-rule-error", "fail", models=rules)[0] == 1
    (Path(settings.store) / object_path("batch_metrics", "2005-01-31", 30)).unlink()
    line = source / "historical_line.csv"
    line.write_text(line.read_text().replace("2005-03-01,41.0", "2005-03-01,41.25"))
    code, out = pulse("status", "--json", models=rules)
    states = json.loads(out)["batches"]
    assert states["2005-01-01"] == "done"
    assert states["2005-01-31"] == "missing"
    assert states["2005-03-02"] == "stale"
    assert states["2005-04-01"] == "failed"
    assert code == 1
    monkeypatch.setenv("BROKEN_VALUES", "41.25")
    assert pulse("train", models=rules)[0] == 1  # its rule fails, and the rest is scored
    assert json.loads(pulse("status", "--json", models=rules)[1])["batches"] == {
        **dict.fromkeys(states, "done"),
        "2005-04-01": "incomplete",
    }

    now = json.loads(pulse("status", "--json")[1])
    assert set(now["batches"].values()) == {"stale"}
    assert now["skipped"] == now["skipped_variables"] == []  # those of another configuration


@pytest.mark.usefixtures("trained")
def test_status_of_a_finished_training_is_0_and_fits_80_columns(pulse):
    code, out = pulse("status")
    assert code == 0
    assert out.splitlines()[2].split() == ["4", "0", "0", "0", "0", "0", "4"]
    assert re.search(r"^made with numba \S+, numpy \S+: 4$", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 80


def test_status_and_training_name_the_outcomes_that_are_waited_for(pulse, source):
    line = source / "historical_line.csv"
    rows = line.read_text().splitlines()[1:]
    soon = datetime.now(UTC).date() + timedelta(days=300)
    later = [f"{row},{soon if row > '2005-04-01' else row[:10]}" for row in rows]
    line.write_text("\n".join(["timestamp,value,published_at", *later]) + "\n")
    waits = f"1 batch waits for outcomes: line of 2005-04-01 is expected on {soon}"
    assert pulse("train", "--batch-limit", "3")[0] == 0
    code, out = pulse("status")
    assert (code, waits in out) == (0, True)
    assert out.splitlines()[2].split() == ["3", "0", "0", "0", "0", "1", "4"]
    status = json.loads(pulse("status", "--json")[1])
    assert status["batches"]["2005-04-01"] == "waiting"
    assert status["waiting"] == {
        "2005-04-01": [
            {"variable": "line", "timestamp": "2005-04-01", "expected": str(soon)},
        ]
    }
    assert pulse("train")[0] == 0
    assert f"{waits}: computed without them now, and again by --resume\n" in pulse.errors
    assert pulse("status")[1].splitlines()[2].split() == ["4", "0", "0", "0", "0", "0", "4"]


def test_training_prints_json_for_machines(pulse):
    code, out = pulse("--json")
    assert code == 0
    results = json.loads(out)
    assert results["batches"]["total"] == 4
    performance = results["performance"]
    assert {"start", "batches", "checks", "ledger", "forecasts", "report", "end"} <= {
        *performance["phases"]
    }
    assert sum(performance["phases"].values()) == pytest.approx(performance["command_seconds"])
    assert 0 < performance["duration_seconds"] < performance["command_seconds"]
    assert performance["processor_phases"].keys() == performance["phases"].keys()
    assert performance["costs"]["batches"] == 4
    assert performance["costs"]["peak_memory_bytes"] > 2**20


@pytest.mark.usefixtures("trained")
def test_forecast_prints_the_ensemble_with_interval_and_trust(pulse, settings):
    code, out = pulse("forecast")
    assert code == 0
    rows = [line.split() for line in out.splitlines() if line.startswith(("line", "wave"))]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("line", "from", "2009-12-01"),
        ("line", "1", "2010-01-01"),
        ("line", "3", "2010-03-01"),
        ("wave", "from", "2009-12-01"),
        ("wave", "1", "2010-01-01"),
        ("wave", "3", "2010-03-01"),
    ]
    assert rows[0][3] == "69.5"
    assert rows[1][3] == "70"  # the line goes on
    assert str(Path(settings.store) / object_path("next_forecasts")) in out
    assert max(map(len, out.splitlines()[:6])) <= 80
    made = json.loads(pulse("forecast", "--json")[1])
    assert (made["left_out"], made["warnings"]) == ([], [])
    records = made["forecasts"]
    assert (records[0]["origin_date"][:10], records[0]["origin_value"]) == ("2009-12-01", 69.5)
    assert records[0]["variable"] == "line"
    assert records[0]["target_date"].startswith("2010-01-01")
    assert records[0]["lower"] <= records[0]["predicted"] <= records[0]["upper"]


@pytest.mark.usefixtures("trained")
def test_fewer_horizons_have_the_same_trust_and_forecasts(settings, capsys):
    made = []
    for horizons in (["1", "3"], ["3"]):
        words = words_of(settings, horizons)
        assert main(["forecast", "--json", *words, "--models", *MODELS]) == 0
        made.append(json.loads(capsys.readouterr().out))
    every, some = made
    assert some["warnings"] == []
    assert some["forecasts"] == [row for row in every["forecasts"] if row["horizon"] == 3]
    assert len(some["forecasts"]) == 2


def test_without_a_training_there_is_nothing_to_forecast_with(pulse, settings):
    code, _ = pulse("forecast")
    assert code == 1
    ledger = Path(settings.store) / object_path("trust_ledger")
    assert pulse.errors == (
        f"error: trust_ledger is not in the store ({ledger}: there is no such file): "
        "run pulse-train, or materialize it in Dagster\n"
    )


@pytest.mark.usefixtures("trained")
def test_a_ledger_of_an_older_version_is_refused_with_the_mend(pulse, settings):
    ledger = Path(settings.store) / object_path("trust_ledger")
    pq.write_table(pq.read_table(ledger).drop_columns("upper"), ledger)
    code, _ = pulse("forecast")
    assert code == 1
    assert pulse.errors.startswith(f"error: {ledger}: other columns than this version of")
    assert "upper is missing" in pulse.errors
    assert pulse.errors.endswith("or run pulse-train --resume over its dates\n")
    assert pulse("--resume")[0] == pulse("forecast")[0] == 0


def test_report_prints_where_the_page_is_and_can_be_rebuilt(
    pulse, settings, monkeypatch, four_batches
):
    opened = []
    monkeypatch.setattr(commands.webbrowser, "open", opened.append)
    assert pulse("report")[0] == 1  # none yet
    shutil.copytree(four_batches, settings.store)
    page = Path(settings.store) / object_path("training_report", suffix="html")
    before = page.read_bytes()
    assert pulse("report") == (0, f"{page}\n")
    page.unlink()
    assert pulse("report", "--rebuild") == (0, f"{page}\n")
    assert len(page.read_bytes()) == pytest.approx(len(before), rel=0.05)
    assert opened == []  # nobody sits at a pipe
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    pulse("report")
    assert opened == [page.as_uri()]


def test_a_report_that_is_no_file_is_copied_to_be_opened(tmp_path, monkeypatch, capsys):
    """As one in a bucket, which the tests of the store reach over HTTP."""
    page = Path(object_path("training_report", suffix="html"))

    class Bucket:
        def read(self, path):
            assert path == str(page)
            return b"page"

    monkeypatch.setattr(commands, "open_store", lambda *_: Bucket())
    assert main(["report", "--store", "s3://bucket/results"]) == 0
    copy = Path(capsys.readouterr().out.strip())
    assert copy == dagster_home() / "training_report.html"
    assert copy.read_bytes() == b"page"


def ask(server, path="/", host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_report_is_served_to_this_machine_alone(tmp_path):
    store = commands.open_store(str(tmp_path))
    server = report_server(0, lambda: store.read("a.html"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert ask(server)[0] == 404
        store.write("a.html", b"page")
        assert ask(server) == (200, b"page")
        assert ask(server, "/a.html")[0] == 404
        assert ask(server, host="evil.example:80")[0] == 403
    finally:
        server.shutdown()
        server.server_close()


def test_a_port_that_is_taken_is_told(settings, capsys):
    with report_server(0, lambda: b"") as other:
        port = str(other.server_port)
        assert main(["report", "--serve", port, "--store", settings.store]) == 1
    assert f"--serve {port}: " in capsys.readouterr().err


def refusal(capsys, *words):
    with pytest.raises(SystemExit) as stopped:
        parse_args(words)
    assert stopped.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_options_belong_to_their_command(capsys):
    assert parse_args(["report", "--rebuild"]).rebuild
    assert "--rebuild" in refusal(capsys, "--rebuild")
    assert "--rebuild" in refusal(capsys, "status", "--rebuild")
    assert "--json" in refusal(capsys, "report", "--json")
    assert "report has no option --json" in refusal(capsys, "--json", "report")


def test_an_unknown_command_is_refused_with_the_nearest_one(capsys):
    assert refusal(capsys, "forcast") == (
        "error: unknown command 'forcast': did you mean forecast? The commands are train, check, "
        "status, forecast, export, compare, clean, report; see pulse-train --help"
    )
    assert "did you mean" not in refusal(capsys, "publish")


def test_options_before_and_after_the_command_add_up():
    both = parse_args(["--start-date", "2001-01-01", "status", "--store", "b"])
    assert (both.command, both.store, both.start_date) == ("status", "b", "2001-01-01")
    assert parse_args(["--json", "status"]).json
    assert parse_args(["--models", "naive", "--store", "a", "forecast"]).command == "forecast"
    assert parse_args(["train", "--resume"]) == parse_args(["--resume"])


@pytest.mark.parametrize("between", [[], ["--store", "a", "check"]])
def test_a_mapping_that_is_given_again_adds_up(between):
    given = parse_args(["--calendar", "a=US", *between, "--calendar", "b=US", "c=US"])
    assert given.calendar == ["a=US", "b=US", "c=US"]


def test_an_option_that_is_given_again_with_the_same_value_counts_once():
    given = parse_args(["--models", "ses", "--store", "a", "check", "--store", "a"])
    assert (given.store, given.models) == ("a", ["ses"])


@pytest.mark.parametrize("between", [[], ["check"]])
@pytest.mark.parametrize(
    ("option", "before", "after"),
    [
        ("--store", ["a"], ["b"]),
        ("--start-date", ["2001-01-01"], ["2002-01-01"]),
        ("--models", ["ses", "naive"], ["naive"]),
        ("--config", ["a"], ["b"]),
        ("--s3-data-bucket", ["a"], ["b"]),
    ],
)
def test_an_option_with_two_values_is_refused(capsys, option, before, after, between):
    """Only one could count, and nobody would say which."""
    with pytest.raises(SystemExit) as stopped:
        parse_args([option, *before, "--resume", *between, option, *after])
    assert stopped.value.code == 1
    line = f"error: {option} is given twice, {' '.join(before)} and {' '.join(after)}: keep one"
    assert capsys.readouterr().err.startswith(line)


def help_of(capsys, *words):
    with pytest.raises(SystemExit) as stopped:
        parse_args([*words, "--help"])
    assert stopped.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ["status", "forecast", "report"])
def test_help_of_a_command_shows_its_own_options_alone(capsys, command):
    out = help_of(capsys, command)
    assert out.startswith(f"usage: pulse-train {command} [options]")
    for option in ("--store", "--models", "--config", "--log-level"):
        assert f"  {option} " in out
    for option in ("--max-workers", "--resume", "--output-file", "--dask-scheduler-address"):
        assert option not in out
    assert ("  --json" in out) == (command != "report")
    assert ("  --rebuild" in out) == (command == "report")
    assert parse_args([command, "--max-workers", "2"]).max_workers == "2"  # accepted, unused


def test_help_of_train_is_that_of_the_program(capsys):
    program, train = help_of(capsys), help_of(capsys, "train")
    first, *options = re.findall(r"^  --\S+", program, re.MULTILINE)
    assert first == "  --version"
    assert re.findall(r"^  --\S+", train, re.MULTILINE) == options
    assert len(options) > 40


def test_help_names_the_commands_and_groups_the_options(capsys):
    with pytest.raises(SystemExit):
        parse_args(["--help"])
    out = capsys.readouterr().out
    for word in (
        "check",
        "status",
        "forecast",
        "report",
        "what to predict:",
        "where to compute:",
        "S3:",
    ):
        assert word in out
    assert max(map(len, out.splitlines())) <= 92
