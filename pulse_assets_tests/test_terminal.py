import io
import re

import pytest
from rich.console import Console

from pulse_assets.cli.progress import TrainingProgress
from pulse_assets.cli.terminal import print_error, print_forecasts, print_summary
from pulse_assets_tests.report.made import make_pairs, make_results


def plain_console(width=80):
    return Console(file=io.StringIO(), width=width)


def live_console():
    return Console(file=io.StringIO(), width=100, force_terminal=True, _environ={"TERM": "xterm"})


def printed(console):
    return console.file.getvalue()


@pytest.fixture(scope="module")
def results():
    return make_results(make_pairs())


def summary(results, width=80, paths=None):
    console = plain_console(width)
    print_summary(results, {} if paths is None else paths, console)
    return printed(console)


def test_progress_and_errors_go_to_stderr(capsys):
    with TrainingProgress() as progress:
        progress.start(total=1)
        progress.update("completed", "2020-01-01")
        progress.end_block()
    print_error("bad [value]\x1b[31m; write a date")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "batches 1/1, 0 failed, 0 skipped, 0 s, last 2020-01-01",
        "error: bad [value]\N{REPLACEMENT CHARACTER}[31m; write a date",
    ]


def test_an_error_is_one_line_however_long(capsys):
    print_error("x" * 500)
    assert capsys.readouterr().err == "error: " + "x" * 500 + "\n"


def test_the_summary_goes_to_stdout(results, capsys):
    print_summary(results, {})
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "success rate" in captured.out


def test_the_summary_shows_batches_and_variables(results):
    text = summary(results)
    assert "4        0       0       100.0 %     2.0 s    3.0 x" in text
    gdp = results["variables"]["details"]["gdp"]
    (line,) = [line for line in text.splitlines() if line.startswith("gdp")]
    assert line.split() == [
        "gdp",
        f"{gdp['trust']:.2f}",
        f"({gdp['trust_lower']:.2f}-{gdp['trust_upper']:.2f})",
        f"{100 * gdp['skill']:+.1f}",
        f"{gdp['mase']:.2f}",
        str(gdp["n"]),
        gdp["best_model"],
    ]
    assert "failed batches" not in text
    assert "skipped batches" not in text


LONG = "[red]a_variable_with_quite_a_long_name[/red]"


def test_the_summary_is_plain_and_fits_80_columns(results):
    details = results["variables"]["details"]["gdp"] | {"best_model": "ar_with_" + LONG}
    changed = results | {
        "variables": {"total": 1, "trust_scores": {}, "details": {LONG: details}},
        "errors": [{"batch": "2020-01-01", "type": "E", "message": "[bold]" + "word " * 60}],
        "skipped": [{"batch": "2020-01-01", "reason": "[/] no \x1b[2Jdata"}],
    }
    text = summary(changed)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "[red]a_v" in text
    assert "[bold]word" in text
    assert "[/] no \N{REPLACEMENT CHARACTER}[2Jdata" in text


#: What a command adds to the results: phases of two lines, and the costs of the batches.
PERFORMANCE = {
    "command_seconds": 309.0,
    "phases": dict.fromkeys(("start", "batches", "checks", "ledger", "report", "end"), 51.5),
    "costs": {
        **{"batches": 360, "processor_seconds": 212.25, "bytes_read": 71e6, "bytes_written": 622e6},
        **{"requests": 1_834, "peak_memory_bytes": 1_810_000_000},
    },
}


def test_the_summary_says_on_a_line_what_the_batches_cost(results):
    performance = results["performance"] | PERFORMANCE
    line = "batches: 212.2 CPU s, 71 MB read, 622 MB written, 1,834 requests, peak 1810 MB"
    assert line in summary({**results, "performance": performance}).splitlines()
    assert "CPU" not in summary(results)  # of an older version


