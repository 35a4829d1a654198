"""The pages of the reference hold all that the code has, and each entry says what it means."""

import argparse
import ast
import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import dagster as dg
import pytest
import yaml

import pulse_assets
from docs_scripts import reference
from docs_scripts.reference import PAGES, python, rules, scores, settings, units
from docs_scripts.reference.checks import ADVICE, CHECKS
from docs_scripts.reference.command_line import options_of, parsers
from docs_scripts.reference.error_examples import EXAMPLES
from docs_scripts.reference.error_messages import KINDS, messages, raised_by, sources, template
from docs_scripts.reference.markdown import code, heading, prose
from docs_scripts.reference.rule_texts import TEXTS
from pulse_assets.batches.fingerprint import configuration_fingerprint
from pulse_assets.catalog import CATALOG
from pulse_assets.cli.command_table import COMMANDS
from pulse_assets.cli.parser import parse_args
from pulse_assets.dagster.component import RetrodictionComponent
from pulse_assets.dagster.definitions import build_definitions
from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.errors import PulseError
from pulse_assets.results_schema import json_schema
from pulse_assets.retrodiction.rules import RULES
from pulse_assets.retrodiction.scores import METRICS
from pulse_assets.settings import Settings, TrainingConfig, TrainingOptions
from pulse_assets.settings.environment import VARIABLES
from pulse_assets.settings.limits import LIMITS
from pulse_assets.settings.setting import environment_variables
from pulse_assets_tests.test_language import PROSE

PACKAGE = Path(pulse_assets.__file__).parent
PARSERS = parsers()
FIELDS = {name: part["properties"] for name, part in json_schema()["$defs"].items()}


@pytest.fixture(scope="module")
def pages():
    return {name: build() for name, build in PAGES.items()}


def section(page, title):
    """The text below a heading, up to the next heading of its level or a higher one."""
    start = re.search(rf"^(#+) {re.escape(title)}(?= |$).*\n", page, re.M)
    assert start, title
    rest = page[start.end() :]
    end = re.search(rf"^#{{1,{len(start[1])}}} ", rest, re.M)
    return rest[: end.start()] if end else rest


def rows(text):
    """The cells of the rows of all tables in a text, without heads."""
    lines = re.sub(r"^\|.*\|\n(?=\| ---)", "", text, flags=re.M).splitlines()
    found = [re.split(r"(?<!`) \| |(?<=`) \| (?=[^`]*(?:`[^`]*`[^`]*)*$)", line) for line in lines]
    return [
        [cell.strip("| ") for cell in cells]
        for line, cells in zip(lines, found, strict=True)
        if line.startswith("| ") and not line.startswith("| ---")
    ]


def test_each_page_begins_with_a_title_and_what_it_is_for(pages):
    for page in pages.values():
        assert re.match(r"# [A-Z][\w ]+\n\nLook up [^\n]+\.\n", page)


def test_no_cell_is_empty(pages):
    cells = [(name, row) for name, page in pages.items() for row in rows(page)]
    assert len(cells) > 600
    assert [row for row in cells if not all(row[1])] == []


def test_no_heading_is_without_text(pages):
    for page in pages.values():
        assert not re.search(r"^(#+) .*\n\n\1 ", page, re.M)


def test_links_lead_to_anchors(pages):
    anchors = {name: re.findall(r"\{ #(\S+) \}$", page, re.M) for name, page in pages.items()}
    anchors["python"] += re.findall(r"^::: (\S+)", pages["python"], re.M)
    for name, page in pages.items():
        assert len(anchors[name]) == len({*anchors[name]}), name
        for target, anchor in re.findall(r"\]\((\w+\.md)?(?:#([^)\s]+))?\)", page):
            where = target.removesuffix(".md") or name
            assert where in pages
            assert not anchor or anchor in anchors[where], (name, target, anchor)


