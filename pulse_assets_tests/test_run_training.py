"""The command line: what it accepts, what it prints where, and how it says no."""

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from distributed.comm import CommClosedError
from psycopg2 import OperationalError, ProgrammingError
from psycopg2.errors import AdminShutdown

import pulse_assets
from pulse_assets.errors import ConfigurationError
from pulse_assets.run_training import create_config_from_args, main, parse_args, setup_logging
from pulse_assets.settings import TrainingConfig, dagster_home
from pulse_assets_tests.conftest import stored

BREAKABLE = "pulse_assets_tests.own_rules:Breakable"
FAIL = ("--on-rule-error", "fail")

#: Every option of the older script that the command keeps.
KEPT_OPTIONS = [
    *("variables", "start-date", "end-date", "batch-size-days", "batch-limit", "max-workers"),
    *("aws-region", "s3-data-bucket", "s3-data-prefix", "s3-results-bucket", "s3-results-prefix"),
    *("use-dask", "dask-scheduler-address", "dask-dashboard-port", "dask-threads-per-worker"),
    *("output-file", "s3-output-file", "log-level", "log-dir"),
]
NEW_OPTIONS = [
    *("store", "source", "models", "horizons", "history-days", "max-failed-batches", "resume"),
    *("config", "max-source-bytes"),
]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch, capsys):
    """Run `pulse-train` in this process; Python's path and logging are put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    # However busy the machine is, an error in the input comes instead of the first line.
    monkeypatch.setattr("pulse_assets.cli.train.FIRST_LINE_AFTER", 600.0)

    def run(*arguments):
        monkeypatch.setattr(sys, "path", [*sys.path])
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = stopped.code
        return Ran(code, *capsys.readouterr())

    yield run
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def with_options(words, *others):
    """Return a command line with other options, instead of its own of the same name."""
    given, kept = {word for word in others if str(word).startswith("--")}, []
    option = ""
    for word in words:
        option = word if str(word).startswith("--") else option
        if option not in given:
            kept.append(word)
    return (*kept, *others)


@pytest.fixture
def small(source, tmp_path):
    """Options of a training of twelve batches that takes a second."""
    return (
        *("--source", source, "--store", tmp_path / "store", "--models", "naive", "drift"),
        *("--start-date", "2005-01-01", "--end-date", "2005-12-26", "--horizons", "1"),
        *("--max-workers", "1"),
    )


def config_of(*arguments, environment=None):
    return create_config_from_args(parse_args([*map(str, arguments)]), environment or {})


# What it prints, and where


def test_a_training_prints_its_summary_on_stdout_and_progress_on_stderr(command, small, tmp_path):
    ran = command(*small)
    assert ran.code == 0
    assert re.search(r"^ +11 +1 +0 +100\.0 %", ran.out, re.MULTILINE)  # completed skipped failed
    assert re.search(r"^line +\d\.\d\d \(", ran.out, re.MULTILINE)
    assert re.search(r"^wave +\d\.\d\d \(", ran.out, re.MULTILINE)
    for name, file in (("results", "training_results.json"), ("report", "training_report.html")):
        (path,) = re.findall(rf"^{name}: (.*)$", ran.out, re.MULTILINE)
        assert path == str(tmp_path / "store" / Path(file).stem / file)
        assert Path(path).is_file()
    assert re.search(r" start \d+\.\d s, batches \d.*, end \d+\.\d s ", " ".join(ran.out.split()))
    first, second, third, *others = ran.err.splitlines()
    assert first == "12 batches of 2 variables; computing in this process"
    assert second == "source: 2 monthly series in 2 files, 2000-01-01 to 2009-12-01"
    assert third == "publication: 2 series assumed (0 days after the period)"
    progress = [line for line in others if not line.endswith(" ...")]  # phases that took long
    assert all(line.startswith("batches ") for line in progress)
    assert progress[-1].startswith("batches 12/12, 0 failed, 1 skipped")


def test_failed_batches_are_named_and_exit_with_1(command, small, monkeypatch):
    monkeypatch.setenv("BROKEN_VALUES", "45 46.5")  # line in October and January
    words = with_options(small, "--variables", "line", "--models", "naive", BREAKABLE, *FAIL)
    ran = command(*words)
    assert ran.code == 1
    assert re.search(r"^ +10 +1 +1 +90\.9 %", ran.out, re.MULTILINE)
    assert "2005-11-27  RuleError" in ran.out
    last = ran.err.splitlines()[-1]
    assert last.startswith("error: 1 batch failed: 2005-11-27 (RuleError: ")
    assert "no forecast from 45" in last
    assert "Traceback" not in ran.err


def test_allowed_failures_exit_with_0(command, small, monkeypatch):
    monkeypatch.setenv("BROKEN_VALUES", "45")
    broken = with_options(small, "--variables", "line", "--models", "naive", BREAKABLE, *FAIL)
    assert command(*broken, "--max-failed-batches", "1").code == 0
    assert command(*broken, "--max-failed-batches", "0").code == 1


def test_resume_leaves_finished_batches_unchanged(command, small, tmp_path):
    few = (*small, "--batch-limit", "4")
    command(*few)
    before = stored(tmp_path / "store")
    ran = command(*few, "--resume")
    assert ran.code == 0
    assert "4 unchanged" in ran.err
    assert stored(tmp_path / "store") == before


def test_a_copy_of_the_results_is_written(command, small, tmp_path):
    copy = tmp_path / "copies" / "results.json"
    assert command(*small, "--batch-limit", "1", "--output-file", copy).code == 0
    original = tmp_path / "store" / "training_results" / "training_results.json"
    assert json.loads(copy.read_text()) == json.loads(original.read_text())


def test_the_log_file_has_the_lines_of_the_run_and_the_screen_has_not(command, small, tmp_path):
    ran = command(*small, "--batch-limit", "3", "--log-dir", tmp_path / "new" / "logs")
    lines = (tmp_path / "new" / "logs" / "pulse-train.log").read_text()
    assert "3 of 3 batches (2 completed, 1 skipped)" in lines
    assert "3 of 3" not in ran.err


def test_the_environment_names_a_log_directory(command, small, tmp_path, monkeypatch):
    monkeypatch.setenv("LOG_DIR", str(tmp_path / "logs"))
    command(*small, "--batch-limit", "1")
    assert "1 of 1 batches" in (tmp_path / "logs" / "pulse-train.log").read_text()


def test_log_level_info_shows_the_lines_of_the_run(command, small):
    ran = command(*small, "--batch-limit", "3", "--log-level", "info")
    assert "INFO pulse_assets.run: " in ran.err
    assert "3 of 3 batches (2 completed, 1 skipped)" in ran.err
    assert "INFO" not in ran.out


def test_an_unknown_log_level_in_the_environment_is_one_line(command, small, monkeypatch):
    monkeypatch.setenv("LOG_LEVEL", "loud")
    ran = command(*small)
    assert ran.code == 1
    (line,) = ran.err.splitlines()
    assert line.startswith("error: ")
    assert "LOUD" in line.upper()
    assert "WARNING" in line


@pytest.fixture(scope="module")
def help_texts():
    """The help text of each option."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "1000")
        shown = subprocess.run(
            [sys.executable, "-m", "pulse_assets.run_training", "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return dict(re.findall(r"^  --([a-z0-9-]+)[^\n]*?(?:  |\n +)(\S.*)$", shown, re.MULTILINE))


@pytest.mark.parametrize("option", [*KEPT_OPTIONS, *NEW_OPTIONS])
def test_help_explains_every_option(help_texts, option):
    assert len(help_texts[option]) > 15


@pytest.mark.parametrize(
    ("option", "default"),
    [
        ("start-date", "1990-01-01"),
        ("end-date", "2022-12-31"),
        ("batch-size-days", "30"),
        ("batch-limit", "all"),
        ("variables", "every one"),
        ("horizons", "1 2 3 6 12"),
        ("models", "naive, seasonal_naive, mean"),
        ("history-days", "7305"),
        ("max-failed-batches", "0"),
        ("max-workers", "default:"),
        ("dask-threads-per-worker", "1"),
        ("dask-dashboard-port", "no dashboard"),
        ("source", "sample"),
        ("max-source-bytes", "20,000,000 of one variable"),
        ("store", "DAGSTER_HOME"),
        ("s3-data-bucket", "S3_DATA_BUCKET"),
        ("s3-results-bucket", "S3_RESULTS_BUCKET"),
        ("log-level", "WARNING"),
        ("log-dir", "LOG_DIR"),
    ],
)
def test_help_names_the_default(help_texts, option, default):
    text = help_texts[option]
    assert "default:" in text
    assert default in text.partition("default:")[2] or default == "default:"


@pytest.mark.slow
def test_the_file_is_a_script_too(small, tmp_path):
    """Its workers import it again; rules of the working directory can be named all the same."""
    (tmp_path / "rules_of_the_script.py").write_text(
        "class Zero:\n"
        "    name = 'zero'\n"
        "    def fit_predict(self, y_past, horizons):\n"
        "        return [0.0] * len(horizons)\n"
    )
    script = Path(pulse_assets.__file__).with_name("run_training.py")
    models = ("--models", "naive", "rules_of_the_script:Zero")
    arguments = map(str, with_options(small, *models, "--max-workers", "2"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [sys.executable, script, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr
    assert "batches 12/12, 0 failed, 1 skipped" in ran.stderr


@pytest.mark.slow
def test_the_console_script_keeps_stdout_and_stderr_apart(small, tmp_path):
    script = Path(sys.executable).with_name("pulse-train")
    arguments = map(str, with_options(small, "--batch-limit", "3", "--max-workers", "2"))
    ran = subprocess.run([script, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[-1].startswith("report: ")
    lines = [line for line in ran.stderr.splitlines() if not line.endswith(" ...")]
    first, source, publication, line = lines  # no warning, no line of Dask's or Dagster's
    assert first == "3 batches of 2 variables; starting 2 workers"
    assert source.startswith("source: 2 ")
    assert publication.startswith("publication: 2 ")
    assert line.startswith("batches 3/3, 0 failed, 1 skipped")


def test_the_console_script_says_no_without_a_traceback(tmp_path):
    script = Path(sys.executable).with_name("pulse-train")
    ran = subprocess.run(
        [script, "--batch-size-days", "0"], capture_output=True, text=True, cwd=tmp_path
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: batch_size_days = '0'")
    assert list(tmp_path.iterdir()) == []


def test_rules_of_the_working_directory_can_be_named(command, small, tmp_path, monkeypatch):
    (tmp_path / "rules_of_this_directory.py").write_text(
        "class Zero:\n"
        "    name = 'zero'\n"
        "    def fit_predict(self, y_past, horizons):\n"
        "        return [0.0] * len(horizons)\n"
    )
    monkeypatch.chdir(tmp_path)
    zero = ("--models", "naive", "rules_of_this_directory:Zero", "--batch-limit", "1")
    ran = command(*with_options(small, *zero))
    assert ran.code == 0
    models = json.loads((tmp_path / "store/training_results/training_results.json").read_text())
    assert "zero" in {row["model"] for row in models["models"]}


# How it says no


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["--variables", ""], ["variables = []", "at least one"]),
        (["--variables", ","], ["variables = []", "at least one"]),
        (["--variables"], ["--variables", "--help"]),
        (["--variables", "lime"], ["'lime'", "did you mean 'line'", "line, wave"]),
        (["--variables", "line", "gdp"], ["'gdp'", "line, wave"]),
        (["--variables", "line,line"], ["variables", "twice"]),
        (["--variables", "line", "--variables", "wave"], ["--variables is given twice, line and"]),
        (
            ["--horizons", "1", "--horizons", "2", "3"],
            ["--horizons is given twice, 1 and 2 3: keep"],
        ),
        (["--batch-limit", "2", "--batch-limit=3"], ["--batch-limit is given twice, 2 and 3"]),
        (["--batch-limit", "2", "status", "--batch-limit", "3"], ["is given twice, 2 and 3"]),
        (["report", "--serve", "1", "--serve", "2"], ["--serve is given twice, 1 and 2: keep one"]),
        (["--variables", "../x"], ["'../x'", "A-Z a-z 0-9"]),
        (["--variables", "a/b"], ["'a/b'", "A-Z a-z 0-9"]),
        (["--variables", "/etc/passwd"], ["'/etc/passwd'", "A-Z a-z 0-9"]),
        (["--variables", "a\nb"], [r"'a\nb'", "without line breaks"]),
        (["--variables", "a\0b"], [r"'a\x00b'", "control characters"]),
        (["--variables", "\x1b[31mred"], [r"'\x1b[31mred'"]),
        (["--variables", "[bold]x"], ["'[bold]x'"]),
        (["--variables", "n" * 300], ["n" * 100, "1 to 100"]),
        (["--variables", "l\N{CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I}ne"], ["A-Z a-z 0-9"]),
        (["--start-date", "2005-13-01"], ["start_date = '2005-13-01'", "date like 2020-01-31"]),
        (["--end-date", "soon"], ["end_date = 'soon'", "date like 2020-01-31"]),
        (["--start-date", "2005-01-01T10:00"], ["start_date = '2005-01-01T10:00'", "time of day"]),
        (["--end-date", "2004-12-31"], ["2004-12-31", "2005-01-01", "swap"]),
        (["--batch-size-days", "0"], ["batch_size_days = '0'", "at least 1"]),
        (["--batch-size-days", "-5"], ["batch_size_days = '-5'", "at least 1"]),
        (["--batch-size-days", "x"], ["batch_size_days = 'x'", "whole number"]),
        (["--batch-size-days", "1.5"], ["batch_size_days = '1.5'", "whole number"]),
        (["--batch-size-days", "9" * 20], ["batch_size_days"]),
        (["--batch-size-days", "999999999"], ["batch_size_days"]),
        (["--history-days", "9" * 11], ["history_days"]),
        (["--batch-limit", "0"], ["batch_limit = '0'", "at least 1"]),
        (["--max-workers", "0"], ["max_workers = '0'", "at least 1"]),
        (["--horizons", "0"], ["horizons", "below 1"]),
        (["--horizons", "one"], ["horizons", "whole number"]),
        (["--interval-level", "90"], ["interval_level = '90'", "less than 1"]),
        (["--ensemble", "best"], ["ensemble = 'best'", "dmsfe", "boa"]),
        (["--publication-lag-days", "lime=3"], ["--publication-lag-days: 'lime'", "line, wave"]),
        (["--publication-lag-days", "-1"], ["'-1'", "0 to 3650"]),
        (["--publication-lag-days", "line=-1"], ["{'line': '-1'}", "0 to 3650"]),
        (["--publication-lag-days", "soon"], ["'soon'", "whole number"]),
        (["--publication-lag-days", "line=soon"], ["'soon'", "whole number"]),
        (["--publication-lag-days", "1.5"], ["'1.5'", "whole number"]),
        (["--publication-lag-days", "line="], ["line=: write VARIABLE=DAYS", "one number for all"]),
        (["--publication-lag-days", "3", "4"], ["gives all variables both 3 and 4"]),
        (["--publication-lag-days", "line=1,line=2"], ["gives line both 1 and 2"]),
        (["--score-against", "0"], ["score_against = '0'", "first, latest or the number"]),
        (["--score-against", "zeroth"], ["score_against = 'zeroth'", "such as 3"]),
        (["--score-against", "1.5"], ["score_against = '1.5'", "such as 3"]),
        (["--models", "naiv"], ["'naiv'", "Did you mean 'naive'", "seasonal_naive"]),
        (["--models", "no.such:Rule"], ["no.such"]),
        (["--models", "pulse_assets_tests.own_rules:Missing"], ["Missing"]),
        (["--dask-scheduler-address", "tcp://a:1"], ["tcp://a:1", "--use-dask"]),
        (["--dask-dashboard-port", "70000"], ["dask_dashboard_port = '70000'", "65535"]),
        (["--dask-memory-limit", "0GiB"], ["dask_memory_limit = '0GiB'"]),
        (["--store", "/dev/null/store"], ["/dev/null/store", "cannot be written"]),
        (["--store", "ftp://host/x"], ["ftp://host/x", "s3://bucket"]),
        (["--output-file", "/dev/null/x.json"], ["output_file /dev/null/x.json: cannot be wri"]),
        (["--output-file", "/"], ["/"]),
        (["--s3-output-file", "bucket/key"], ["s3_output_file = 'bucket/key'", "s3://"]),
        (["--s3-data-prefix", "p"], ["--s3-data-prefix p", "--s3-data-bucket"]),
        (["--s3-data-bucket", "b"], ["--source", "--s3-data-bucket b", "one of them"]),
        (["--s3-results-bucket", "b"], ["--store", "--s3-results-bucket b", "one of them"]),
        (["--log-level", "loud"], ["log_level = 'LOUD'", "WARNING", "LOG_LEVEL"]),
        (["--log-dir", "/dev/null/logs"], ["/dev/null/logs", "cannot be written"]),
        (["--config", "/no/such.yaml"], ["/no/such.yaml", "No such file"]),
        (["--batch-siz", "3"], ["--batch-siz", "did you mean --batch-size-days?", "--help"]),
        (["--no-such-option"], ["--no-such-option", "--help"]),
        (
            ["stray"],
            [
                "unknown command 'stray'",
                "forecast, export, compare, clean, report",
                "--help",
            ],
        ),
        (["staus"], ["unknown command 'staus'", "did you mean status?", "--help"]),
    ],
    ids=lambda value: " ".join(value)[:40] if value and value[0].startswith("--") else "",
)
def test_bad_input_is_one_line_and_nothing_is_written(command, small, tmp_path, arguments, texts):
    ran = command(*with_options(small, *arguments))
    assert_refused(ran, texts, tmp_path)


def assert_refused(ran, texts, tmp_path):
    assert ran.code == 1
    assert ran.out == ""
    (line,) = ran.err.splitlines()
    assert line.startswith("error: ")
    assert line.isprintable()
    for text in texts:
        assert text in line
    assert not (tmp_path / "store").exists()
    assert not dagster_home().exists()


def test_an_unreachable_scheduler_is_named(command, small, tmp_path, monkeypatch):
    monkeypatch.setattr("pulse_assets.execution.cluster.CONNECT_SECONDS", 1)
    address = "tcp://127.0.0.1:9"
    ran = command(*small, "--use-dask", "--dask-scheduler-address", address)
    first, _, _, error = ran.err.splitlines(keepends=True)
    assert first == f"12 batches of 2 variables; joining the Dask scheduler {address}\n"
    assert_refused(ran._replace(err=error), [address, "no Dask scheduler answers"], tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("historical_line.csv", b"timestamp,value\n2005-01-01,much\n", ["line 2", "'much'"]),
        ("historical_line.csv", b"timestamp,value\n2005-01-32,1\n", ["line 2", "2005-01-32"]),
        ("historical_line.csv", b"date,value\n2005-01-01,1\n", ["timestamp"]),
        ("historical_line.csv", b"", ["it is empty"]),
        ("panel.csv", b"unique_id;ds;y\nx;2005-01-01;1\n", ["by commas, not ';'"]),
        ("historical_more.parquet", b"PAR1 and then nothing", []),
        ("historical_more.json", b"{", []),
    ],
)
def test_a_bad_source_file_is_named(command, small, source, tmp_path, name, content, texts):
    (source / name).write_bytes(content)
    assert_refused(command(*small), [str(source / name), *texts], tmp_path)


@pytest.mark.parametrize("place", ["missing", "source/historical_lime.csv", "empty"])
def test_a_source_without_series_is_named(command, small, tmp_path, place):
    (tmp_path / "empty").mkdir()
    ran = command(*small, "--source", tmp_path / place)
    assert_refused(ran, [str(tmp_path / place)], tmp_path)


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"", ["holds no settings", "batch_size_days: 7"]),
        (b"- 1\n- 2\n", ["holds no settings"]),
        (b"1: 2\n", ["holds no settings"]),
        (b"a: [1\n", ["cannot be read"]),
        (b"\xff\xfe\x00", ["cannot be read"]),
        (b"!!python/object/apply:os.system ['true']\n", ["cannot be read"]),
        (b"batchsize: 3\n", ["'batchsize'", "batch_size_days"]),
        (b"batch_size_days: soon\n", ["batch_size_days = 'soon'", "whole number"]),
        (b"variables: []\n", ["variables = []", "at least one"]),
        (b"variables: ['a/b']\n", ["'a/b'"]),
        (b"variables:\n", ["variables"]),
    ],
)
def test_a_bad_file_of_settings_is_explained(command, small, tmp_path, content, texts):
    file = tmp_path / "settings.yaml"
    file.write_bytes(content)
    if content == b"variables:\n":  # no value is the default, all variables
        assert config_of("--config", file).variables is None
    else:
        assert_refused(command(*small, "--config", file), texts, tmp_path)


# What it makes of options, file and environment


def test_nothing_given_means_the_defaults():
    assert config_of() == TrainingConfig()


def test_an_option_wins_over_the_file_and_that_over_the_environment(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("batch_size_days: 7\nend_date: 2007-01-01\nmodels: [ses]\n")
    environment = {
        "PULSE_BATCH_SIZE_DAYS": "11",
        "PULSE_END_DATE": "2011-01-01",
        "PULSE_START_DATE": "2001-01-01",
        "AWS_REGION": "eu-west-1",
    }
    config = config_of("--config", file, "--end-date", "2020-01-01", environment=environment)
    assert str(config.end_date) == "2020-01-01"  # the option
    assert config.batch_size_days == 7  # the file
    assert config.models == ["ses"]
    assert str(config.start_date) == "2001-01-01"  # the environment
    assert config.aws_region == "eu-west-1"
    assert config.history_days == 7305  # the default


#: What concerns the UI alone.
NO_OPTIONS = {"max_batches_per_run", "code_url", "report_url"}


def test_every_field_but_three_is_an_option():
    options = set(vars(parse_args(every_option())))
    assert set(TrainingConfig.model_fields) - NO_OPTIONS <= options


def every_option():
    switches = {"resume", "use_dask", "s3_requester_pays"}
    fields = sorted(set(TrainingConfig.model_fields) - NO_OPTIONS)
    flags = {name: f"--{name.replace('_', '-')}" for name in fields}
    return [
        part for name in fields for part in ([flags[name]] + ([] if name in switches else ["1"]))
    ]


def test_frequencies_are_set_in_the_file(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("frequencies: {line: monthly}\nuse_dask: true\n")
    config = config_of("--config", file)
    assert config.frequencies == {"line": "monthly"}
    assert config.use_dask


@pytest.mark.parametrize(
    "given", [["a=weekly", "b.c=monthly"], ["a=weekly,b.c=monthly"], ["a = weekly", "b.c=monthly,"]]
)
def test_frequencies_are_pairs(given):
    assert config_of("--frequencies", *given).frequencies == {"a": "weekly", "b.c": "monthly"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["gdp"], "--frequencies gdp: write VARIABLE=FREQUENCY, like gdp=quarterly"),
        (["gdp="], "--frequencies gdp=: write VARIABLE=FREQUENCY"),
        (["=monthly"], "--frequencies =monthly: write VARIABLE=FREQUENCY"),
        (["a=weekly", "a=monthly"], "--frequencies gives a both weekly and monthly: keep one"),
        (["a=montly"], "frequency 'montly' is unknown, did you mean 'monthly'"),
    ],
)
def test_a_frequency_that_is_no_pair_is_refused(given, message):
    with pytest.raises(ConfigurationError, match=message):
        config_of("--frequencies", *given)


def test_a_calendar_that_is_no_pair_is_refused():
    with pytest.raises(ConfigurationError, match="write VARIABLE=CALENDAR, like spx_close=NYSE"):
        config_of("--calendar", "NYSE")


@pytest.mark.parametrize(
    "given", [["b,a"], ["b", "a"], ["b,", "a"], ["b,a,"]], ids=lambda given: " ".join(given)
)
def test_lists_are_written_with_commas_or_spaces(given):
    assert config_of("--variables", *given).variables == ["a", "b"]


def test_horizons_are_numbers_in_order():
    assert config_of("--horizons", "12,1", "3").horizons == [1, 3, 12]


@pytest.mark.parametrize(
    ("arguments", "environment", "source", "store"),
    [
        (["--s3-data-bucket", "in"], {}, "s3://in", None),
        (["--s3-data-bucket", "in", "--s3-data-prefix", "a/b"], {}, "s3://in/a/b", None),
        (["--s3-data-bucket", "in", "--s3-data-prefix", "a/"], {}, "s3://in/a", None),
        (["--s3-results-bucket", "out", "--s3-results-prefix", "p"], {}, None, "s3://out/p"),
        ([], {"S3_DATA_BUCKET": "in", "S3_RESULTS_BUCKET": "out"}, "s3://in", "s3://out"),
        (["--s3-data-bucket", "mine"], {"S3_DATA_BUCKET": "in"}, "s3://mine", None),
        (["--source", "sample"], {"S3_DATA_BUCKET": "in"}, "sample", None),
        (["--s3-data-bucket", "in"], {"PULSE_SOURCE": "s3://other"}, "s3://in", None),
        (["--s3-data-prefix", "p"], {"S3_DATA_BUCKET": "in"}, "s3://in/p", None),
        (["--s3-results-prefix", "p"], {"S3_RESULTS_BUCKET": "out"}, None, "s3://out/p"),
        ([], {"S3_DATA_BUCKET": "in", "PULSE_SOURCE": "s3://ours"}, "s3://ours", None),
    ],
)
def test_buckets_become_addresses(arguments, environment, source, store):
    config = config_of(*arguments, environment=environment)
    assert config.source == (source or "sample")
    assert config.store == (store or TrainingConfig().store)


def test_an_error_of_the_environment_is_explained():
    with pytest.raises(ConfigurationError, match="batch_size_days = 'many' must be a whole number"):
        config_of(environment={"PULSE_BATCH_SIZE_DAYS": "many"})


def test_no_traceback_of_an_interrupt_is_logged(capsys):
    """SQLAlchemy logs an interrupt that comes while it closes a connection."""
    setup_logging(TrainingConfig())
    for error in (KeyboardInterrupt(), ValueError("shown")):
        try:
            raise error
        except BaseException:
            logging.getLogger("sqlalchemy.pool").exception("closing")
    err = capsys.readouterr().err
    assert "KeyboardInterrupt" not in err
    assert "ValueError: shown" in err


@pytest.mark.parametrize(("level", "shown"), [("WARNING", 0), ("INFO", 1)])
@pytest.mark.parametrize(
    ("logger", "error"),
    [
        ("distributed.scheduler", CommClosedError("ended")),
        ("sqlalchemy.pool.impl.QueuePool", OperationalError("ended")),
        ("sqlalchemy.pool.impl.QueuePool", AdminShutdown("AdminError: ended")),
    ],
)
def test_a_connection_that_ends_is_reported_by_the_command(
    logger, error, level, shown, capsys, tmp_path, monkeypatch
):
    """Dask logs one that ends while it writes, SQLAlchemy one that ends in use."""
    # Dask keeps its lines to itself if it is imported before a command sets up its log.
    monkeypatch.setattr(logging.getLogger("distributed"), "propagate", True)
    setup_logging(TrainingConfig(log_level=level, log_dir=tmp_path))
    try:
        raise error
    except type(error):
        logging.getLogger(logger).critical("writing", exc_info=True)
    try:
        raise ProgrammingError("no such column")
    except ProgrammingError:
        logging.getLogger(logger).exception("another fault")
    err = capsys.readouterr().err
    assert err.count("Error: ended") == shown
    assert "ProgrammingError: no such column" in err
    assert "Error: ended" in (tmp_path / "pulse-train.log").read_text()