def test_of_500_variables_the_summary_has_at_most_30_lines_and_a_pointer(results):
    gdp, names = results["variables"]["details"]["gdp"], [f"v{i:03}" for i in range(500)]
    details = {name: gdp | {"skill": i / 1000} for i, name in enumerate(names)}
    many = {
        "performance": results["performance"] | PERFORMANCE,
        "variables": results["variables"] | {"details": details},
        "errors": [
            {"batch": f"b{i}", "type": "E", "message": f"{i} " + "word " * 60} for i in range(40)
        ],
        "skipped": [{"batch": "2020-01-01", "reason": f"reason {i}"} for i in range(30)],
        "skipped_variables": [skip(name, 5, reason=f"because of {name}") for name in names],
        "rule_errors": [rule_error(model=f"m{i}") for i in range(30)],
        "checks": [failed_check(f"warning {i} " + "word " * 40) for i in range(30)],
    }
    paths = {"results": "/data/r.json", "report": "/data/r.html"}
    lines = summary(results | many, paths=paths).splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for part in ("v499", "v000", "and 494 more: see the report, or --json"):
        assert part in text
    for title in ("failed batches: b0", "failed rules: m0", "skipped batches: 1 reason"):
        assert title in text
    for count in ("(and 39 more)", "(and 29 more)"):
        assert count in text
    assert lines[-2:] == ["results: /data/r.json", "report: /data/r.html"]


def rule_error(**changes):
    error = {"model": "m", "type": "ValueError", "message": "no", "count": 3, "batches": 2}
    return error | {"variable": "gdp", "first_origin": "2020-01-01"} | changes


def failed_check(message):
    named = {"name": "interval_coverage", "asset": "batch_metrics", "severity": "WARN"}
    return named | {"passed": False, "message": message, "values": {}}


def test_only_the_first_failures_are_listed(results):
    errors = [{"batch": f"b{i:02}", "type": "RuleError", "message": f"boom {i}"} for i in range(13)]
    text = summary(results | {"errors": errors})
    assert "  b09  RuleError: boom 9" in text
    assert "b10" not in text
    assert "and 3 more" in text


def test_equal_failures_stand_in_one_line(results):
    errors = [{"batch": f"b{i:02}", "type": "RuleError", "message": "boom"} for i in range(13)]
    text = summary(results | {"errors": errors})
    assert "failed batches\n  13  RuleError: boom  (b00 to b12)\n\n" in text


def skip(variable, count, **changes):
    entry = {"variable": variable, "reason": "no observation in the window", "count": count}
    return entry | {"first": "2020-01-01", "last": "2020-03-01"} | changes


def test_skipped_variables_are_grouped_with_count_and_dates(results):
    skipped = [
        skip("gdp", 268),
        skip("cpi", 5),
        skip("rate", 5),
        skip("new", 1, reason="too few", last="2020-01-01"),
    ]
    lines = summary(results | {"skipped_variables": skipped}).splitlines()
    at = lines.index("variables not predicted in some batches")
    assert [line.rstrip() for line in lines[at + 1 : at + 6]] == [
        "  gdp: no observation in the window (268 batches, 2020-01-01 to 2020-03-01)",
        "  cpi, rate: no observation in the window (5 batches, 2020-01-01 to 2020-03-01)",
        "  new: too few (2020-01-01)",
        "",
    ]


def test_of_many_skipped_variables_the_first_are_listed(results):
    skipped = [skip(f"v{i}", i + 1) for i in range(14)]
    text = summary(results | {"skipped_variables": skipped})
    assert "v9:" in text
    assert "v10:" not in text
    assert "  and 4 more" in text


def test_failed_rules_are_named_with_the_first_origin(results):
    error = {
        "model": "own",
        "type": "ValueError",
        "message": "no\nluck",
        "count": 24,
        "batches": 2,
        "variable": "gdp",
        "first_origin": "2020-01-01",
    }
    text = summary(results | {"rule_errors": [error]})
    expected = "own: 24 origins in 2 batches, first of gdp from 2020-01-01: ValueError: no luck"
    assert expected in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def check(name, passed, severity="WARN", message=""):
    outcome = {"name": name, "asset": "a", "severity": severity, "passed": passed}
    return outcome | {"message": message, "values": {}}


def test_warnings_are_shown_and_failed_errors_are_not_among_them(results):
    checks = [
        check("fresh", False, message="gdp is old"),
        check("covered", True),
        check("whole", False, "ERROR", "half is gone"),
        check("blind", None, "ERROR", "not run"),
    ]
    text = summary(results | {"checks": checks})
    assert "warnings\n  gdp is old\n  not checked: blind\n\n" in text
    assert "half is gone" not in text  # an error line of its own says it
    assert "warnings" not in summary(results)