def test_the_language_is_that_of_the_field(pages):
    assert [word for page in pages.values() for word in PROSE.findall(page)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_and_option_is_described(pages, name):
    text = section(pages["command_line"], code(name))
    shared = section(pages["command_line"], "Options of several commands")
    assert prose(COMMANDS[name].description) in text
    shown = list(options_of(PARSERS[name]))
    for option in shown:
        assert option.text.strip()
        assert f"#### {code(option.name)} {{" in text + shared
        assert code(option.usage) in text + shared
    known = {option.name for option in shown}
    for action in PARSERS[name]._actions:
        if action.help != argparse.SUPPRESS and action.option_strings not in (["-h", "--help"], []):
            assert {*action.option_strings} & known


@pytest.mark.parametrize("words", [e for c in COMMANDS.values() for e in c.examples])
def test_examples_of_commands_are_understood(words):
    assert parse_args(words.split()).command == words.split()[0]


@pytest.mark.parametrize("name", TrainingConfig.model_fields)
def test_each_setting_is_described(pages, name):
    text = section(pages["settings"], code(name))
    field = TrainingConfig.model_fields[name]
    assert len(field.description or "") > 10
    assert "- Type: " in text
    assert re.search(r"^- Default: \S", text, re.M)
    variable = field.json_schema_extra["environment"]
    assert variable is None or code(variable) in text


def test_each_model_of_settings_is_described(pages):
    for model in (Settings, TrainingOptions):
        for name in model.model_fields:
            assert f"{{ #{name} }}" in pages["settings"]
    for name in RetrodictionComponent.model_fields:
        assert code(name) in pages["settings"]


def test_each_variable_of_the_environment_is_described(pages):
    named = {*environment_variables(Settings), *VARIABLES, *(v.variable for v in LIMITS.values())}
    text = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    read = {*re.findall(r'"(PULSE_[A-Z0-9_]+)"', text)} - {"PULSE_ALLOW_", "PULSE_"}
    assert read <= named
    for name in named:
        assert f"| {code(name)} |" in pages["settings"]


def test_the_files_of_settings_are_valid():
    assert TrainingConfig(**yaml.safe_load(settings.FILE)).batch_cadence == "monthly"
    job = build_definitions(Settings()).resolve_job_def(JOB_NAME)
    assert dg.validate_run_config(job, yaml.safe_load(settings.RUN_CONFIG))
    attributes = yaml.safe_load(settings.COMPONENT)["attributes"]
    assert attributes.keys() <= RetrodictionComponent.model_fields.keys()


OTHER_VALUES = {
    "start_date": "2001-01-01",
    "end_date": "2011-01-01",
    "source": "sample-uk",
    "batch_limit": 3,
    "batch_size_days": 7,
    "batch_cadence": "monthly",
    "max_batches_per_run": 2,
    "aws_region": "eu-west-1",
    "trust_discount": 0.9,
    "quantiles": [0.5],
    "max_partners": 0,
    "max_failed_batches": 1,
}


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_batches_depend_on_the_settings_that_are_said_to_matter(name):
    def fingerprint(**values):
        config = TrainingConfig(**values)
        return configuration_fingerprint(config.settings(), config.options())

    differs = fingerprint() != fingerprint(**{name: OTHER_VALUES[name]})
    assert differs == settings.changes_batches(name)


@pytest.mark.parametrize("asset", CATALOG, ids=lambda asset: asset.name)
def test_each_column_is_described(pages, asset):
    cells = rows(section(pages["tables"], code(asset.name)))
    described = [row[0] for row in cells if row[0].startswith("`")]
    assert described == [code(name) for name in (asset.schema.names if asset.schema else ())]


def test_each_unit_is_of_a_column():
    names = {name for asset in CATALOG for name in (asset.schema.names if asset.schema else ())}
    assert units.UNITS.keys() <= names


@pytest.mark.parametrize("part", FIELDS)
def test_each_field_of_the_results_is_described(pages, part):
    cells = rows(section(pages["tables"], code(part)))
    assert [row[0] for row in cells] == [code(name) for name in FIELDS[part]]


def test_each_field_of_the_whole_results_is_described(pages):
    text = section(pages["tables"], "Fields of `training_results`")
    for name in json_schema()["properties"]:
        assert f"| {code(name)} |" in text


def test_each_rule_and_score_is_described(pages):
    for name in RULES:
        assert len(section(pages["rules"], code(name))) > 60
    for name in (*METRICS, *scores.OTHERS):
        assert len(section(pages["scores"], code(name))) > 60
    for name in ("ensemble", "ensemble_median"):
        assert section(pages["rules"], code(name))


def test_rules_of_several_steps_have_a_sentence():
    assert {*TEXTS} == {rule.name for rule in RULES.values() if not rules.is_one_function(rule)}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.asset}-{check.name}")
