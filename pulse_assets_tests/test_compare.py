"""`pulse-train compare`: two stores, and what it says when they cannot be compared."""

import json

import pytest

from pulse_assets.cli.compare import LISTED_VARIABLES, print_comparison
from pulse_assets.run_training import main
from pulse_assets.stages.training_comparison import TrainingDifference, VariableDifference
from pulse_assets_tests.conftest import write_source
from pulse_assets_tests.test_terminal import plain_console, printed


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Two trainings on the same batches, with other rules, and one on other batches."""
    folder = tmp_path_factory.mktemp("compare")
    source = write_source(folder / "source")
    shared = ("--source", source, "--start-date", "2004-01-01", "--end-date", "2008-12-31")
    shared = (*shared, "--horizons", "1", "3", "--max-workers", "1")
    variants = {
        "a": ("--models", "naive"),
        "b": ("--models", "naive", "seasonal_naive", "drift"),
        "c": ("--models", "naive", "--batch-size-days", "90"),
    }
    for name, words in variants.items():
        arguments = [*shared, "--store", folder / name, *words]
        assert main([str(word) for word in arguments]) == 0
    return folder


def run(capsys, *words):
    capsys.readouterr()
    code = main(["compare", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_two_configurations_are_compared(stores, capsys):
    code, out, err = run(capsys, stores / "a", stores / "b")
    assert (code, err) == (0, "")
    assert "models: only in B: drift, seasonal_naive" in " ".join(out.split())
    text = " ".join(out.split())
    assert "over 2 variables the errors of ensemble are" in text
    assert "smaller in B" in text  # a line and a wave of period 12: both have their rule
    # Of the line all errors are gone, so that there is no variance to judge the gain by.
    assert "smaller on 1, larger on 0" in text
    assert len(out.splitlines()) <= 30


def test_json_has_every_variable(stores, capsys):
    code, out, _ = run(capsys, stores / "b", stores / "a", "--json")
    found = json.loads(out)
    assert code == 0
    assert {row["variable"]: row["direction"] for row in found["variables"]} == {
        "line": None,
        "wave": "worse",
    }
    assert found["settings"]["models"] == [["drift", "naive", "seasonal_naive"], ["naive"]]


def test_one_rule_is_compared(stores, capsys):
    code, out, _ = run(capsys, stores / "a", stores / "b", "--model", "naive", "--json")
    assert code == 0
    found = json.loads(out)
    assert {row["error"] for row in found["variables"]} == {0.0}
    assert found["other_data"] == []


def test_a_training_equals_itself(stores, capsys):
    code, out, _ = run(capsys, stores / "a", stores / "a")
    assert code == 0
    assert "settings that differ" not in out
    assert "are equal in B" in " ".join(out.split())


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (("a", "c"), ["no batch of a variable in common", "--batch-size-days"]),
        (("a", "nothing"), ["holds no results"]),
        (("a", "b", "--model", "drift"), ["drift", "ensemble"]),
        (("a",), ["STORE"]),
    ],
)
def test_bad_input_is_one_line(stores, capsys, monkeypatch, words, texts):
    monkeypatch.chdir(stores)
    try:
        code, out, err = run(capsys, *words)
    except SystemExit as stopped:
        code, (out, err) = stopped.code, capsys.readouterr()
    (line,) = err.splitlines()
    assert (code, out) == (1, "")
    assert all(text in line for text in texts), line


def test_of_500_variables_the_largest_changes_are_shown_in_30_lines():
    rows = [
        VariableDifference(f"v{i:03}", 10, (i - 250) / 1000, 0.0, 0.5, None) for i in range(500)
    ]
    difference = TrainingDifference(402, rows, 0.0, 0.0, ["x"] * 9, ["y"] * 9, 7, ["z"] * 9)
    settings = {f"s{i}": ("a" * 200, "b") for i in range(20)}
    console = plain_console()
    print_comparison("ensemble", ["first", "second"], difference, settings, console)
    lines = printed(console).splitlines()
    assert len(lines) <= 30
    assert sum(line.startswith("v") and line[1:4].isdigit() for line in lines) == LISTED_VARIABLES
    assert "and 490 more" in printed(console)