def test_skipped_batches_stand_in_one_line_a_reason(results):
    skipped = [{"batch": f"2020-0{i}-01", "reason": "no data"} for i in range(1, 4)]
    skipped.append({"batch": "2021-01-01", "reason": "short"})
    text = summary(results | {"skipped": skipped})
    assert "  3  no data  (2020-01-01 to 2020-03-01)" in text
    assert "  1  short  (2021-01-01)" in text
    assert "more" not in text


def test_undefined_numbers_are_dashes(results):
    nothing = dict.fromkeys(("trust", "trust_lower", "trust_upper", "skill", "best_model", "mase"))
    changed = results | {
        "variables": {"total": 1, "trust_scores": {}, "details": {"gdp": nothing | {"n": 0}}},
        "batches": results["batches"] | {"success_rate": None},
        "performance": results["performance"] | {"speedup_factor": None},
    }
    lines = summary(changed).splitlines()
    assert [line.split() for line in lines if line.startswith("gdp")] == [
        ["gdp", "-", "-", "-", "0", "-"]
    ]
    assert lines[2].split() == ["4", "0", "0", "-", "2.0", "s", "-"]


def test_the_summary_says_how_many_outcomes_lie_below_the_quantiles(results):
    # of 80 pairs of the ensemble
    said = "quantiles: of 80 outcomes 20.0 41.2 71.2 % lie below those of 10 50 90 %\n"
    assert said in summary(results, width=100)
    seven = {
        "levels": [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95],
        "models": {"ensemble": {"n": 12_345, "below": [0.052, 0.098, 0.246, 0.5, 0.75, 0.9, 1.0]}},
    }
    lines = summary(results | {"calibration": seven}).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("quantiles"))
    assert lines[at : at + 3] == [
        "quantiles: of 12,345 outcomes 5.2 9.8 24.6 50.0 75.0 90.0 100.0 % lie below",
        "  those of 5 10 25 50 75 90 95 %",
        "",
    ]
    none = {"levels": [0.5], "models": {}, "variables": {}}
    assert "quantiles:" not in summary(results | {"calibration": none})


def test_without_a_scored_variable_there_is_no_table(results):
    nothing = {"total": 0, "trust_scores": {}, "details": {}}
    assert "lowest mase" not in summary(results | {"variables": nothing})


def test_paths_are_printed_whole(results):
    path = "/data/" + "x" * 100 + "/training_results.json"
    assert f"results: {path}\n" in summary(results, paths={"results": path})


def test_failures_are_red_on_a_terminal(results):
    console = live_console()
    print_summary(results | {"batches": results["batches"] | {"failed": 7}}, {}, console)
    assert re.search(r"\x1b\[1;31m *7", printed(console))


def test_forecast_without_a_trust_shows_a_dash():
    row = {
        "variable": "cpi",
        "origin_date": "2022-09-01",
        "origin_value": 2.5,
        "horizon": 1,
        "target_date": "2022-10-01",
        "predicted": 2.75,
        "lower": 2.25,
        "upper": 3.25,
        "trust": float("nan"),
    }
    console = plain_console()
    print_forecasts([row], [], {}, console)
    last = printed(console).strip().splitlines()[-1]
    assert last.split()[-2:] == ["3.25", "-"]


def test_the_summary_shows_the_time_of_the_command_and_its_phases(results):
    phases = {"start": 3.04, "batches": 8.04, "checks": 0.04}
    performance = results["performance"] | {"command_seconds": 11.12, "phases": phases}
    lines = summary({**results, "performance": performance}).splitlines()
    assert "11.1 s    3.0 x" in lines[2]
    assert lines[3] == "start 3.0 s, batches 8.1 s, checks 0.0 s"


def test_of_many_variables_those_of_highest_and_lowest_skill_are_listed(results):
    entry = results["variables"]["details"]["gdp"]
    details = {f"v{i:03}": entry | {"skill": (i * 37 % 122) / 100} for i in range(122)}
    details["v007"] = entry | {"skill": None}
    text = summary(results | {"variables": results["variables"] | {"details": details}})
    ranked = sorted(details, key=lambda name: (-(details[name]["skill"] or -1), name))
    listed = re.findall(r"^(v\d+)", text, re.MULTILINE)
    assert listed == ranked[:3] + ranked[-3:]
    assert listed[-1] == "v007"
    assert "highest and lowest skill; and 116 more: see the report, or --json" in text
    assert len(text.splitlines()) <= 30