def test_each_check_says_what_it_tests_and_what_to_do(pages, check):
    tested, _, advice = check.description.partition(f"\n\n{ADVICE}")
    assert len(tested) > 20
    assert len(advice) > 20
    assert prose(tested.partition("\n\n")[0]) in pages["checks"]
    assert prose(advice) in pages["checks"]
    described = f"- Severity: {check.severity}\n- Assets: .*`{check.asset}`"
    assert re.search(described, pages["checks"].partition(f"## `{check.name}`")[2])


def test_all_checks_of_the_graph_are_described():
    keys = build_definitions(Settings()).resolve_asset_graph().asset_check_keys
    assert {(key.asset_key.path[-1], key.name) for key in keys} == {one.place for one in CHECKS}


def test_each_exit_code_is_described(pages):
    for name, command in COMMANDS.items():
        assert f"| {prose(command.succeeds)} |" in section(pages["exit_codes"], "Exit code 0")
        assert code(name) in pages["exit_codes"]


def subclasses(kind):
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def test_each_kind_of_error_says_what_to_do():
    ours = {kind for kind in subclasses(PulseError) if kind.__module__.startswith("pulse_assets.")}
    internal = {"RuleFailedError"}  # its text is stored, and no command ends with it
    assert {kind.__name__ for kind in ours} - internal == {*KINDS}
    assert all("\n\n" in (inspect.getdoc(kind) or "") for kind in KINDS.values())


def test_each_message_of_an_error_is_listed(pages):
    known = {message.text for message in messages()}
    literal = [
        template(text)
        for name, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        for _, text in [raised_by(node.exc, name)]
        if isinstance(text, ast.JoinedStr | ast.Constant)
    ]
    assert len(literal) > 150
    for text in literal:
        few_words = not re.search(r"\w{2,}\W+\w+\W+\w{2,}", text.replace("...", ""))
        assert few_words or any(each.endswith(text) for each in known), text
    for message in messages():
        assert prose(message.text.partition(": ")[0]) in pages["errors"]


@pytest.mark.parametrize(
    "example", [e for es in EXAMPLES.values() for e in es], ids=lambda example: example.cause
)
def test_each_example_is_an_error(pages, example):
    text = pages["errors"].partition(f"**{example.cause}**")[2]
    assert re.match(r"\n\n```console\n\$ [^\n]+\n```\n\n> error: \S[^\n]{25,}\n\n\S", text)


def public_members(value):
    """The methods and properties of a class that a user calls, inherited ones included."""
    for owner in value.__mro__ if inspect.isclass(value) else ():
        if owner.__module__.startswith("pulse_assets.") and not issubclass(owner, Settings):
            for name, member in vars(owner).items():
                is_code = inspect.isfunction(member) or isinstance(member, property | classmethod)
                if is_code and not name.startswith("_"):
                    yield f"{owner.__name__}.{name}", member


def test_each_public_name_is_documented(pages):
    for part in python.SECTIONS:
        for name, value in python.values(part):
            assert f"::: {python.path_of(part.module, name)}\n" in f"{pages['python']}\n"
            assert inspect.getdoc(value), name
            for member, function in public_members(value):
                assert inspect.getdoc(function), member
    assert {*python.SECTIONS[0].names} == {*pulse_assets.__all__}


@pytest.mark.parametrize("name", [one.name for one in pkgutil.iter_modules(reference.__path__)])
def test_examples_in_docstrings_hold(name):
    tested = importlib.import_module(f"{reference.__name__}.{name}")
    assert doctest.testmod(tested).failed == 0


def test_a_heading_has_its_anchor():
    assert heading(2, "`naive`", "naive") == "## `naive` { #naive }"
